package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/toolkit"
	"github.com/sluice-run/sluice/toolkits/confluence"
)

// searches measures tool search by itself, over the real tools and over 5,000
// made-up ones whose words are drawn from a small vocabulary: the worst case,
// in which each query matches most tools.
func searches(ctx context.Context, n int) error {
	small, err := catalog.New(confluence.New())
	if err != nil {
		return err
	}
	big, err := catalog.New(synthetic(5000))
	if err != nil {
		return err
	}
	queries := []string{
		"add the urgent label to the planning page",
		"create a page for the project in the marketing space",
		"list recent blog posts of a team",
		"find who wrote the report about sales",
		"delete old versions of the document",
	}
	all := func(*catalog.Tool) bool { return true }
	for _, set := range []struct {
		name string
		c    *catalog.Catalog
	}{
		{fmt.Sprintf("search over Confluence's %d tools", len(small.Tools(ctx, ""))), small},
		{"search over 5,000 tools", big},
	} {
		times := make([]time.Duration, n)
		for i := range times {
			began := time.Now()
			set.c.Search(ctx, "", queries[i%len(queries)], 10, all)
			times[i] = time.Since(began)
		}
		row(set.name, times, 0)
	}
	return nil
}

func synthetic(n int) *toolkit.Toolkit {
	verbs := strings.Fields("create list get update delete find send add remove move copy archive restore share publish")
	nouns := strings.Fields("page report label message file user team invoice order ticket task board channel contact deal event note post record version document space project sales planning comment")
	tk := &toolkit.Toolkit{Slug: "synthetic", Name: "Synthetic", Version: "20260101_00"}
	schema := json.RawMessage(`{"type":"object","properties":{"id":{"type":"string","description":"Which one"},"name":{"type":"string","description":"Its new name"}}}`)
	for i := range n {
		verb, noun, of := verbs[i%len(verbs)], nouns[i/len(verbs)%len(nouns)], nouns[i*7%len(nouns)]
		t, err := toolkit.Raw(
			fmt.Sprintf("SYNTHETIC_%s_%s_%d", strings.ToUpper(verb), strings.ToUpper(noun), i),
			verb+" "+noun, fmt.Sprintf("Tool to %s a %s of a %s, with its owner and dates.", verb, noun, of),
			toolkit.About{Keywords: []string{nouns[i*3%len(nouns)], verbs[i*5%len(verbs)]}}, toolkit.Hints{}, schema, schema,
			func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
				return &toolkit.Result{}, nil
			})
		if err != nil {
			panic(err) // a constant schema
		}
		tk.Tools = append(tk.Tools, t)
	}
	return tk
}
