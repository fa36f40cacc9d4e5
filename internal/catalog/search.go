package catalog

import (
	"cmp"
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

// Weights of the parts of a tool that a search reads. Curated keywords and the
// toolkit's synonyms are how people say what the name does not.
const (
	weightName        = 4
	weightSlug        = 3
	weightKeywords    = 2
	weightSynonyms    = 3
	weightDescription = 1.5
	weightToolkit     = 0.5
	weightParameters  = 0.5
)

type index struct {
	bm25    *bm25.Index
	tools   []*Tool
	intents []intent
	things  [][]map[string]bool
}

func buildIndex(tools []*Tool) *index {
	x := &index{tools: tools}
	docs := make([]bm25.Doc, 0, len(tools))
	for _, t := range tools {
		docs = append(docs, bm25.Doc{ID: t.Slug, Fields: []bm25.Field{
			{Name: "name", Weight: weightName, Text: t.Name},
			{Name: "slug", Weight: weightSlug, Text: slugWords(t)},
			{Name: "keywords", Weight: weightKeywords, Text: strings.Join(t.Keywords, ", ")},
			{Name: "synonyms", Weight: weightSynonyms, Text: synonyms(t)},
			{Name: "description", Weight: weightDescription, Text: t.Description},
			{Name: "toolkit", Weight: weightToolkit, Text: t.Toolkit.Name + " " + t.Toolkit.Slug},
			{Name: "parameters", Weight: weightParameters, Text: parameterWords(t.Input)},
		}})
		x.intents = append(x.intents, toolIntent(t))
		x.things = append(x.things, things(t))
	}
	x.bm25 = bm25.Build(docs)
	return x
}

// synonyms gives what people call the things in a tool's name.
func synonyms(t *Tool) string {
	var words []string
	for _, w := range strings.Fields(strings.ToLower(t.Name)) {
		words = append(words, t.Toolkit.Synonyms[w]...)
	}
	return strings.Join(words, ", ")
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
// "email the page with gmail" is about mail. What stands before the first
// preposition says what is done to what, the rest where: "create a page in a
// space" is about pages, so the head of the use case counts again.
func (c *Catalog) Search(_ context.Context, _, useCase string, k int, allow func(*Tool) bool) []Hit {
	named := c.namedToolkits(useCase)
	accept := func(doc int) bool {
		t := c.index.tools[doc]
		return (len(named) == 0 || slices.Contains(named, t.Toolkit.Slug)) && allow(t)
	}
	found := c.index.bm25.Search(useCase, searchPool(k), accept)
	if head, more := headOf(useCase); more {
		found = addHead(found, c.index.bm25.Search(head, searchPool(k), accept))
	}
	found = c.index.refine(found, useCase)
	hits := make([]Hit, 0, k)
	for _, h := range found[:min(k, len(found))] {
		hits = append(hits, Hit{Tool: c.index.tools[h.Doc], Score: h.Score})
	}
	return hits
}

// refine scales what the words gave by intent and coverage, and orders.
func (x *index) refine(found []bm25.Hit, useCase string) []bm25.Hit {
	want := intentOf(useCase)
	query := map[string]bool{}
	for _, term := range bm25.Tokens(useCase) {
		query[term] = true
	}
	for i := range found {
		doc := found[i].Doc
		found[i].Score *= fitIntent(want, x.intents[doc]) * coverage(x.things[doc], query)
	}
	slices.SortFunc(found, func(a, b bm25.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return found
}

// weightHead is what the head of a use case counts beside the whole.
const weightHead = 0.8

// searchPool is how many candidates are ranked to find the best k.
func searchPool(k int) int { return max(4*k, 20) }

// prepositions end the head of a use case.
var prepositions = map[string]bool{
	"about": true, "at": true, "below": true, "by": true, "for": true, "from": true, "in": true, "inside": true,
	"into": true, "of": true, "on": true, "onto": true, "to": true, "under": true, "underneath": true,
	"with": true, "within": true,
}

// headOf gives the words before the first preposition, and whether there are
// any on both sides of it.
func headOf(useCase string) (string, bool) {
	words := strings.Fields(useCase)
	for i, w := range words {
		if prepositions[strings.ToLower(w)] {
			return strings.Join(words[:i], " "), i > 0
		}
	}
	return "", false
}

// addHead adds the scores of head to those of found.
func addHead(found, head []bm25.Hit) []bm25.Hit {
	bonus := make(map[int]float64, len(head))
	for _, h := range head {
		bonus[h.Doc] = weightHead * h.Score
	}
	for i := range found {
		found[i].Score += bonus[found[i].Doc]
	}
	return found
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
