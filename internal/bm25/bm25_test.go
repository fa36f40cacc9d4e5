package bm25_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/internal/bm25"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "",
		"CONFLUENCE_GET_PAGE_BY_ID": "confluenc get pag id",
		"pageId spaceKey":           "pag id spac key",
		"HTTPServer parseURLs v2":   "http server pars url v2",
		"the Q3 planning page":      "q3 plan pag",
		"create creates created creating creation": "creat creat creat creat creat",
		"delete deleted deletion":                  "delet delet delet",
		"update updates updating":                  "updat updat updat",
		"add added adding use used using key keys": "add add add use use use key key",
		"copy copies copied copying":               "copi copi copi copi",
		"tag tagged tagging tags":                  "tag tag tag tag",
		"search searches searching":                "search search search",
		"address addresses status":                 "address address status",
		"need: what's new?":                        "new",
		"Größe café":                               "größe café",
		"ページ作成":                                    "ペ ー ジ 作 成",
		"dns news red feed sing":                   "dns new red feed sing",
		strings.Repeat("x", 500):                   strings.Repeat("x", 61),
	} {
		if got := strings.Join(bm25.Tokens(text), " "); got != want {
			t.Errorf("Tokens(%q) = %q, want %q", text, got, want)
		}
	}
}

func doc(id, name, text string) bm25.Doc {
	return bm25.Doc{ID: id, Fields: []bm25.Field{{Name: "name", Weight: 3, Text: name}, {Name: "text", Weight: 1, Text: text}}}
}

var small = []bm25.Doc{
	doc("CREATE_PAGE", "Create page", "Create a page in a space, with a title and a body."),
	doc("DELETE_PAGE", "Delete page", "Move a page to the trash."),
	doc("CREATE_BLOGPOST", "Create blogpost", "Publish a blogpost in a space."),
	doc("ADD_LABEL", "Add content label", "Put labels, also called tags, on a page or blogpost."),
	doc("GET_SPACES", "Get spaces", "List the spaces of the site."),
	doc("GET_USER", "Get current user", "Who is connected."),
}

func ids(hits []bm25.Hit) []string {
	out := []string{}
	for _, h := range hits {
		out = append(out, h.ID)
	}
	return out
}

func TestSearchRanks(t *testing.T) {
	t.Parallel()
	x := bm25.Build(small)
	for query, want := range map[string]string{
		"create a page":                 "CREATE_PAGE",
		"deleting pages":                "DELETE_PAGE",
		"tag something":                 "ADD_LABEL",
		"spaces":                        "GET_SPACES",
		"which user am I":               "GET_USER",
		"publish a blog":                "CREATE_BLOGPOST", // blog begins blogpost
		"lable":                         "ADD_LABEL",       // two letters swapped
		"spce list":                     "GET_SPACES",
		"delte":                         "DELETE_PAGE",
		"blogpsot":                      "CREATE_BLOGPOST",
		"CREATE_BLOGPOST":               "CREATE_BLOGPOST",
		"connectted":                    "GET_USER",
		"move this to the trash folder": "DELETE_PAGE",
	} {
		hits := x.Search(query, 3, nil)
		if len(hits) == 0 || hits[0].ID != want {
			t.Errorf("%q: %v, want %s first", query, ids(hits), want)
		}
	}
}

func TestNothingFound(t *testing.T) {
	t.Parallel()
	x := bm25.Build(small)
	for _, query := range []string{"", "the of to", "xyzzy", "?!", "qq"} {
		if hits := x.Search(query, 5, nil); len(hits) != 0 {
			t.Errorf("%q found %v", query, ids(hits))
		}
	}
	if hits := x.Search("page", 0, nil); len(hits) != 0 {
		t.Error("k = 0")
	}
	empty := bm25.Build(nil)
	if empty.Len() != 0 || len(empty.Search("page", 5, nil)) != 0 {
		t.Error("empty index")
	}
	hollow := bm25.Build([]bm25.Doc{{ID: "a"}, {ID: "b", Fields: []bm25.Field{{Name: "n", Weight: 0, Text: "page"}}}})
	if hits := hollow.Search("page", 5, nil); len(hits) != 0 {
		t.Errorf("a field without weight was found: %v", hits)
	}
}

func TestWeightLengthRarityRepetition(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("filler ", 40)
	tests := map[string]struct {
		better, worse bm25.Doc
		query         string
	}{
		"weight":     {doc("z", "alpha", "beta"), doc("a", "beta", "alpha"), "alpha"},
		"length":     {doc("z", "x", "alpha"), doc("a", "x", "alpha "+filler), "alpha"},
		"repetition": {doc("z", "x", "alpha alpha "+filler), doc("a", "x", "alpha gamma "+filler), "alpha"},
		"both words": {doc("z", "x", "alpha beta"), doc("a", "x", "alpha alpha"), "alpha beta"},
		"exact":      {doc("z", "x", "label"), doc("a", "x", "lable"), "label"},
	}
	for name, tt := range tests {
		hits := bm25.Build([]bm25.Doc{tt.worse, tt.better}).Search(tt.query, 2, nil)
		if len(hits) == 0 || hits[0].ID != "z" {
			t.Errorf("%s: %v", name, hits)
		}
	}
	x := bm25.Build([]bm25.Doc{doc("a", "", "common"), doc("b", "", "common"), doc("c", "", "common"), doc("z", "", "seldom")})
	if hits := x.Search("common seldom", 4, nil); hits[0].ID != "z" {
		t.Errorf("rarity: %v", hits)
	}
	if hits := x.Search("common", 4, nil); cmp.Diff([]string{"a", "b", "c"}, ids(hits)) != "" {
		t.Errorf("ties are not in the order of ids: %v", ids(hits))
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	x := bm25.Build(small)
	only := func(id string) func(int) bool { return func(d int) bool { return small[d].ID == id } }
	if diff := cmp.Diff([]string{"DELETE_PAGE"}, ids(x.Search("create page", 1, only("DELETE_PAGE")))); diff != "" {
		t.Error(diff)
	}
	if got := x.Search("create page", 5, func(int) bool { return false }); len(got) != 0 {
		t.Errorf("refused, yet found: %v", got)
	}
	if got := x.Search("create page", 5, nil); len(got) < 3 {
		t.Errorf("an earlier search left something behind: %v", got)
	}
}

// synthetic makes n documents of about the size of a tool's text.
func synthetic(n int) ([]bm25.Doc, []string) {
	r := rand.New(rand.NewPCG(1, 2))
	verbs := strings.Fields("create update delete list search get add remove archive restore move copy share send publish watch")
	syllables := strings.Fields("ba co di fu ga he ji ko la me ni po qu ra se ti vo wa xe zu")
	vocabulary := make([]string, 4000)
	for i := range vocabulary {
		for range 2 + r.IntN(3) {
			vocabulary[i] += syllables[r.IntN(len(syllables))]
		}
	}
	words := func(n int) string {
		out := make([]string, n)
		for i := range out {
			out[i] = vocabulary[min(r.IntN(4000), r.IntN(4000))]
		}
		return strings.Join(out, " ")
	}
	docs := make([]bm25.Doc, n)
	for i := range docs {
		verb := verbs[r.IntN(len(verbs))]
		docs[i] = bm25.Doc{ID: fmt.Sprintf("KIT%d_%s_%d", i%100, strings.ToUpper(verb), i), Fields: []bm25.Field{
			{Name: "name", Weight: 4, Text: verb + " " + words(2)},
			{Name: "keywords", Weight: 3, Text: words(6)},
			{Name: "description", Weight: 1, Text: "The " + verb + " tool: " + words(25)},
			{Name: "parameters", Weight: 0.5, Text: words(12)},
		}}
	}
	queries := make([]string, 64)
	for i := range queries {
		queries[i] = verbs[i%len(verbs)] + " the " + words(5)
	}
	return docs, queries
}

func TestTopKIsTheHeadOfAll(t *testing.T) {
	t.Parallel()
	docs, queries := synthetic(400)
	x := bm25.Build(docs)
	rapid.Check(t, func(rt *rapid.T) {
		query := rapid.SampledFrom(queries).Draw(rt, "query")
		k := rapid.IntRange(1, 50).Draw(rt, "k")
		mod := rapid.IntRange(1, 5).Draw(rt, "mod")
		filter := func(d int) bool { return d%mod == 0 }
		all := slices.DeleteFunc(x.Search(query, len(docs), nil), func(h bm25.Hit) bool { return !filter(h.Doc) })
		if diff := cmp.Diff(all[:min(k, len(all))], x.Search(query, k, filter)); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestAnyTextIsSafeAndRepeatable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9_ \-]{0,60}`))
		docs := []bm25.Doc{doc("a", text.Draw(rt, "a"), text.Draw(rt, "a2")), doc("b", text.Draw(rt, "b"), text.Draw(rt, "b2"))}
		query := text.Draw(rt, "query")
		first := bm25.Build(docs).Search(query, 5, nil)
		if diff := cmp.Diff(first, bm25.Build(docs).Search(query, 5, nil)); diff != "" {
			rt.Fatal(diff)
		}
		if toks := bm25.Tokens(docs[0].Fields[0].Text); len(toks) > 0 {
			if hits := bm25.Build(docs[:1]).Search(docs[0].Fields[0].Text, 1, nil); len(hits) != 1 {
				rt.Fatalf("a document is not found by its own text %q", docs[0].Fields[0].Text)
			}
		}
	})
}

func TestConcurrentSearches(t *testing.T) {
	t.Parallel()
	docs, queries := synthetic(300)
	x := bm25.Build(docs)
	want := make([][]bm25.Hit, len(queries))
	for i, q := range queries {
		want[i] = x.Search(q, 10, nil)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, q := range queries {
				if diff := cmp.Diff(want[i], x.Search(q, 10, nil)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{24, 5000} {
		docs, queries := synthetic(n)
		x := bm25.Build(docs)
		typos := make([]string, len(queries))
		for i, q := range queries {
			typos[i] = strings.ReplaceAll(q, "a", "aq")
		}
		for name, list := range map[string][]string{"known": queries, "typos": typos} {
			b.Run(fmt.Sprintf("docs=%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					x.Search(list[i%len(list)], 10, nil)
					i++
				}
			})
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	docs, _ := synthetic(5000)
	b.ReportAllocs()
	for b.Loop() {
		bm25.Build(docs)
	}
}
