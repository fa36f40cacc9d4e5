package confluence

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sluice-run/sluice/toolkit"
)

type searchContentInput struct {
	Query    string `json:"query" jsonschema:"minLength=1,maxLength=500" jsonschema_description:"Words to look for, in titles and texts: Q3 planning."`
	SpaceKey string `json:"spaceKey,omitempty" jsonschema_description:"Only in this space: its key (MKT) or its id."`
	Limit    int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=250,default=25" jsonschema_description:"How many results to return at most."`
	Start    int    `json:"start,omitempty" jsonschema:"minimum=0,maximum=1000" jsonschema_description:"How many results to skip."`
	Cursor   string `json:"cursor,omitempty" jsonschema_description:"Where to go on: next_cursor of the answer before."`
	All      bool   `json:"all,omitempty" jsonschema_description:"Get all results in one answer, up to 1,000; limit is ignored then."`
	Expand   string `json:"expand,omitempty" jsonschema_description:"More of each result, separated by commas: content.space, content.version, content.body.storage."`
}

var searchContent = toolkit.Read("CONFLUENCE_SEARCH_CONTENT", "Search Content",
	"Find pages and blog posts by words in title or text, best match first: the words as they stand in a title, then all words in a title, then the text. "+
		"Use it to get the id of something that is known by name. For exact conditions (label, date, author) use CQL search.",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.Scopes{}.AnyOf(scopeSearch, "search:confluence").Sometimes(scopeReadSpace),
		Keywords: []string{
			"find", "look for", "lookup", "look up", "locate", "where is", "which page", "page id", "by title", "by name", "called", "named", "about",
			"mentions", "documents", "documentation", "information", "written about", "do we have", "notes", "articles", "anything on", "full text",
		},
		Pitfalls: []string{
			"Results hold excerpts, not texts: read one with CONFLUENCE_GET_PAGE_BY_ID or, for content.type blogpost, CONFLUENCE_GET_BLOGPOST_BY_ID.",
			"New pages are found after about a minute.",
		},
		Endpoints: []string{"GET /wiki/rest/api/search", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}"},
	},
	func(ctx context.Context, c *client, in searchContentInput) (*foundList, error) {
		if in.Cursor != "" {
			n, err := strconv.Atoi(in.Cursor)
			if err != nil || n < 0 || n > 1000 || in.Start > 0 {
				return nil, toolkit.Invalid("cursor", "cursor: expected next_cursor of the answer before, and no start")
			}
			in.Start = n
		}
		if in.All {
			if strings.Contains(in.Expand, "body") {
				return nil, toolkit.Invalid("all", "all: texts of all results are too much for one answer; leave body out of expand, or use limit and cursor")
			}
			in.Limit = max(maxAllItems-in.Start, 1)
		}
		// In lower case, since AND, OR and NOT would be operators of text search.
		words := words(strings.ToLower(in.Query))
		if len(words) == 0 {
			return nil, toolkit.Invalid("query", "query: expected at least one word or number to look for")
		}
		where := "type in (page, blogpost)"
		if in.SpaceKey != "" {
			ref, err := c.spaceRef(ctx, "spaceKey", in.SpaceKey)
			if err != nil {
				return nil, err
			}
			where += " and space = " + quote(ref.key)
		}
		s := contentSearch{c: c, where: where, expand: in.Expand, words: words, telling: telling(words), upTo: in.Start + in.Limit}
		out, err := s.run(ctx)
		if err != nil {
			return nil, err
		}
		all := out.Results
		out.Results = []found{}
		if in.Start < len(all) {
			out.Results = all[in.Start:min(in.Start+in.Limit, len(all))]
		}
		if end := in.Start + in.Limit; end < len(all) && end < maxAllItems {
			out.paging = newPaging(strconv.Itoa(end), len(out.Results), out.TotalSize-in.Start)
		} else if end < len(all) || out.beyond {
			out.More = "There is more than can be reached here: search for more exact words, or use CONFLUENCE_CQL_SEARCH."
		}
		return out, nil
	})

// words gives the words of a query without punctuation, which CQL would read
// as operators of its text search.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '_'
	})
}

// contentSearch is one search, made of several queries: a title that matches
// must not be lost behind texts that do.
type contentSearch struct {
	c       *client
	where   string
	expand  string
	words   []string
	telling []string // words without fillers
	upTo    int      // how many results the caller will have read
}

// maxRanked is how many results are fetched to be ranked, whatever the limit:
// the order must not depend on how far the caller has read.
const maxRanked = 250

// fillers are words that people put around what they look for.
var fillers = strings.Fields("a an the of for from in on at by with to and or not is are our my me about called named titled " +
	"page pages document documents doc docs article blog post posts wiki space confluence")

// telling gives the words without fillers, unless that leaves none.
func telling(words []string) []string {
	rest := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(fillers, w) })
	if len(rest) == 0 {
		return words
	}
	return rest
}

// run looks for titles with all telling words and for texts with all words;
// when there are none, for texts with the telling words, and then with any.
func (s contentSearch) run(ctx context.Context) (*foundList, error) {
	tell := strings.Join(s.telling, " ")
	titles, err := s.query(ctx, "title ~ "+quote(tell), maxRanked)
	if err != nil {
		return nil, err
	}
	out, err := s.query(ctx, "text ~ "+quote(strings.Join(s.words, " ")), s.upTo+1)
	if err != nil {
		return nil, err
	}
	s.rank(titles.Results)
	out.Results = once(append(titles.Results, out.Results...))
	out.TotalSize = max(out.TotalSize, len(out.Results))
	if len(out.Results) == 0 && len(s.telling) < len(s.words) {
		if out, err = s.query(ctx, "text ~ "+quote(tell), s.upTo+1); err != nil {
			return nil, err
		}
		if out.Results = once(out.Results); len(out.Results) > 0 {
			out.Note = "Nothing holds all the words; these hold: " + tell + "."
		}
	}
	if len(out.Results) > 0 || len(s.telling) < 2 {
		return out, nil
	}
	var some []string
	for _, w := range s.telling[:min(len(s.telling), 12)] {
		some = append(some, "text ~ "+quote(w))
	}
	if out, err = s.query(ctx, "("+strings.Join(some, " or ")+")", maxRanked); err != nil {
		return nil, err
	}
	out.beyond = out.TotalSize > len(out.Results)
	s.rank(out.Results)
	if out.Results = once(out.Results); len(out.Results) > 0 {
		out.Note = "Nothing holds all the words; these hold some of them."
	}
	return out, nil
}

// query runs one query and walks its pages until it has want results.
func (s contentSearch) query(ctx context.Context, clause string, want int) (*foundList, error) {
	out := &foundList{}
	a := pageArgs{Limit: min(want, 250)}
	if strings.Contains(s.expand, "body") {
		a.Limit = min(a.Limit, 25)
		want = min(want, max(s.upTo+1, 25))
	}
	for {
		got, err := s.c.search(ctx, clause+" and "+s.where, "highlight", s.expand, a)
		if err != nil {
			return nil, err
		}
		out.TotalSize, out.CQL = got.TotalSize, got.CQL
		out.Results = append(out.Results, got.Results...)
		if got.NextCursor == "" || len(out.Results) >= want || len(got.Results) == 0 {
			return out, nil
		}
		a.Cursor = got.NextCursor
	}
}

// rank sorts: the phrase is the title, the phrase is in the title, all words
// are, more words are; equals stay in the order of the site.
func (s contentSearch) rank(all []found) {
	slices.SortStableFunc(all, func(a, b found) int { return s.score(b.Title) - s.score(a.Title) })
}

// once drops what came before and what is not content.
func once(all []found) []found {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(f found) bool {
		if f.Content == nil || seen[f.Content.ID] {
			return true
		}
		seen[f.Content.ID] = true
		return false
	})
}

// score says how well a title fits: as it was asked for, then without the
// fillers; of equals the shorter title.
func (s contentSearch) score(title string) int {
	have := words(strings.ToLower(title))
	plain := " " + strings.Join(have, " ") + " "
	best := 0
	for i, want := range [][]string{s.words, s.telling} {
		hits := 0
		for _, w := range want {
			if slices.Contains(have, w) {
				hits++
			}
		}
		phrase := " " + strings.Join(want, " ") + " "
		score := 10 * hits
		switch {
		case plain == phrase:
			score = 4000
		case strings.Contains(plain, phrase):
			score = 3000
		case hits == len(want):
			score = 2000
		}
		best = max(best, score-i)
	}
	return 10*best - min(len(have), 9)
}
