package confluence_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/toolkit"
)

// whole are the tools that give a list and take no limit, each with its reason.
var whole = map[string]string{
	"GET_PAGE_ANCESTORS": "a path to the top, walked up to 1,000 levels; more says how to go on above them",
	"GET_PAGE_TREE":      "always all, up to 1,000 pages; it goes on with cursor",
}

// lists gives the tools that read lists: their answers have results, or they
// take an argument of paging.
func lists() []toolkit.Tool {
	return slices.DeleteFunc(slices.Clone(kit.Tools), func(t toolkit.Tool) bool {
		in, out := properties(t.Input), properties(t.Output)
		paged := in["limit"] != nil || in["cursor"] != nil || in["all"] != nil || in["start"] != nil
		return !t.Hints.ReadOnly || !paged && out["results"] == nil
	})
}

func properties(schema json.RawMessage) map[string]map[string]any {
	var s struct {
		Properties map[string]map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		panic(err)
	}
	return s.Properties
}

// TestListsPage: no list can be cut without saying so. Each takes a limit, a
// cursor, and all with the bound that it states; each answer can say that there
// is more and how to get it.
func TestListsPage(t *testing.T) {
	t.Parallel()
	found := lists()
	if len(found) < 30 {
		t.Fatalf("only %d tools give lists", len(found))
	}
	for _, tool := range found {
		slug := strings.TrimPrefix(tool.Slug, "CONFLUENCE_")
		in, out := properties(tool.Input), properties(tool.Output)
		if out["more"]["type"] != "string" {
			t.Errorf("%s cannot say that there is more", slug)
		}
		if slug == "GET_PAGE_ANCESTORS" {
			continue
		}
		if in["cursor"]["type"] != "string" || out["next_cursor"]["type"] != "string" {
			t.Errorf("%s cannot go on: cursor %v, next_cursor %v", slug, in["cursor"], out["next_cursor"])
		}
		if whole[slug] != "" {
			if !strings.Contains(tool.Description, "1,000") {
				t.Errorf("%s does not state its bound: %s", slug, tool.Description)
			}
			continue
		}
		all, _ := in["all"]["description"].(string)
		if in["all"]["type"] != "boolean" || !strings.Contains(all, "1,000") {
			t.Errorf("%s: all is %v", slug, in["all"])
		}
		if in["limit"]["type"] != "integer" || in["limit"]["default"] == nil || in["limit"]["maximum"] == nil {
			t.Errorf("%s: limit is %v", slug, in["limit"])
		}
	}
}

// endless is a site whose lists hold many items, enough of everything that any
// tool reads of one.
const endless = 5000

func endlessList(r *http.Request) *http.Response {
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("cursor") + q.Get("start"))
	limit, err := strconv.Atoi(q.Get("limit"))
	if r.Method != http.MethodGet || err != nil {
		return nil
	}
	var items []string
	for i := from; i < min(from+limit, endless); i++ {
		items = append(items, fmt.Sprintf(`{"id":"%[1]d","templateId":"%[1]d","key":"K%[1]d","name":"n%[1]d","title":"t%[1]d","summary":"s%[1]d","number":%[1]d,
			"type":"page","status":"current","spaceId":"1","parentId":"","version":{"number":1},"content":{"id":"%[1]d","type":"page","title":"t%[1]d"},
			"user":{"accountId":"a%[1]d","displayName":"d%[1]d"},"space":{"key":"K%[1]d","name":"n%[1]d"}}`, i))
	}
	next := ""
	if end := from + limit; end < endless {
		next = fmt.Sprintf(`"next":"%s?cursor=%d&start=%d"`, r.URL.Path, end, end)
	}
	return answer(r, 200, fmt.Sprintf(`{"results":[%s],"start":%d,"limit":%d,"size":%d,"totalSize":%d,"_links":{%s}}`,
		strings.Join(items, ","), from, limit, len(items), endless, next))
}

// TestListsAreNotCutSilently puts every tool that lists before a site with more
// than it can give at once.
func TestListsAreNotCutSilently(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reads thousands of items")
	}
	s := newSite(t)
	id := s.page("Page", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	args := smallest(id, blog)
	s.alter = endlessList
	for _, tool := range lists() {
		slug := strings.TrimPrefix(tool.Slug, "CONFLUENCE_")
		with := func(more string) string {
			return strings.Replace(strings.TrimSuffix(args[slug], "}")+","+more+"}", "{,", "{", 1)
		}
		t.Run(slug, func(t *testing.T) {
			switch slug {
			case "GET_PAGE_ANCESTORS":
				t.Skip(whole[slug])
			case "GET_PAGE_TREE":
			default:
				out := s.must(slug, with(`"limit":2`))
				checkPart(t, out, 2)
				second := s.must(slug, with(fmt.Sprintf(`"limit":2,"cursor":%q`, text(out, "next_cursor"))))
				checkPart(t, second, 2)
				if fmt.Sprint(get(out, "results")) == fmt.Sprint(get(second, "results")) {
					t.Errorf("the cursor leads nowhere: %v", second)
				}
			}
			last, unreached := "", ""
			n, rounds := 0, 0
			for cursor := "first"; cursor != "" && rounds < 10; rounds++ {
				more := `"all":true`
				if whole[slug] != "" {
					more = `"cursor":""`
				}
				if cursor != "first" {
					more = strings.Replace(more, `"cursor":""`, "", 1)
					more = strings.Trim(more+fmt.Sprintf(`,"cursor":%q`, cursor), ",")
				}
				out := s.must(slug, with(more))
				got := len(get(out, "results").([]any))
				if cursor = text(out, "next_cursor"); cursor != "" {
					checkPart(t, out, 1000)
				}
				if cursor == last && cursor != "" {
					t.Fatalf("the cursor stays at %q", cursor)
				}
				last, unreached = cursor, text(out, "more")
				n += got
			}
			if slug == "SEARCH_CONTENT" { // it ranks by itself, and says how far that goes
				if n != 1000 || !strings.Contains(unreached, "more than can be reached") {
					t.Errorf("%d items, and then: %q", n, unreached)
				}
				return
			}
			if n != endless {
				t.Errorf("in %d answers there were %d of %d items", rounds, n, endless)
			}
		})
	}
}

// checkPart checks an answer that holds n items of many.
func checkPart(t *testing.T, out map[string]any, n int) {
	t.Helper()
	list, _ := get(out, "results").([]any)
	more := text(out, "more")
	if len(list) != n || text(out, "next_cursor") == "" || !strings.Contains(more, strconv.Itoa(n)) || !strings.Contains(more, "next_cursor") {
		t.Errorf("%d items, next_cursor %q, more %q; want %d and how to go on", len(list), text(out, "next_cursor"), more, n)
	}
}
