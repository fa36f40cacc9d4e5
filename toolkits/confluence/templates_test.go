package confluence_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// template makes a template and gives its id.
func (s *site) template(name, space, labels, storage string) string {
	s.t.Helper()
	where := ""
	if space != "" {
		where = fmt.Sprintf(`"space":{"key":%q},`, space)
	}
	return text(s.rest("POST", "/template", fmt.Sprintf(`{"name":%q,"templateType":"page",%s"description":"For %s","labels":[%s],"body":{"storage":{"value":%s,"representation":"storage"}}}`,
		name, where, name, labels, quoteJSON(storage))), "templateId")
}

const minutes = `<at:declarations><at:string at:name="who" /><at:textarea at:name="R&amp;D" at:columns="100" at:rows="5" /></at:declarations>` +
	`<h1>Minutes by <at:var at:name="who" /></h1><p><at:var at:name="R&amp;D" /> and again <at:var at:name="who" /></p>`

func TestTemplates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.srv.AddGroup("confluence-admins", s.me.AccountID)
	own := s.template("Minutes", "MKT", `{"prefix":"global","name":"minutes"}`, minutes)
	plain := s.template("Minutes", "", "", "<p>Of the site</p>")
	s.template("Twice", "", "", "<p/>")
	s.template("Twice", "", "", "<p/>")

	out := s.must("GET_TEMPLATES", fmt.Sprintf(`{"spaceKey":%q}`, s.space("MKT")))
	if diff := cmp.Diff([]string{own}, column(out, "templateId")); diff != "" || text(out, "results", 0, "spaceKey") != "MKT" || text(out, "results", 0, "description") != "For Minutes" {
		t.Errorf("of the space: %v", out)
	}
	out = s.must("GET_TEMPLATES", `{"limit":2}`)
	if diff := cmp.Diff([]string{"Minutes", "Twice"}, column(out, "name")); diff != "" || text(out, "next_cursor") != "2" {
		t.Errorf("of the site: %v", out)
	}
	for _, args := range []string{`{"cursor":"2"}`, `{"start":2}`} {
		if out = s.must("GET_TEMPLATES", args); len(column(out, "name")) != 1 || text(out, "next_cursor") != "" {
			t.Errorf("%s: %v", args, out)
		}
	}
	if out = s.must("GET_TEMPLATES", `{"all":true}`); len(column(out, "name")) != 3 {
		t.Errorf("all: %v", out)
	}
	for _, args := range []string{fmt.Sprintf(`{"id":%q}`, own), `{"id":"minutes","spaceId":"MKT"}`, fmt.Sprintf(`{"id":"Minutes","spaceId":%s}`, s.space("MKT"))} {
		out = s.must("GET_TEMPLATE", args)
		if diff := cmp.Diff([]any{"who", "R&D"}, get(out, "variables")); diff != "" || text(out, "templateId") != own || !strings.Contains(text(out, "body"), "Minutes by") || text(out, "labels", 0, "name") != "minutes" {
			t.Errorf("%s: %v", args, out)
		}
	}
	if out = s.must("GET_TEMPLATE", `{"id":"Minutes"}`); text(out, "templateId") != plain || get(out, "variables") != nil {
		t.Errorf("of the site: %v", out)
	}
	for args, want := range map[string]string{`{"id":"987654"}`: "CONFLUENCE_GET_TEMPLATES", `{"id":"Twice","spaceId":"ENG"}`: "give one of the ids", `{"id":"Nothing"}`: "There are: Minutes, Twice"} {
		if e := s.fails("GET_TEMPLATE", args); e.Field != "id" || !strings.Contains(e.Error()+e.Fix, want) {
			t.Errorf("%s: field %q: %v", args, e.Field, e)
		}
	}
	for args, field := range map[string]string{`{"cursor":"x"}`: "cursor", `{"cursor":"2","start":2}`: "start", `{"spaceKey":"NOPE"}`: "spaceKey"} {
		if e := s.fails("GET_TEMPLATES", args); e.Field != field {
			t.Errorf("%s: field %q: %v", args, e.Field, e)
		}
	}
}

func TestPageFromTemplate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.srv.AddGroup("confluence-admins", s.me.AccountID)
	id := s.template("Minutes", "MKT", `{"prefix":"global","name":"minutes"}`, minutes)
	parent := s.page("Meetings", "")
	out := s.must("CREATE_PAGE_FROM_TEMPLATE", fmt.Sprintf(`{"templateId":"Minutes","spaceId":%s,"title":"Monday","parentId":"MKT: Meetings",`, s.space("MKT"))+
		`"variables":[{"name":"who","value":"Ann <ann@example.com>"},{"name":"R&D","value":"Done & dusted"}]}`)
	p, ok := s.srv.PageByTitle("MKT", "Monday")
	if !ok || p.Storage != `<h1>Minutes by Ann &lt;ann@example.com&gt;</h1><p>Done &amp; dusted and again Ann &lt;ann@example.com&gt;</p>` {
		t.Errorf("text %q", p.Storage)
	}
	if text(out, "id") != p.ID || text(out, "parentId") != parent || text(out, "url") == "" || text(out, "labels", 0, "name") != "minutes" || get(out, "labels_error") != nil {
		t.Errorf("created %v", out)
	}
	if diff := cmp.Diff([]string{"minutes"}, s.srv.Labels(p.ID)); diff != "" {
		t.Errorf("labels:\n%s", diff)
	}
	values := `"variables":[{"name":"who","value":"Ann"},{"name":"R&D","value":"x"}]`
	for _, tc := range []struct {
		args, field, want string
		kind              toolkit.Kind
	}{
		{`"title":"Tuesday"`, "variables", "needs a value for: who, R&D", toolkit.KindInvalid},
		{`"title":"Tuesday","variables":[{"name":"whom","value":"x"}]`, "variables[0].name", "it has: who, R&D", toolkit.KindInvalid},
		{`"title":"Monday",` + values, "title", p.ID, toolkit.KindConflict},
	} {
		e := s.fails("CREATE_PAGE_FROM_TEMPLATE", fmt.Sprintf(`{"templateId":%q,"spaceId":"MKT",%s}`, id, tc.args))
		if e.Kind != tc.kind || e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: %s, field %q: %v", tc.args, e.Kind, e.Field, e)
		}
	}
	s.srv.Fail(sandbox.Fault{Method: "POST", Path: "/label", Status: 403})
	out = s.must("CREATE_PAGE_FROM_TEMPLATE", fmt.Sprintf(`{"templateId":%q,"spaceId":"MKT","title":"Tuesday",%s}`, id, values))
	if text(out, "id") == "" || !strings.Contains(text(out, "labels_error"), "do not create the page again") {
		t.Errorf("without labels: %v", out)
	}
}
