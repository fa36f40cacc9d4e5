package confluence_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sameAfterLoading dumps a site, loads it into another and dumps that: twice the
// same, also when dumped again.
func sameAfterLoading(t failer, s *confluence.Sandbox) *confluence.Sandbox {
	t.Helper()
	var first, again, second bytes.Buffer
	if err := s.Dump(&first); err != nil {
		t.Fatalf("dumping: %v", err)
	}
	if err := s.Dump(&again); err != nil || !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Fatalf("two dumps of one state differ: %v", err)
	}
	twin := confluence.New(confluence.Options{BaseURL: "https://test.atlassian.net", Clock: func() time.Time { return epoch.Add(time.Hour) }})
	if err := twin.Load(&first); err != nil {
		t.Fatalf("loading: %v", err)
	}
	if err := twin.Dump(&second); err != nil {
		t.Fatalf("dumping: %v", err)
	}
	if diff := cmp.Diff(again.String(), second.String()); diff != "" {
		t.Fatalf("the loaded site is another (-want +got):\n%s", diff[:min(len(diff), 2000)])
	}
	return twin
}

func TestDumpAndLoad(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true})
	q3, _ := s.PageByTitle("MKT", "Q3 Planning")
	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob", TimeZone: "Europe/Berlin"})
	app := s.AddOAuthApp(confluence.OAuthApp{RedirectURIs: []string{redirect}})
	tokens, err := s.IssueTokens(app.ClientID, bob.AccountID, "read:page:confluence", "offline_access")
	if err != nil {
		t.Fatal(err)
	}
	s.must(200, "POST", "/wiki/api/v2/pages/"+q3.ID+"/properties", obj{"key": "k", "value": obj{"deep": []any{1, nil, "<&>"}}})
	s.must(200, "POST", "/wiki/api/v2/folders", obj{"spaceId": s.Spaces()[0].ID, "title": "Folder", "parentId": q3.ID})
	s.must(200, "POST", "/wiki/rest/api/space/_private", obj{"key": "PRIV", "name": "Private"})
	hidden := s.page(s.must(200, "GET", "/wiki/api/v2/spaces?keys=PRIV", nil).str("results.0.id"), "Hidden", "<p>x</p>")
	s.must(200, "PUT", "/wiki/rest/api/content/"+q3.ID+"/restriction/byOperation/update/user?accountId="+s.me.AccountID, nil)

	twin := sameAfterLoading(t, s.Sandbox)
	get := func(h *confluence.Sandbox, u confluence.User, path string) string {
		req := httptest.NewRequest("GET", "https://test.atlassian.net"+path, nil)
		req.SetBasicAuth(u.Email, u.Token)
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, req)
		return w.Result().Status + " " + w.Body.String()
	}
	for _, path := range []string{
		"/wiki/api/v2/pages/" + q3.ID + "?body-format=storage&include-labels=true&include-versions=true&include-properties=true", "/wiki/api/v2/pages?limit=250&body-format=storage", "/wiki/api/v2/spaces",
		"/wiki/api/v2/pages/" + hidden, "/wiki/api/v2/pages/" + q3.ID + "/operations", "/wiki/api/v2/tasks", "/wiki/api/v2/footer-comments?body-format=storage", "/wiki/api/v2/labels",
		"/wiki/rest/api/content/" + q3.ID + "/restriction?expand=restrictions.user", "/wiki/api/v2/pages?title=q3%20planning",
	} {
		for _, u := range []confluence.User{s.me, bob} {
			if diff := cmp.Diff(get(s.Sandbox, u, path), get(twin, u, path)); diff != "" {
				t.Errorf("%s for %s (-before +after):\n%s", path, u.DisplayName, diff)
			}
		}
	}
	found := func(h *confluence.Sandbox) int {
		return strings.Count(get(h, s.me, "/wiki/rest/api/search?limit=250&cql=text~planning"), `"score"`)
	}
	if found(s.Sandbox) == 0 || found(s.Sandbox) != found(twin) {
		t.Errorf("search finds %d before and %d after", found(s.Sandbox), found(twin))
	}
	o := &oauth{site: s, app: app}
	o.Sandbox = twin
	if a := o.gateway("GET", "/wiki/api/v2/pages", tokens.AccessToken, ""); a.status != 200 {
		t.Errorf("the access token after loading = %d", a.status)
	}
	if a := o.exchange(obj{"grant_type": "refresh_token", "refresh_token": tokens.RefreshToken}); a.status != 200 {
		t.Errorf("the refresh token after loading = %d %s", a.status, a.text)
	}
}

func TestBadDumpsAreRefused(t *testing.T) {
	s := newSite(t, confluence.Options{})
	_, home := s.space("DOC")
	var good bytes.Buffer
	if err := s.Dump(&good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"not JSON": "{", "another format": `{"format":"x"}`, "unknown field": strings.Replace(good.String(), `"nextLabel"`, `"nextLable"`, 1),
		"dangling child": strings.Replace(good.String(), `"order":[`+home+`]`, `"order":[`+home+`,7]`, 1), "no version": strings.Replace(good.String(), `"versions":[{`, `"versions":[],"draft":{`, 1),
	} {
		if text == good.String() {
			t.Fatalf("%s: nothing was changed", name)
		}
		if err := s.Load(strings.NewReader(text)); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	s.must(200, "GET", "/wiki/api/v2/pages/"+home, nil)
}

func TestOpenAndSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "site.json")
	s, err := confluence.Open(confluence.Options{Seed: true, File: file})
	if err != nil {
		t.Fatal(err)
	}
	ann := s.AddUser(confluence.User{Email: "ann@example.com"})
	for range 2 {
		if err := s.Save(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := confluence.Open(confluence.Options{Seed: true, File: file})
	if err != nil {
		t.Fatal(err)
	}
	if got := again.AddUser(confluence.User{Email: "ann@example.com"}); got.AccountID != ann.AccountID || len(again.Pages("MKT")) != len(s.Pages("MKT")) {
		t.Errorf("opened again: account %s with %d pages", got.AccountID, len(again.Pages("MKT")))
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".site*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file holds credentials and has the mode %v", info.Mode())
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := confluence.Open(confluence.Options{File: file}); err == nil {
		t.Error("a broken file was opened")
	}
	if err := confluence.New(confluence.Options{}).Save(); err == nil {
		t.Error("saved to nowhere")
	}
}

func TestSeedMany(t *testing.T) {
	s := newSite(t, confluence.Options{})
	began := time.Now()
	if err := s.SeedMany(10_000); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("10,000 pages took %v", took)
	} else {
		t.Logf("10,000 pages in %v", took)
	}
	if got := len(s.Pages("")); got != 10_004 {
		t.Errorf("%d pages, want 10,000 and four homepages", got)
	}
	a := s.must(200, "GET", "/wiki/rest/api/search?cql=text~import+and+label%3Dapproved+and+space%3DLOAD2", nil)
	if len(a.results()) == 0 {
		t.Errorf("search over the pages: %s", a.text)
	}
	if err := s.SeedMany(1); err == nil {
		t.Error("the spaces exist already")
	}
}
