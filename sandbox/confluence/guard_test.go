package confluence_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// ruled is a site whose caller administers it, held to Atlassian's documents.
func ruled(t *testing.T, o confluence.Options) *site {
	s := newSite(t, o)
	s.me = s.AddUser(confluence.User{Email: "root@example.com", DisplayName: "Root", Admin: true})
	c := &contract{t: t, s: loadSpecs(t), seen: map[string]bool{}}
	s.check = c.check
	return s
}

func TestClassification(t *testing.T) {
	s := ruled(t, confluence.Options{})
	const v2 = "/wiki/api/v2"
	space, _ := s.space("DOC")
	var levels []struct{ ID, Name string }
	if err := json.Unmarshal([]byte(s.rawGet(v2+"/classification-levels")), &levels); err != nil || len(levels) != 3 {
		t.Fatalf("levels = %v, %v", levels, err)
	}
	made := map[string]string{
		"pages":     s.page(space, "Page", ""),
		"blogposts": s.must(200, "POST", v2+"/blogposts", obj{"spaceId": space, "title": "Post", "body": storage("")}).str("id"),
	}
	for _, noun := range []string{"whiteboards", "databases"} {
		made[noun] = s.must(200, "POST", v2+"/"+noun, obj{"spaceId": space, "title": noun}).str("id")
	}
	byDefault := v2 + "/spaces/" + space + "/classification-level/default"
	s.must(404, "GET", byDefault, nil)
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	s.asks(404, bob, "PUT", byDefault, obj{"id": levels[1].ID})
	for noun, id := range made {
		own := v2 + "/" + noun + "/" + id + "/classification-level"
		s.must(404, "GET", own, nil)
		s.must(400, "PUT", own, obj{"id": "none", "status": "current"})
		s.must(204, "PUT", own, obj{"id": levels[2].ID, "status": "current"})
		if got := s.must(200, "GET", own, nil).str("name"); got != "Confidential" {
			t.Errorf("level of %s = %q", noun, got)
		}
		s.must(204, "POST", own+"/reset", obj{"status": "current"})
		s.must(404, "GET", own, nil)
		s.must(204, "PUT", byDefault, obj{"id": levels[1].ID})
		if got := s.must(200, "GET", own, nil).str("name"); got != "Internal" {
			t.Errorf("level of %s after the reset = %q, want the space's", noun, got)
		}
		s.must(204, "DELETE", byDefault, nil)
	}
	s.must(204, "PUT", byDefault, obj{"id": levels[0].ID})
	sameAfterLoading(t, s.Sandbox)
}

func TestAdminKey(t *testing.T) {
	s := ruled(t, confluence.Options{})
	ann := s.AddUser(confluence.User{Email: "ann@example.com", DisplayName: "Ann", Token: "ann-token"})
	s.asks(200, ann, "POST", "/wiki/rest/api/space/_private", obj{"key": "SECRET", "name": "Secret"})
	const key = "/wiki/api/v2/admin-key"
	spaces := func(header string) int {
		h := http.Header{}
		if header != "" {
			h.Set(header, "true")
		}
		return len(s.send("GET", "/wiki/api/v2/spaces", "", h).results())
	}
	const use = "Atl-Confluence-With-Admin-Key"
	s.must(404, "GET", key, nil)
	s.asks(404, ann, "POST", key, nil)
	if spaces(use) != 0 {
		t.Error("the header alone opens a private space")
	}
	s.must(400, "POST", key, obj{"durationInMinutes": 600})
	s.must(200, "POST", key, nil)
	until, err := time.Parse(time.RFC3339, s.must(200, "GET", key, nil).str("expirationTime"))
	if err != nil || until.Sub(s.clock) > 10*time.Minute || until.Sub(s.clock) < 9*time.Minute {
		t.Errorf("the key lasts until %v, %v", until, err)
	}
	if spaces(use) != 1 || spaces("") != 0 {
		t.Errorf("with the key %d spaces, without the header %d", spaces(use), spaces(""))
	}
	s.clock = until
	s.must(404, "GET", key, nil)
	if spaces(use) != 0 {
		t.Error("the key works after its time")
	}
	s.must(200, "POST", key, obj{"durationInMinutes": 1})
	s.must(204, "DELETE", key, nil)
	s.must(404, "GET", key, nil)
}

func TestRoles(t *testing.T) {
	s := ruled(t, confluence.Options{})
	const v2 = "/wiki/api/v2"
	space, _ := s.space("DOC")
	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob"})
	in := obj{"name": "Commenter", "description": "Reads and comments", "spacePermissions": []string{"read/space", "create/comment"}}
	s.asks(404, bob, "POST", v2+"/space-roles", in)
	role := s.must(201, "POST", v2+"/space-roles", in).str("id")
	s.must(400, "POST", v2+"/space-roles", in)
	s.must(400, "PUT", v2+"/space-roles/1001", obj{"name": "Boss", "description": "", "spacePermissions": []string{"read/space"}})
	if got := s.must(200, "GET", v2+"/space-roles?role-type=CUSTOM", nil).results(); len(got) != 1 || got[0]["id"] != role {
		t.Errorf("custom roles = %v", got)
	}
	assignments := v2 + "/spaces/" + space + "/role-assignments"
	users := s.must(200, "GET", "/wiki/rest/api/group/by-name?name=confluence-users", nil).str("id")
	s.asks(404, bob, "POST", assignments, []obj{{"principal": obj{"principalType": "GROUP", "principalId": users}}})
	set := func(want int, kind, id, role string) {
		t.Helper()
		one := obj{"principal": obj{"principalType": kind, "principalId": id}}
		if role != "" {
			one["roleId"] = role
		}
		s.must(want, "POST", assignments, []obj{one})
	}
	set(200, "GROUP", users, "")
	s.asks(404, bob, "GET", v2+"/spaces/"+space, nil)
	set(200, "USER", bob.AccountID, role)
	s.asks(200, bob, "GET", v2+"/spaces/"+space, nil)
	s.asks(404, bob, "POST", v2+"/pages", obj{"spaceId": space, "title": "No", "body": storage("")})
	if got := s.must(200, "GET", assignments+"?role-id="+role, nil).results(); len(got) != 1 {
		t.Errorf("assignments of the role = %v", got)
	}
	s.must(202, "PUT", v2+"/space-roles/"+role, obj{"name": "Writer", "description": "", "spacePermissions": []string{"read/space", "create/page"}})
	s.asks(200, bob, "POST", v2+"/pages", obj{"spaceId": space, "title": "Yes", "body": storage("")})
	sameAfterLoading(t, s.Sandbox)
	s.must(202, "DELETE", v2+"/space-roles/"+role, nil)
	s.asks(404, bob, "GET", v2+"/spaces/"+space, nil)
	set(200, "ACCESS_CLASS", "all-licensed-users", "1003")
	s.asks(200, bob, "GET", v2+"/spaces/"+space, nil)
	set(400, "USER", "nobody", "1003")
	set(400, "USER", bob.AccountID, "none")
	set(200, "ACCESS_CLASS", "all-product-admins", "1003")
	admins := s.must(200, "GET", "/wiki/rest/api/group/by-name?name=confluence-admins", nil).str("id")
	set(200, "GROUP", admins, "")
	set(400, "USER", s.me.AccountID, "") // nobody would administer the space
}

func TestTransitionToRoles(t *testing.T) {
	s := ruled(t, confluence.Options{TaskTime: time.Minute})
	const base = "/wiki/api/v2/space-permissions/transition"
	space, _ := s.space("DOC")
	var ids []string
	for i, keys := range [][]string{{"read"}, {"read", "delete"}, {"read", "export"}} {
		u := s.AddUser(confluence.User{Email: string(rune('a'+i)) + "@example.com"})
		ids = append(ids, u.AccountID)
		for _, k := range keys {
			s.must(200, "POST", "/wiki/rest/api/space/DOC/permission", obj{"subject": obj{"type": "user", "identifier": u.AccountID}, "operation": obj{"key": k, "target": "space"}})
		}
	}
	if got := s.must(200, "GET", base+"/combinations", nil).results(); len(got) != 0 {
		t.Errorf("before the search: %v", got)
	}
	task := s.must(202, "POST", base+"/combinations", nil).str("taskId")
	if got := s.must(200, "GET", base+"/tasks/"+task, nil).str("status"); got != "IN_PROGRESS" {
		t.Errorf("at first the task is %s", got)
	}
	s.clock = s.clock.Add(time.Hour)
	if got := s.must(200, "GET", base+"/tasks/"+task, nil).str("status"); got != "COMPLETED" {
		t.Errorf("an hour later the task is %s", got)
	}
	first := s.must(200, "GET", base+"/combinations?limit=1", nil)
	rest := s.must(200, "GET", base+"/combinations?cursor="+first.str("cursor"), nil)
	found := map[string]string{}
	for _, r := range slices.Concat(first.results(), rest.results()) {
		text, err := json.Marshal(r["permissions"])
		if err != nil {
			t.Fatal(err)
		}
		id, _ := r["combinationId"].(string)
		for _, key := range []string{"delete", "export"} {
			if strings.Contains(string(text), key) {
				found[key] = id
			}
		}
	}
	if len(first.results()) != 1 || len(rest.results()) != 1 || len(found) != 2 {
		t.Fatalf("combinations = %s %s", first.text, rest.text)
	}
	here := obj{"spaceType": "SPECIFIC", "selectedSpaces": []obj{{"id": space, "key": "DOC"}}}
	s.must(202, "POST", base+"/role-assignments", obj{"spaceSelection": here, "assignments": []obj{{
		"permissionCombinationId": found["delete"], "principalTypeAssignments": []obj{{"principalType": "USER", "removeAccess": false, "roleId": "1002"}},
	}}})
	s.must(202, "POST", base+"/access-removals", obj{"spaceSelection": obj{"spaceType": "ALL"}, "permissionCombinationIds": []string{found["export"]}})
	has := func(account string) string {
		return s.must(200, "GET", "/wiki/api/v2/spaces/"+space+"/role-assignments?principal-id="+account, nil).str("results.0.roleId")
	}
	if got := []string{has(ids[0]), has(ids[1]), has(ids[2])}; !slices.Equal(got, []string{"1003", "1002", ""}) {
		t.Errorf("roles after the transition = %q", got)
	}
	for _, bad := range []obj{{"spaceType": "SPECIFIC"}, {"spaceType": "SOME"}, {"spaceType": "ALL", "selectedSpaces": []obj{{"id": space, "key": "DOC"}}}} {
		s.check = nil
		s.must(400, "POST", base+"/access-removals", obj{"spaceSelection": bad, "permissionCombinationIds": []string{"x"}})
	}
	sameAfterLoading(t, s.Sandbox)
}

func TestCallsAboutTheSite(t *testing.T) {
	s := ruled(t, confluence.Options{Seed: true})
	const v2 = "/wiki/api/v2"
	page, _ := s.PageByTitle("MKT", "Q3 Planning")
	image, err := s.Attach(page.ID, s.me.AccountID, "a.png", "", []byte("\x89PNG"))
	if err != nil {
		t.Fatal(err)
	}
	comment := s.Comments(page.ID)[0].ID
	types := s.must(200, "POST", v2+"/content/convert-ids-to-types", obj{"contentIds": []any{page.ID, comment, image.ID, 1}})
	if types.str("results."+page.ID) != "page" || types.str("results."+comment) != "footer-comment" || types.str("results."+image.ID) != "attachment" || types.get("results.1") != nil {
		t.Errorf("types = %s", types.text)
	}
	s.must(200, "POST", v2+"/user/access/invite-by-email", obj{"emails": []string{"new@example.com", "wrong"}})
	if got := s.must(200, "POST", v2+"/user/access/check-access-by-email", obj{"emails": []string{"new@example.com"}}); got.str("emailsWithoutAccess.0") != "" {
		t.Errorf("after the invitation = %s", got.text)
	}
	if got := s.must(200, "GET", v2+"/data-policies/spaces?keys=mkt", nil); len(got.results()) != 1 || got.str("results.0.key") != "MKT" {
		t.Errorf("data policies = %s", got.text)
	}
	thumb := s.must(302, "GET", v2+"/attachments/"+image.ID+"/thumbnail/download?width=100&height=100", nil)
	media := strings.TrimPrefix(thumb.header.Get("Location"), "https://test.atlassian.net")
	s.check = nil // the media service and what follows is in no document
	if got := s.must(200, "GET", media, nil); got.text != "\x89PNG" {
		t.Errorf("thumbnail = %q", got.text)
	}
	s.must(401, "GET", v2+"/app/properties", nil)
	for _, path := range []string{"GET /whiteboards", "GET /folders", "PUT /folders/1", "GET /search", "GET /versions/1", "GET /spaces/1/folders", "GET /attachments/att1/download", "GET /pages/1/children/page"} {
		method, path, _ := strings.Cut(path, " ")
		s.must(404, method, v2+path, nil)
	}
	s.must(405, "POST", v2+"/pages/"+page.ID+"/labels", obj{"name": "x"})
	s.must(405, "DELETE", v2+"/pages/"+page.ID+"/labels", nil)
}
