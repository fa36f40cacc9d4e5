package confluence_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

// TestProperties walks one property of each kind of holder through its life.
func TestProperties(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		collection, holder             string // which holder, as an argument
		create, list, update, remove   string
		createID, listID, id, property string
	}{
		{
			"pages", "MKT: Plan", "CREATE_PAGE_PROPERTY", "GET_CONTENT_PROPERTIES_FOR_PAGE", "UPDATE_CONTENT_PROPERTY_FOR_PAGE_BY_ID",
			"DELETE_CONTENT_PROPERTY_FOR_PAGE_BY_ID", "page_id", "page_id", "pageId", "propertyId",
		},
		{
			"blogposts", "MKT: News", "CREATE_BLOGPOST_PROPERTY", "GET_CONTENT_PROPERTIES_FOR_BLOG_POST", "UPDATE_BLOGPOST_PROPERTY",
			"DELETE_BLOGPOST_PROPERTY", "id", "blogpost_id", "id", "propertyKey",
		},
		{
			"whiteboards", "", "CREATE_CONTENT_PROPERTY_FOR_WHITEBOARD", "", "UPDATE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID",
			"DELETE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID", "whiteboard_id", "", "whiteboardId", "propertyId",
		},
		{
			"spaces", "MKT", "CREATE_SPACE_PROPERTY", "GET_SPACE_PROPERTIES", "UPDATE_SPACE_PROPERTY", "DELETE_SPACE_PROPERTY",
			"spaceId", "id", "spaceKey", "propertyKey",
		},
	} {
		t.Run(tc.collection, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.page("Plan", "")
			s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`)
			if tc.collection == "whiteboards" {
				tc.holder = text(s.must("CREATE_WHITEBOARD", `{"spaceId":"MKT","title":"Ideas"}`), "id")
			}
			create := func(key, value string) string {
				return fmt.Sprintf(`{%q:%q,"key":%q,"value":%s}`, tc.createID, tc.holder, key, value)
			}
			out := s.must(tc.create, create("status", `{"colour":"red","n":[1,2]}`))
			id := text(out, "id")
			if text(out, "key") != "status" || text(out, "value", "colour") != "red" || get(out, "version", "number") != 1.0 {
				t.Errorf("created %v", out)
			}
			s.must(tc.create, create("other", `"plain text"`))
			if e := s.fails(tc.create, create("status", `1`)); e.Kind != toolkit.KindConflict || e.Field != "key" || !strings.Contains(e.Fix, "CONFLUENCE_"+tc.update) {
				t.Errorf("twice: %v", e)
			}
			name := tc.property
			if tc.collection == "spaces" {
				s.must(tc.list, `{"id":"MKT","key":["status","nothing"]}`)
				name, tc.property = "propertyKey", "propertyKey"
			}
			change := func(property, value string) string {
				return fmt.Sprintf(`{%q:%q,%q:%q,"value":%s}`, tc.id, tc.holder, name, property, value)
			}
			out = s.must(tc.update, change("status", `{"colour":"green"}`))
			if text(out, "value", "colour") != "green" || get(out, "version", "number") != 2.0 {
				t.Errorf("updated by key: %v", out)
			}
			out = s.must(tc.update, change(id, `true`))
			if get(out, "value") != true || get(out, "version", "number") != 3.0 {
				t.Errorf("updated by id: %v", out)
			}
			e := s.fails(tc.update, change("colour", `1`))
			if e.Kind != toolkit.KindNotFound || e.Field != name || !strings.Contains(e.Error(), "status, other") {
				t.Errorf("unknown key: %v", e)
			}
			if tc.list != "" {
				out = s.must(tc.list, fmt.Sprintf(`{%q:%q,"limit":1}`, tc.listID, tc.holder))
				if diff := cmp.Diff([]string{"status"}, column(out, "key")); diff != "" || text(out, "next_cursor") == "" || !strings.Contains(text(out, "more"), "1 items") {
					t.Errorf("first: %v", out)
				}
				out = s.must(tc.list, fmt.Sprintf(`{%q:%q,"all":true}`, tc.listID, tc.holder))
				if diff := cmp.Diff([]string{"status", "other"}, column(out, "key")); diff != "" || text(out, "more") != "" {
					t.Errorf("all: %v", out)
				}
			}
			remove := func(property string) string {
				return fmt.Sprintf(`{%q:%q,%q:%q}`, deleteID(tc.remove, tc.id), tc.holder, name, property)
			}
			if out = s.must(tc.remove, remove("other")); get(out, "deleted") != true {
				t.Errorf("removed %v", out)
			}
			s.must(tc.remove, remove(id))
			if e := s.fails(tc.remove, remove(id)); e.Kind != toolkit.KindNotFound || !strings.Contains(e.Fix, "no properties at all") {
				t.Errorf("removed twice: %v", e)
			}
		})
	}
}

// deleteID is the argument that names the holder, where it differs.
func deleteID(tool, usual string) string {
	if tool == "DELETE_SPACE_PROPERTY" {
		return "spaceIdOrKey"
	}
	return usual
}

func TestPropertyConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	s.reply("GET /wiki/api/v2/pages/{id}/properties", 200, `{"results":[{"id":"5","key":"k","value":1,"version":{"number":4}}]}`)
	s.lend().HandleFunc("PUT /wiki/api/v2/pages/{id}/properties/5", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusConflict, "CONFLICT", "Version must be incremented")
	})
	e := s.fails("UPDATE_CONTENT_PROPERTY_FOR_PAGE_BY_ID", fmt.Sprintf(`{"pageId":%s,"propertyId":"k","value":2}`, id))
	if e.Kind != toolkit.KindConflict || !strings.Contains(e.Message, "no longer in version 4") {
		t.Errorf("got %v", e)
	}
	if e := s.fails("CREATE_SPACE_PROPERTY", `{"spaceId":"MKT","key":"k","value":1,"version":{"number":2}}`); e.Field != "version.number" {
		t.Errorf("got %v", e)
	}
	if e := s.fails("GET_SPACE_PROPERTIES", `{"id":"MKT","key":["k"],"start":1}`); e.Field != "key" {
		t.Errorf("got %v", e)
	}
}

var digits = regexp.MustCompile(`^[0-9]+$`)

func TestWhiteboard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	folder := text(s.api("POST", "/wiki/api/v2/folders", fmt.Sprintf(`{"spaceId":%q,"title":"Boards"}`, s.space("MKT"))), "id")
	out := s.must("CREATE_WHITEBOARD", fmt.Sprintf(`{"spaceId":"MKT","title":"Ideas","parentId":"https://acme.atlassian.net/wiki/spaces/MKT/folder/%s","templateKey":"kanban-board","private":true}`, folder))
	if text(out, "parentId") != folder || !digits.MatchString(text(out, "id")) || text(out, "title") != "Ideas" || !strings.HasPrefix(text(out, "url"), s.srv.URL+"/wiki/") {
		t.Errorf("got %v", out)
	}
	if !strings.Contains(strings.Join(s.calls, " "), "private=true") {
		t.Errorf("calls %v", s.calls)
	}
}
