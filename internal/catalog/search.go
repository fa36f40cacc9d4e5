package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/bm25"
)

// Hit is a tool that a search found. Score is comparable within one search only.
type Hit struct {
	Tool  *Tool
	Score float64
}

// Weights of the parts of a tool that a search reads. Curated keywords count
// most after the name: they are how people say what the name does not.
const (
	weightName        = 4
	weightSlug        = 3
	weightKeywords    = 4
	weightDescription = 1.5
	weightToolkit     = 0.5
	weightParameters  = 0.5
)

type index struct {
	bm25  *bm25.Index
	tools []*Tool
}

func buildIndex(tools []*Tool) *index {
	docs := make([]bm25.Doc, 0, len(tools))
	for _, t := range tools {
		docs = append(docs, bm25.Doc{ID: t.Slug, Fields: []bm25.Field{
			{Name: "name", Weight: weightName, Text: t.Name},
			{Name: "slug", Weight: weightSlug, Text: slugWords(t)},
			{Name: "keywords", Weight: weightKeywords, Text: strings.Join(t.Keywords, ", ")},
			{Name: "description", Weight: weightDescription, Text: t.Description},
			{Name: "toolkit", Weight: weightToolkit, Text: t.Toolkit.Name + " " + t.Toolkit.Slug},
			{Name: "parameters", Weight: weightParameters, Text: parameterWords(t.Input)},
		}})
	}
	return &index{bm25: bm25.Build(docs), tools: tools}
}

// slugWords gives the words of a slug without its toolkit's.
func slugWords(t *Tool) string {
	slug := strings.TrimPrefix(strings.ToLower(t.Slug), t.Toolkit.Slug+"_")
	return strings.ReplaceAll(slug, "_", " ")
}

// parameterWords gives names and descriptions of the top-level parameters.
func parameterWords(schema json.RawMessage) string {
	var in struct {
		Properties map[string]struct {
			Description string `json:"description"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &in) != nil {
		return ""
	}
	var b strings.Builder
	for name, p := range in.Properties {
		b.WriteString(name + " " + p.Description + "\n")
	}
	return b.String()
}

// Search ranks the tools that allow accepts for a use case in plain words, best
// first, at most k. It never gives a tool that allow refuses.
//
// Naming a toolkit narrows the search to it: "email the page" is about pages,
// "email the page with gmail" is about mail.
func (c *Catalog) Search(_ context.Context, _, useCase string, k int, allow func(*Tool) bool) []Hit {
	named := c.namedToolkits(useCase)
	found := c.index.bm25.Search(useCase, k, func(doc int) bool {
		t := c.index.tools[doc]
		return (len(named) == 0 || slices.Contains(named, t.Toolkit.Slug)) && allow(t)
	})
	hits := make([]Hit, 0, len(found))
	for _, h := range found {
		hits = append(hits, Hit{Tool: c.index.tools[h.Doc], Score: h.Score})
	}
	return hits
}

// namedToolkits gives the toolkits whose name or slug stands in the use case as
// a word.
func (c *Catalog) namedToolkits(useCase string) []string {
	words := strings.FieldsFunc(strings.ToLower(useCase), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	})
	var named []string
	for _, tk := range c.toolkits {
		if slices.Contains(words, tk.Slug) || slices.Contains(words, strings.ToLower(tk.Name)) {
			named = append(named, tk.Slug)
		}
	}
	return named
}
