package confluence_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func TestContentStates(t *testing.T) {
	s := ruled(t, confluence.Options{})
	const v1 = "/wiki/rest/api"
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "<p>x</p>")
	state := v1 + "/content/" + page + "/state"
	if got := s.must(200, "GET", state, nil); got.get("contentState") != nil {
		t.Errorf("a new page has the state %s", got.text)
	}
	for _, bad := range []obj{{"id": 77}, {"name": "x", "color": "red"}, {"name": strings.Repeat("x", 21), "color": "#000000"}} {
		s.must(400, "PUT", state+"?status=current", bad)
	}
	if got := s.must(200, "PUT", state+"?status=current", obj{"id": 2}); got.str("contentState.name") != "In progress" {
		t.Errorf("state = %s", got.text)
	}
	if got := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"?body-format=storage", nil); got.get("version.number") != 2.0 || got.str("body.storage.value") != "<p>x</p>" {
		t.Errorf("setting a state makes a version with the same body, got %s", got.text)
	}
	own := s.must(200, "PUT", state+"?status=current", obj{"name": "On hold", "color": "#FF00FF"}).get("contentState.id")
	if again := s.must(200, "PUT", state+"?status=current", obj{"name": "On hold", "color": "#ff00ff"}).get("contentState.id"); again != own {
		t.Errorf("the same state is made twice: %v and %v", own, again)
	}
	if got := s.rawGet(v1 + "/content-states"); !strings.Contains(got, "On hold") {
		t.Errorf("own states = %s", got)
	}
	if got := s.must(200, "GET", state+"/available", nil); got.str("customContentStates.0.name") != "On hold" || got.str("spaceContentStates.0.name") != "Rough draft" {
		t.Errorf("available = %s", got.text)
	}
	s.must(200, "GET", v1+"/space/DOC/state/settings", nil)
	id, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.must(200, "GET", v1+"/space/DOC/state/content?state-id="+string(id), nil).titles(); len(got) != 1 || got[0] != "Page" {
		t.Errorf("in the state = %v", got)
	}
	sameAfterLoading(t, s.Sandbox)
	s.must(200, "DELETE", state+"?status=current", nil)
	if got := s.must(200, "GET", state, nil); got.get("contentState") != nil {
		t.Errorf("after taking it away = %s", got.text)
	}
	s.check = nil
	if got := s.rawGet(v1 + "/space/DOC/state"); !strings.Contains(got, "Ready for review") {
		t.Errorf("states of the space = %s", got)
	}
}

func TestThemesAndLooks(t *testing.T) {
	s := ruled(t, confluence.Options{})
	const v1, theme = "/wiki/rest/api", "com.atlassian.confluence.plugins.doctheme:documentation"
	s.space("DOC")
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	s.must(200, "GET", v1+"/settings/systemInfo", nil)
	s.must(200, "GET", v1+"/settings/theme", nil)
	s.must(404, "GET", v1+"/settings/theme/selected", nil)
	s.must(200, "GET", v1+"/settings/theme/"+theme, nil)
	s.must(404, "GET", v1+"/space/DOC/theme", nil)
	look := v1 + "/settings/lookandfeel"
	s.must(409, "PUT", look, obj{"spaceKey": "DOC", "lookAndFeelType": "theme"})
	s.must(403, "PUT", v1+"/space/DOC/theme", obj{"themeKey": "none"})
	s.asks(403, bob, "PUT", v1+"/space/DOC/theme", obj{"themeKey": theme})
	s.must(200, "PUT", v1+"/space/DOC/theme", obj{"themeKey": theme})
	s.must(200, "GET", v1+"/space/DOC/theme", nil)
	s.must(200, "PUT", look, obj{"spaceKey": "DOC", "lookAndFeelType": "theme"})
	if got := s.must(200, "GET", look+"?spaceKey=DOC", nil); got.str("selected") != "theme" || got.str("theme.links.color") == "" {
		t.Errorf("look = %s", got.text)
	}
	custom := s.must(200, "GET", look, nil).get("global").(map[string]any)
	custom["links"] = obj{"color": "#ff0000"}
	s.asks(403, bob, "POST", look+"/custom?spaceKey=DOC", custom)
	s.must(400, "POST", look+"/custom?spaceKey=DOC", obj{"links": obj{"color": "#ff0000"}})
	s.must(200, "POST", look+"/custom?spaceKey=DOC", custom)
	sameAfterLoading(t, s.Sandbox)
	if got := s.must(200, "GET", look+"?spaceKey=DOC", nil); got.str("custom.links.color") != "#ff0000" || got.str("global.links.color") != "#0052cc" {
		t.Errorf("custom look = %s", got.text)
	}
	s.must(204, "DELETE", look+"/custom?spaceKey=DOC", nil)
	s.must(204, "DELETE", v1+"/space/DOC/theme", nil)
	if got := s.must(200, "PUT", v1+"/space/DOC/settings", obj{"routeOverrideEnabled": true, "contentMode": "compact"}); got.get("routeOverrideEnabled") != true {
		t.Errorf("settings = %s", got.text)
	}
	if got := s.must(200, "GET", v1+"/space/DOC/settings", nil); got.str("contentMode") != "compact" {
		t.Errorf("settings = %s", got.text)
	}
	s.must(400, "GET", v1+"/user/email?accountId="+bob.AccountID, nil)
}

func TestUserProperties(t *testing.T) {
	s := ruled(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	base := "/wiki/rest/api/user/" + bob.AccountID + "/property"
	s.asks(201, bob, "POST", base+"/colour", obj{"value": obj{"is": "red"}})
	s.asks(409, bob, "POST", base+"/colour", obj{"value": obj{}})
	s.asks(404, bob, "PUT", base+"/size", obj{"value": obj{}})
	s.asks(204, bob, "PUT", base+"/colour", obj{"value": obj{"is": "blue"}})
	if got := s.must(200, "GET", base+"/colour", nil); got.str("value.is") != "blue" {
		t.Errorf("property = %s", got.text)
	}
	if got := s.must(200, "GET", base, nil); got.str("results.0.key") != "colour" {
		t.Errorf("properties = %s", got.text)
	}
	ann := s.AddUser(confluence.User{Email: "ann@example.com", Token: "ann-token"})
	s.asks(403, ann, "GET", base+"/colour", nil)
	sameAfterLoading(t, s.Sandbox)
	s.asks(204, bob, "DELETE", base+"/colour", nil)
	s.must(404, "GET", base+"/colour", nil)
}

func TestMacrosConversionsAndExport(t *testing.T) {
	s := ruled(t, confluence.Options{})
	const v1 = "/wiki/rest/api"
	space, _ := s.space("DOC")
	page := s.page(space, "Page", `<ac:structured-macro ac:name="info" ac:macro-id="m-1"><ac:parameter ac:name="title">Mind</ac:parameter><ac:rich-text-body><p>the gap</p></ac:rich-text-body></ac:structured-macro>`)
	macro := v1 + "/content/" + page + "/history/1/macro/id/m-1"
	if got := s.must(200, "GET", macro, nil); got.str("name") != "info" || got.str("body") != "<p>the gap</p>" || got.str("parameters.title.value") != "Mind" {
		t.Errorf("macro = %s", got.text)
	}
	if got := s.must(200, "GET", macro+"/convert/view", nil); !strings.Contains(got.str("value"), "the gap") || strings.Contains(got.str("value"), "ac:") {
		t.Errorf("as view = %s", got.text)
	}
	job := s.must(200, "GET", macro+"/convert/async/export_view", nil).str("asyncId")
	if got := s.must(200, "GET", v1+"/contentbody/convert/async/"+job, nil); !strings.Contains(got.str("value"), "the gap") {
		t.Errorf("later = %s", got.text)
	}
	s.must(404, "GET", v1+"/content/"+page+"/history/9/macro/id/m-1", nil)
	wiki := s.must(200, "POST", v1+"/contentbody/convert/storage", obj{"value": "h1. Title", "representation": "wiki"})
	if wiki.str("value") != "<h1>Title</h1>" || wiki.str("representation") != "storage" {
		t.Errorf("wiki as storage = %s", wiki.text)
	}
	s.must(400, "POST", v1+"/contentbody/convert/view", obj{"value": "<p>", "representation": "storage"})

	draft := s.page(space, "From a blueprint", "<p>d</p>", obj{"status": "draft"})
	publish := v1 + "/content/blueprint/instance/" + draft
	in := obj{"version": obj{"number": 2}, "title": "Published", "type": "page", "status": "current", "space": obj{"key": "DOC"}}
	s.must(409, "PUT", publish, in)
	in["version"] = obj{"number": 1}
	s.check = nil // the document says that a space's key is an int32
	if got := s.must(200, "PUT", publish, in); got.str("status") != "current" || got.str("body.storage.value") != "<p>d</p>" {
		t.Errorf("published = %s", got.text)
	}
	s.must(404, "POST", publish, in)
	if got := s.must(200, "GET", v1+"/audit/export?searchString=space+created", nil); !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") || strings.Count(got.text, "\n") != 2 {
		t.Errorf("export = %s", got.text)
	}
	if got := s.must(200, "GET", v1+"/audit/export?format=zip", nil); !strings.HasPrefix(got.text, "PK") {
		t.Errorf("zip = %q", got.text)
	}
	removed := newSite(t, confluence.Options{V1Removed: true})
	if got := removed.call(http.MethodPost, v1+"/contentbody/convert/storage", obj{"value": "x", "representation": "wiki"}); got.status != 410 {
		t.Errorf("where removed calls are gone: %d", got.status)
	}
}
