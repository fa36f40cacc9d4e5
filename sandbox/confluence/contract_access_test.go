package confluence_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// TestContractOfAccess drives properties, the tree, restrictions, permissions,
// people and the audit log against Atlassian's documents.
func TestContractOfAccess(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true})
	s.me = s.AddUser(confluence.User{Email: "root@example.com", DisplayName: "Root", Token: "t", Admin: true})
	c := &contract{t: t, s: loadSpecs(t), seen: map[string]bool{}}
	s.check = c.check
	q3, _ := s.PageByTitle("MKT", "Q3 Planning")
	post, v1, v2 := s.BlogPosts("MKT")[0].ID, "/wiki/rest/api", "/wiki/api/v2"
	space := s.must(200, "GET", v2+"/spaces?keys=MKT", nil).str("results.0.id")
	made := map[string]string{"pages": q3.ID, "blogposts": post, "comments": s.Comments(q3.ID)[0].ID}
	for _, noun := range []string{"folders", "whiteboards", "databases", "embeds"} {
		id := s.must(200, "POST", v2+"/"+noun, obj{"spaceId": space, "title": "A " + noun, "parentId": q3.ID}).str("id")
		made[noun] = id
		for _, p := range []string{"?include-operations=true&include-properties=true&include-direct-children=true", "/operations", "/direct-children", "/descendants", "/ancestors"} {
			s.must(200, "GET", v2+"/"+noun+"/"+id+p, nil)
		}
	}
	for noun, id := range made {
		base := v2 + "/" + noun + "/" + id + "/properties"
		p := s.must(200, "POST", base, obj{"key": "contract", "value": obj{"a": []int{1}}}).str("id")
		s.must(200, "GET", base+"?key=contract", nil)
		s.must(200, "GET", base+"/"+p, nil)
		s.must(200, "PUT", base+"/"+p, obj{"key": "contract", "value": true, "version": obj{"number": 2}})
		if noun == "pages" || noun == "blogposts" {
			s.must(200, "GET", v2+"/"+noun+"/"+id+"?include-properties=true&include-operations=true", nil)
		}
		s.must(204, "DELETE", base+"/"+p, nil)
	}
	p := s.must(201, "POST", v2+"/spaces/"+space+"/properties", obj{"key": "contract", "value": 1}).str("id")
	s.must(200, "PUT", v2+"/spaces/"+space+"/properties/"+p, obj{"key": "contract", "value": 2, "version": obj{"number": 2}})
	s.must(200, "POST", v1+"/space/MKT/label", []obj{{"prefix": "team", "name": "bikes"}})
	for _, path := range []string{
		"/spaces/" + space + "/properties", "/spaces/" + space + "/properties/" + p, "/spaces/" + space + "?include-properties=true&include-operations=true&include-labels=true",
		"/spaces/" + space + "/operations", "/spaces/" + space + "/permissions?limit=3", "/spaces/" + space + "/role-assignments", "/spaces/" + space + "/labels", "/space-permissions",
		"/space-roles", "/space-role-mode", "/pages/" + q3.ID + "/operations", "/blogposts/" + post + "/operations", "/footer-comments/" + made["comments"] + "/operations",
		"/pages/" + q3.ID + "/descendants?depth=3", "/pages/" + q3.ID + "/direct-children",
	} {
		s.must(200, "GET", v2+path, nil)
	}
	s.must(200, "GET", v2+"/space-roles/"+s.must(200, "GET", v2+"/space-roles", nil).str("results.0.id"), nil)
	emails := s.must(200, "POST", v2+"/user/access/check-access-by-email", obj{"emails": []string{"root@example.com", "nobody@example.com", "no address"}})
	if emails.str("emailsWithoutAccess.0") != "nobody@example.com" || emails.str("invalidEmails.0") != "no address" {
		t.Errorf("access by e-mail = %s", emails.text)
	}
	s.must(200, "GET", v2+"/data-policies/metadata", nil)
	if got := s.rawGet(v2 + "/classification-levels"); !strings.Contains(got, `"name":"Internal"`) {
		t.Errorf("classification levels = %s", got)
	}
	s.must(200, "POST", v2+"/users-bulk", obj{"accountIds": []string{s.me.AccountID}})
	for noun, id := range made {
		if noun != "comments" && noun != "pages" && noun != "blogposts" {
			s.must(204, "DELETE", v2+"/"+noun+"/"+id, nil)
		}
	}

	group := s.must(201, "POST", v1+"/group", obj{"name": "contract"}).str("id")
	s.must(201, "POST", v1+"/group/userByGroupId?groupId="+group, obj{"accountId": s.me.AccountID})
	restriction := v1 + "/content/" + q3.ID + "/restriction"
	both := []obj{{"operation": "read", "restrictions": obj{"user": users(s.me.AccountID), "group": []obj{{"type": "group", "id": group}}}}}
	s.must(200, "POST", restriction+"?expand=restrictions.user,restrictions.group", both)
	s.must(200, "PUT", restriction, both)
	byOp := restriction + "/byOperation/update"
	for _, one := range []string{byOp + "/user?accountId=" + s.me.AccountID, byOp + "/byGroupId/" + group} {
		s.must(200, "PUT", one, nil)
		s.must(200, "GET", one, nil)
	}
	permission := s.must(200, "POST", v1+"/space/MKT/permission", obj{"subject": obj{"type": "group", "identifier": group}, "operation": obj{"key": "read", "target": "space"}})
	for _, path := range []string{
		"/content/" + q3.ID + "/restriction?expand=restrictions.user,restrictions.group,content", "/content/" + q3.ID + "/restriction/byOperation", "/content/" + q3.ID + "/restriction/byOperation/read?expand=restrictions.user",
		"/space/MKT/label", "/user/bulk?accountId=" + s.me.AccountID, "/user/memberof?accountId=" + s.me.AccountID, "/user/current?expand=operations,personalSpace",
		"/group", "/group/by-id?id=" + group, "/group/picker?query=con", "/group/" + group + "/membersByGroupId", "/audit?limit=5", "/audit/since?number=1&units=DAYS", "/audit/retention",
	} {
		s.must(200, "GET", v1+path, nil)
	}
	s.must(200, "POST", v1+"/content/"+q3.ID+"/property", obj{"key": "expanded", "value": "x"})
	wide := s.must(200, "GET", v1+"/content/"+q3.ID+"?expand=operations,restrictions.read.restrictions.user,restrictions.update,metadata.properties.expanded,space.permissions,space.metadata.labels,space.icon,space.history,space.operations", nil)
	if wide.str("restrictions.read.restrictions.user.results.0.accountId") != s.me.AccountID || wide.str("metadata.properties.expanded.value") != "x" || wide.str("space.permissions.0.operation.operation") != "read" || wide.str("operations.0.operation") == "" {
		t.Errorf("expanded = %s", wide.text)
	}
	s.must(200, "POST", v1+"/content/"+q3.ID+"/permission/check", obj{"subject": obj{"type": "group", "identifier": group}, "operation": "read"})
	s.must(200, "DELETE", byOp+"/byGroupId/"+group, nil)
	s.must(200, "DELETE", byOp+"/user?accountId="+s.me.AccountID, nil)
	s.must(200, "DELETE", restriction, nil)
	s.must(204, "DELETE", v1+"/space/MKT/permission/"+fmt.Sprint(int64(permission.get("id").(float64))), nil)
	s.must(204, "DELETE", v1+"/space/MKT/label?name=bikes", nil)
	s.must(204, "DELETE", v2+"/spaces/"+space+"/properties/"+p, nil)
	s.must(200, "PUT", v1+"/space/MKT", obj{"name": "Marketing"})
	s.must(200, "POST", v1+"/audit", obj{"remoteAddress": "127.0.0.1", "summary": "by hand", "category": "Test"})
	s.must(200, "PUT", v1+"/audit/retention", obj{"number": 1, "units": "YEARS"})
	s.must(204, "DELETE", v1+"/group/userByGroupId?groupId="+group+"&accountId="+s.me.AccountID, nil)
	s.must(204, "DELETE", v1+"/group/by-id?id="+group, nil)
	t.Logf("%d operations validated", len(c.seen))
}

// rawGet gives the body of an answer that is no JSON object.
func (s *site) rawGet(path string) string {
	req := httptest.NewRequest("GET", "https://test.atlassian.net"+path, nil)
	req.SetBasicAuth(s.me.Email, s.me.Token)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	return w.Body.String()
}
