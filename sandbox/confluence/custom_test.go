package confluence_test

import (
	"slices"
	"testing"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func TestCustomContent(t *testing.T) {
	s := newSite(t, confluence.Options{})
	c := &contract{t: t, s: loadSpecs(t), seen: map[string]bool{}}
	s.check = c.check
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "")
	const typ, v2 = "ac:app:note", "/wiki/api/v2/custom-content"
	raw := obj{"representation": "raw", "value": `{"any":"<thing"}`}
	a := s.must(201, "POST", v2, obj{"type": typ, "status": "current", "pageId": page, "title": "Note", "body": raw})
	id := a.str("id")
	if a.str("body.raw.value") != `{"any":"<thing"}` || a.str("pageId") != page || a.str("type") != typ {
		t.Errorf("created = %s", a.text)
	}
	below := s.must(201, "POST", v2, obj{"type": typ, "customContentId": id, "title": "Below", "body": storage("<p>x</p>")}).str("id")
	if s.call("POST", v2, obj{"type": typ, "spaceId": space, "pageId": page, "title": "x", "body": raw}).status != 400 {
		t.Error("two places were accepted")
	}
	change := obj{"id": id, "type": typ, "status": "current", "title": "Note 2", "body": raw, "version": obj{"number": 2}}
	s.must(200, "PUT", v2+"/"+id, change)
	s.must(409, "PUT", v2+"/"+id, change)
	for _, path := range []string{v2 + "?type=" + typ, "/wiki/api/v2/spaces/" + space + "/custom-content?type=" + typ} {
		if got := s.must(200, "GET", path, nil).titles(); !slices.Equal(got, []string{"Note 2", "Below"}) {
			t.Errorf("%s = %v", path, got)
		}
	}
	if got := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/custom-content?type="+typ, nil).titles(); !slices.Equal(got, []string{"Note 2"}) {
		t.Errorf("on the page = %v", got)
	}
	if got := s.must(200, "GET", v2+"/"+id+"/children", nil).titles(); !slices.Equal(got, []string{"Below"}) {
		t.Errorf("children = %v", got)
	}
	s.must(200, "POST", v2+"/"+id+"/properties", obj{"key": "k", "value": 1})
	s.must(200, "GET", v2+"/"+below+"?body-format=storage&include-properties=true&include-operations=true&include-versions=true&include-labels=true", nil)
	s.must(200, "GET", v2+"/"+id+"/labels", nil)
	s.must(200, "GET", v2+"/"+id+"/operations", nil)
	if got := s.must(200, "GET", "/wiki/rest/api/search?cql=type%3D%22ac:app:note%22+order+by+id", nil).titles(); !slices.Equal(got, []string{"Note 2", "Below"}) {
		t.Errorf("search = %v", got)
	}
	comment := s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"customContentId": id, "body": storage("<p>Well</p>")}).str("id")
	if got := s.must(200, "GET", v2+"/"+id+"/footer-comments", nil); len(got.results()) != 1 || got.results()[0]["id"] != comment {
		t.Errorf("comments = %s", got.text)
	}
	sameAfterLoading(t, s.Sandbox)
	s.must(204, "DELETE", v2+"/"+id, nil)
	s.must(204, "DELETE", v2+"/"+id+"?purge=true", nil)
	s.must(404, "GET", v2+"/"+id, nil)

	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob"})
	secret := s.must(201, "POST", v2, obj{"type": typ, "pageId": page, "title": "Secret", "body": raw}).str("id")
	s.must(200, "PUT", "/wiki/rest/api/content/"+page+"/restriction/byOperation/read/user?accountId="+s.me.AccountID, nil)
	s.asks(404, bob, "GET", v2+"/"+secret, nil)
}
