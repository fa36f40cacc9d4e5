package confluence_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func (s *site) asks(status int, u confluence.User, method, path string, body any) answer {
	s.tb.Helper()
	a := s.as(u, method, path, body)
	if a.status != status {
		s.tb.Fatalf("%s: %s %s = %d, want %d\n%s", u.DisplayName, method, path, a.status, status, a.text)
	}
	return a
}

func users(accountIDs ...string) []obj {
	var out []obj
	for _, id := range accountIDs {
		out = append(out, obj{"type": "known", "accountId": id})
	}
	return out
}

func TestViewRestrictionsHideWhatIsBelow(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob"})
	space, _ := s.space("DOC")
	top := s.page(space, "Secret plan", "<p>launch</p>")
	child := s.page(space, "Secret detail", "<p>launch</p>", obj{"parentId": top})
	s.page(space, "Open plan", "<p>launch</p>")
	comment := s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": child, "body": storage("<p>launch</p>")}).str("id")
	path := "/wiki/rest/api/content/" + top + "/restriction"
	before := s.must(200, "GET", path, nil).str("restrictionsHash")
	a := s.must(200, "PUT", path, []obj{{"operation": "read", "restrictions": obj{"user": users(s.me.AccountID), "group": []obj{}}}})
	if a.str("restrictionsHash") == before {
		t.Error("the hash of the restrictions did not change")
	}
	for _, p := range []string{"/pages/" + top, "/pages/" + child, "/pages/" + child + "/versions", "/pages/" + child + "/labels", "/pages/" + child + "/properties", "/pages/" + top + "/direct-children", "/pages/" + child + "/footer-comments", "/footer-comments/" + comment} {
		s.must(200, "GET", "/wiki/api/v2"+p, nil)
		s.asks(404, bob, "GET", "/wiki/api/v2"+p, nil)
	}
	s.asks(404, bob, "PUT", "/wiki/api/v2/pages/"+child, edit(child, "Mine", "", 2))
	s.asks(404, bob, "DELETE", "/wiki/api/v2/pages/"+child, nil)
	s.asks(404, bob, "POST", "/wiki/api/v2/pages", obj{"spaceId": space, "title": "x", "parentId": child, "body": storage("")})
	s.asks(404, bob, "POST", "/wiki/rest/api/content/"+child+"/label", obj{"name": "x"})
	s.asks(404, bob, "GET", path, nil)
	s.asks(404, bob, "GET", "/wiki/rest/api/content/"+child, nil)
	for _, list := range []string{"/wiki/api/v2/pages?title=secret%20detail", "/wiki/api/v2/pages?id=" + top, "/wiki/rest/api/search?cql=" + "title~secret", "/wiki/rest/api/content/search?cql=ancestor%3D" + top, "/wiki/rest/api/content?title=Secret%20plan"} {
		if got := s.asks(200, bob, "GET", list, nil).results(); len(got) != 0 {
			t.Errorf("%s gives Bob %v", list, got)
		}
		if got := s.must(200, "GET", list, nil).results(); len(got) == 0 {
			t.Errorf("%s gives the author nothing", list)
		}
	}
	if got := s.asks(200, bob, "GET", "/wiki/rest/api/search?cql=text~launch", nil).titles(); !slices.Equal(got, []string{"Open plan"}) {
		t.Errorf("search gives Bob %v", got)
	}
	s.must(200, "DELETE", path, nil)
	s.asks(200, bob, "GET", "/wiki/api/v2/pages/"+child, nil)
}

func TestEditRestrictions(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob"})
	cleo := s.AddUser(confluence.User{Email: "cleo@example.com", DisplayName: "Cleo"})
	group := s.AddGroup("editors", cleo.AccountID)
	space, _ := s.space("DOC")
	id := s.page(space, "Page", "")
	child := s.page(space, "Child", "", obj{"parentId": id})
	base := "/wiki/rest/api/content/" + id + "/restriction/byOperation/update"
	if a := s.call("PUT", base+"/byGroupId/"+group, nil); a.status != 400 {
		t.Fatalf("shutting oneself out = %d %s", a.status, a.text)
	}
	if a := s.must(200, "PUT", base+"/user?accountId="+s.me.AccountID, nil); a.text != "" {
		t.Errorf("the answer has a body: %q", a.text)
	}
	s.must(200, "PUT", base+"/group/editors", nil)
	s.must(200, "GET", base+"/byGroupId/"+group, nil)
	s.must(404, "GET", base+"/user?accountId="+bob.AccountID, nil)
	s.asks(200, bob, "GET", "/wiki/api/v2/pages/"+id, nil)
	s.asks(404, bob, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Bob's", "", 2))
	s.asks(403, bob, "PUT", "/wiki/rest/api/content/"+id, obj{"type": "page", "title": "Bob's", "version": obj{"number": 2}})
	s.asks(403, bob, "POST", "/wiki/rest/api/content/"+id+"/label", obj{"name": "x"})
	s.asks(404, bob, "POST", "/wiki/api/v2/pages/"+id+"/properties", obj{"key": "k", "value": 1})
	s.asks(404, bob, "DELETE", "/wiki/api/v2/pages/"+id, nil)
	s.asks(403, bob, "DELETE", "/wiki/rest/api/content/"+id+"/restriction", nil)
	s.asks(200, bob, "PUT", "/wiki/api/v2/pages/"+child, edit(child, "Child of Bob", "", 2))
	s.asks(201, bob, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": id, "body": storage("<p>may I?</p>")})
	s.asks(200, cleo, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Cleo's", "", 2))
	ops := func(u confluence.User) string {
		return s.asks(200, u, "GET", "/wiki/api/v2/pages/"+id+"/operations", nil).text
	}
	if strings.Contains(ops(bob), `"update"`) || !strings.Contains(ops(cleo), `"update"`) {
		t.Errorf("operations: Bob %s, Cleo %s", ops(bob), ops(cleo))
	}
	check := func(kind, who, op string) bool {
		a := s.must(200, "POST", "/wiki/rest/api/content/"+id+"/permission/check", obj{"subject": obj{"type": kind, "identifier": who}, "operation": op})
		return a.get("hasPermission") == true
	}
	if check("user", bob.AccountID, "update") || !check("user", bob.AccountID, "read") || !check("user", cleo.AccountID, "delete") {
		t.Error("permission/check contradicts what is enforced")
	}
	s.asks(403, bob, "POST", "/wiki/rest/api/content/"+id+"/permission/check", obj{"subject": obj{"type": "user", "identifier": cleo.AccountID}, "operation": "read"})
	all := s.must(200, "GET", "/wiki/rest/api/content/"+id+"/restriction/byOperation?expand=restrictions.user,restrictions.group", nil)
	if all.str("update.restrictions.user.results.0.accountId") != s.me.AccountID || all.str("update.restrictions.group.results.0.name") != "editors" || all.get("read.restrictions.user.size") != 0.0 {
		t.Errorf("by operation = %s", all.text)
	}
	s.must(200, "DELETE", base+"/byGroupId/"+group, nil)
	s.must(404, "DELETE", base+"/byGroupId/"+group, nil)
	s.asks(404, cleo, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Again", "", 3))
}

func TestSpacePermissions(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob"})
	s.must(200, "POST", "/wiki/rest/api/space/_private", obj{"key": "MINE", "name": "Mine"})
	space := s.must(200, "GET", "/wiki/api/v2/spaces?keys=MINE", nil).str("results.0.id")
	page := s.page(space, "Page", "<p>hidden</p>")
	s.asks(404, bob, "GET", "/wiki/api/v2/spaces/"+space, nil)
	s.asks(404, bob, "GET", "/wiki/api/v2/pages/"+page, nil)
	perm := "/wiki/rest/api/space/MINE/permission"
	give := func(key, target string) obj {
		return obj{"subject": obj{"type": "user", "identifier": bob.AccountID}, "operation": obj{"key": key, "target": target}}
	}
	s.must(400, "POST", perm, give("create", "page"))
	read := s.must(200, "POST", perm, give("read", "space"))
	s.must(400, "POST", perm, give("read", "space"))
	s.asks(200, bob, "GET", "/wiki/api/v2/pages/"+page, nil)
	in := obj{"spaceId": space, "title": "Bob's", "body": storage("")}
	s.asks(404, bob, "POST", "/wiki/api/v2/pages", in)
	s.asks(404, bob, "PUT", "/wiki/api/v2/pages/"+page, edit(page, "Bob's", "", 2))
	s.asks(404, bob, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": page, "body": storage("")})
	s.asks(403, bob, "POST", perm, give("create", "page"))
	s.asks(403, bob, "DELETE", "/wiki/rest/api/space/MINE", nil)
	s.asks(404, bob, "PUT", "/wiki/rest/api/space/MINE", obj{"name": "Bob's"})
	s.must(200, "POST", perm, give("create", "page"))
	s.asks(200, bob, "POST", "/wiki/api/v2/pages", in)
	if got := len(s.must(200, "GET", "/wiki/api/v2/spaces/"+space+"/permissions?limit=250", nil).results()); got != 16 {
		t.Errorf("%d permissions, want the creator's 14 and Bob's 2", got)
	}
	s.must(204, "DELETE", perm+"/"+fmt.Sprint(int64(read.get("id").(float64))), nil)
	s.asks(404, bob, "GET", "/wiki/api/v2/spaces/"+space, nil)
	admin := s.must(200, "GET", "/wiki/api/v2/spaces/"+space+"/permissions?limit=250", nil)
	for _, p := range admin.results() {
		if op, _ := p["operation"].(map[string]any); op["key"] == "administer" {
			s.must(400, "DELETE", perm+"/"+fmt.Sprint(p["id"]), nil)
		}
	}
	roles := s.must(200, "GET", "/wiki/api/v2/spaces/"+space+"/role-assignments", nil).results()
	if len(roles) != 1 {
		t.Errorf("role assignments = %v, want the creator's alone", roles)
	}
}

func TestProperties(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	post := s.must(200, "POST", "/wiki/api/v2/blogposts", obj{"spaceId": space, "title": "Post", "body": storage("")}).str("id")
	page := s.page(space, "Page", "")
	comment := s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": page, "body": storage("")}).str("id")
	board := s.must(200, "POST", "/wiki/api/v2/whiteboards", obj{"spaceId": space}).str("id")
	folder := s.must(200, "POST", "/wiki/api/v2/folders", obj{"spaceId": space, "title": "F"}).str("id")
	for base, created := range map[string]int{"/pages/" + page: 200, "/blogposts/" + post: 200, "/comments/" + comment: 200, "/whiteboards/" + board: 200, "/folders/" + folder: 200, "/spaces/" + space: 201} {
		base = "/wiki/api/v2" + base + "/properties"
		a := s.must(created, "POST", base, obj{"key": "state", "value": obj{"n": 1}})
		s.must(409, "POST", base, obj{"key": "state", "value": 2})
		s.must(created, "POST", base, obj{"key": "other", "value": []int{1}})
		if got := s.must(200, "GET", base+"?key=state", nil).results(); len(got) != 1 {
			t.Errorf("%s?key=state: %d properties", base, len(got))
		}
		one := base + "/" + a.str("id")
		for n, want := range map[int]int{1: 409, 3: 409} {
			got := s.must(want, "PUT", one, obj{"key": "state", "value": 2, "version": obj{"number": n}})
			if !strings.Contains(got.text, "Current Version: [1]") {
				t.Errorf("a wrong version: %s", got.text)
			}
		}
		s.must(400, "PUT", one, obj{"key": "another", "value": 2, "version": obj{"number": 2}})
		b := s.must(200, "PUT", one, obj{"key": "state", "value": "two", "version": obj{"number": 2, "message": "m"}})
		if b.get("version.number") != 2.0 || b.str("value") != "two" || b.str("version.message") != "m" {
			t.Errorf("updated = %s", b.text)
		}
		s.must(204, "DELETE", one, nil)
		s.must(404, "GET", one, nil)
		s.must(404, "DELETE", one, nil)
		s.must(400, "GET", base+"/state", nil)
		s.must(413, "POST", base, obj{"key": "big", "value": strings.Repeat("x", 40_000)})
	}
	if a := s.must(404, "GET", "/wiki/api/v2/pages/1/properties", nil); a.str("errors.0.title") != "Could not find page with id [1]" {
		t.Errorf("no page: %s", a.text)
	}
	v1 := "/wiki/rest/api/content/" + page + "/property"
	s.must(200, "PUT", v1+"/made", obj{"value": "x", "version": obj{"number": 1}})
	s.must(404, "PUT", v1+"/none", obj{"value": "x", "version": obj{"number": 3}})
	s.must(200, "PUT", v1+"/made", obj{"value": "y", "version": obj{"number": 2}})
	if got := s.must(200, "GET", v1+"/made", nil); got.str("value") != "y" || got.get("version.number") != 2.0 {
		t.Errorf("v1 property = %s", got.text)
	}
	s.must(204, "DELETE", v1+"/made", nil)
}

func TestTreeOfManyKinds(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, home := s.space("DOC")
	v2 := "/wiki/api/v2"
	folder := s.must(200, "POST", v2+"/folders", obj{"spaceId": space, "title": "Plans", "parentId": home})
	if ms, ok := folder.get("createdAt").(float64); !ok || ms < 1.7e12 {
		t.Errorf("a folder's createdAt is milliseconds, got %v", folder.get("createdAt"))
	}
	f := folder.str("id")
	board := s.must(200, "POST", v2+"/whiteboards", obj{"spaceId": space, "parentId": f})
	if board.str("parentType") != "folder" || board.str("title") != "Untitled whiteboard" {
		t.Errorf("whiteboard = %s", board.text)
	}
	page := s.page(space, "Under", "", obj{"parentId": board.str("id")})
	live := s.page(space, "Live", "", obj{"parentId": f, "subtype": "live"})
	if got := s.must(200, "GET", v2+"/pages/"+page, nil); got.str("parentType") != "whiteboard" || got.str("parentId") != board.str("id") {
		t.Errorf("page under a whiteboard = %s", got.text)
	}
	var up []string
	for _, a := range s.must(200, "GET", v2+"/pages/"+page+"/ancestors", nil).results() {
		up = append(up, fmt.Sprint(a["type"]))
	}
	if diff := cmp.Diff([]string{"page", "folder", "whiteboard"}, up); diff != "" {
		t.Errorf("ancestors (-want +got):\n%s", diff)
	}
	if got := s.must(200, "GET", v2+"/folders/"+f+"/direct-children", nil).titles(); !slices.Equal(got, []string{"Untitled whiteboard", "Live"}) {
		t.Errorf("children of the folder = %v", got)
	}
	if got := s.must(200, "GET", v2+"/pages/"+home+"/children", nil).titles(); len(got) != 0 {
		t.Errorf("/children shows pages alone, got %v", got)
	}
	if got := s.must(200, "GET", v2+"/pages/"+home+"/descendants?depth=5", nil).titles(); !slices.Equal(got, []string{"Plans", "Untitled whiteboard", "Live", "Under"}) {
		t.Errorf("descendants = %v", got)
	}
	if got := s.must(200, "GET", v2+"/pages?subtype=live", nil).titles(); !slices.Equal(got, []string{"Live"}) {
		t.Errorf("live docs = %v", got)
	}
	if a := s.must(404, "GET", v2+"/folders/"+page, nil); a.str("errors.0.title") != "Content with id: ["+page+"] not found" {
		t.Errorf("a page is no folder: %s", a.text)
	}
	s.must(204, "DELETE", v2+"/folders/"+f, nil)
	if got := s.must(200, "GET", v2+"/folders/"+f, nil); got.str("status") != "trashed" {
		t.Errorf("a deleted folder = %s", got.text)
	}
	if p, _ := s.Page(live); p.ParentID != home {
		t.Errorf("what was in the folder stands under %s, want the homepage", p.ParentID)
	}
	for _, path := range []string{"/whiteboards", "/folders", "/spaces/" + space + "/folders", "/whiteboards/" + board.str("id") + "/children"} {
		if a := s.call("GET", v2+path, nil); a.status != 404 && a.status != 405 {
			t.Errorf("GET %s is in no document and gives %d", path, a.status)
		}
	}
}

func TestGroupsAndAudit(t *testing.T) {
	s := newSite(t, confluence.Options{})
	admin := s.AddUser(confluence.User{Email: "root@example.com", DisplayName: "Root", Admin: true})
	s.must(403, "GET", "/wiki/rest/api/audit", nil)
	s.must(403, "POST", "/wiki/rest/api/group", obj{"name": "g"})
	s.space("DOC")
	id := s.asks(201, admin, "POST", "/wiki/rest/api/group", obj{"name": "Writers"}).str("id")
	s.asks(201, admin, "POST", "/wiki/rest/api/group/userByGroupId?groupId="+id, obj{"accountId": s.me.AccountID})
	if got := s.must(200, "GET", "/wiki/rest/api/group/"+id+"/membersByGroupId", nil).str("results.0.accountId"); got != s.me.AccountID {
		t.Errorf("member = %s", got)
	}
	var groups []string
	for _, g := range s.must(200, "GET", "/wiki/rest/api/user/memberof?accountId="+s.me.AccountID, nil).results() {
		groups = append(groups, fmt.Sprint(g["name"]))
	}
	if diff := cmp.Diff([]string{"Writers", "confluence-users"}, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	summaries := func(query string) []string {
		var out []string
		for _, r := range s.asks(200, admin, "GET", "/wiki/rest/api/audit"+query, nil).results() {
			out = append(out, fmt.Sprint(r["summary"]))
		}
		return out
	}
	if diff := cmp.Diff([]string{"User added to group", "Group created", "Space created"}, summaries("")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if got := summaries("?searchString=ann&limit=5"); !slices.Equal(got, []string{"Space created"}) {
		t.Errorf("audit of Ann = %v", got)
	}
	if got := summaries(fmt.Sprintf("?endDate=%d", epoch.UnixMilli())); got != nil {
		t.Errorf("audit before the beginning = %v", got)
	}
	if got := summaries("/since?number=1&units=MILLIS"); len(got) != 0 {
		t.Errorf("audit of the last millisecond = %v; the clock moves a second with every look", got)
	}
	s.asks(204, admin, "DELETE", "/wiki/rest/api/group/by-id?id="+id, nil)
}

func TestSpaceLabelsAndUpdate(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	s.must(200, "POST", "/wiki/rest/api/space/DOC/label", []obj{{"prefix": "team", "name": "Docs"}, {"prefix": "global", "name": "x"}})
	if got := s.must(200, "GET", "/wiki/api/v2/spaces/"+space+"/labels", nil).results(); len(got) != 1 || got[0]["name"] != "docs" {
		t.Errorf("labels of the space = %v", got)
	}
	if got := len(s.must(200, "GET", "/wiki/api/v2/spaces?labels=docs", nil).results()); got != 1 {
		t.Errorf("%d spaces with the label", got)
	}
	s.must(204, "DELETE", "/wiki/rest/api/space/DOC/label?name=docs", nil)
	s.must(404, "DELETE", "/wiki/rest/api/space/DOC/label?name=docs", nil)
	page := s.page(space, "New home", "<p>words</p>")
	s.must(400, "PUT", "/wiki/rest/api/space/DOC", obj{"homepage": obj{"id": "1"}})
	a := s.must(200, "PUT", "/wiki/rest/api/space/DOC", obj{"name": "Documents", "description": obj{"plain": obj{"value": "d", "representation": "plain"}}, "homepage": obj{"id": page}, "status": "ARCHIVED"})
	if a.str("name") != "Documents" || a.str("homepage.id") != page || a.str("status") != "archived" {
		t.Errorf("updated = %s", a.text)
	}
	if got := s.must(200, "GET", "/wiki/rest/api/search?cql=text~words", nil).titles(); len(got) != 0 {
		t.Errorf("search finds %v in an archived space", got)
	}
	if got := s.must(200, "GET", "/wiki/rest/api/search?includeArchivedSpaces=true&cql=text~words", nil).titles(); len(got) != 1 {
		t.Errorf("search with archived spaces finds %v", got)
	}
}

func TestPeople(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob"})
	s.must(200, "POST", "/wiki/rest/api/space", obj{"key": "~ann", "name": "Ann", "type": "personal"})
	me := s.must(200, "GET", "/wiki/rest/api/user/current?expand=operations,personalSpace", nil)
	if me.str("personalSpace.key") != "~ann" || me.str("operations.0.operation") != "create_space" {
		t.Errorf("current user = %s", me.text)
	}
	bulk := s.must(200, "GET", "/wiki/rest/api/user/bulk?accountId="+bob.AccountID+"&accountId=none&accountId="+s.me.AccountID, nil).results()
	if len(bulk) != 2 || bulk[0]["displayName"] != "Bob" {
		t.Errorf("bulk = %v", bulk)
	}
	v2 := s.must(200, "POST", "/wiki/api/v2/users-bulk", obj{"accountIds": []string{bob.AccountID, s.me.AccountID}}).results()
	if len(v2) != 2 || v2[0]["email"] != "" || v2[1]["email"] != "ann@example.com" {
		t.Errorf("users-bulk = %v; an e-mail is told only to its owner", v2)
	}
	s.must(403, "GET", "/wiki/rest/api/user/anonymous", nil)
}

func TestAnonymousReaders(t *testing.T) {
	s := newSite(t, confluence.Options{Anonymous: true})
	space, _ := s.space("DOC")
	open, secret := s.page(space, "Open", ""), s.page(space, "Secret", "")
	s.must(200, "PUT", "/wiki/rest/api/content/"+secret+"/restriction/byOperation/read/user?accountId="+s.me.AccountID, nil)
	s.must(200, "POST", "/wiki/rest/api/space/_private", obj{"key": "MINE", "name": "Mine"})
	get := func(method, path string) int {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code
	}
	for path, want := range map[string]int{"/wiki/api/v2/pages/" + open: 200, "/wiki/api/v2/pages/" + secret: 404, "/wiki/rest/api/user/current": 200, "/wiki/rest/api/user/anonymous": 200} {
		if got := get("GET", path); got != want {
			t.Errorf("GET %s without credentials = %d, want %d", path, got, want)
		}
	}
	if got := get("DELETE", "/wiki/api/v2/pages/"+open); got != 404 {
		t.Errorf("DELETE without credentials = %d", got)
	}
	if got := s.as(confluence.User{Email: "x@example.com", Token: "wrong"}, "GET", "/wiki/api/v2/pages/"+open, nil).status; got != 404 {
		t.Errorf("wrong credentials = %d; they are not the same as none", got)
	}
}
