package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// siteTitles gives the titles that a CQL query finds, asked as the visitor.
func siteTitles(t *testing.T, s *Site, cql string) []string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/wiki/rest/api/search?limit=100&cql="+url.QueryEscape(cql), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(s.Email, s.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var found struct {
		Results []struct {
			Content struct {
				Title string `json:"title"`
			} `json:"content"`
		} `json:"results"`
	}
	if err := json.NewDecoder(res.Body).Decode(&found); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %s, %v", res.Status, err)
	}
	var titles []string
	for _, r := range found.Results {
		titles = append(titles, r.Content.Title)
	}
	return titles
}

func startSite(t *testing.T, o SiteOptions) *Site {
	t.Helper()
	o.Addr = "127.0.0.1:0"
	s, err := StartSite(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSite(t *testing.T) {
	t.Parallel()
	seeded := startSite(t, SiteOptions{RedirectURI: "http://127.0.0.1:9/back"})
	if got := siteTitles(t, seeded, `title = "Q3 Planning"`); len(got) != 1 {
		t.Errorf("the seed: %v", got)
	}
	if seeded.ClientID == "" || seeded.ClientSecret == "" || seeded.CloudID == "" {
		t.Errorf("credentials: %+v", seeded)
	}
	empty := startSite(t, SiteOptions{Empty: true, Pages: 50})
	if got := siteTitles(t, empty, `title ~ "Planning" and space = MKT`); len(got) != 0 {
		t.Errorf("an empty site: %v", got)
	}
	if got := siteTitles(t, empty, "type = page"); len(got) < 50 {
		t.Errorf("%d made-up pages", len(got))
	}
}

// A site with a file is there again at the next start, and elsewhere as a dump.
func TestSiteIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "site.json")
	s := startSite(t, SiteOptions{Empty: true, Pages: 10, File: file, RedirectURI: "http://127.0.0.1:9/back"})
	want := siteTitles(t, s, "type = page order by title")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	same := startSite(t, SiteOptions{Empty: true, Pages: 10, File: file, RedirectURI: "http://127.0.0.1:9/back"})
	if same.Token != s.Token || same.ClientID != s.ClientID || same.ClientSecret != s.ClientSecret || same.CloudID != s.CloudID {
		t.Errorf("the credentials changed: %+v, before %+v", same, s)
	}
	for name, again := range map[string]*Site{
		"file": same, "dump": startSite(t, SiteOptions{From: file}),
	} {
		if got := siteTitles(t, again, "type = page order by title"); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestSiteRefuses(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]SiteOptions{
		"a broken file": {File: broken}, "a broken dump": {From: broken},
		"a dump that is not there": {From: broken + "x"}, "a port that is taken": {},
		"every interface": {Addr: "0.0.0.0:0"}, "all of them": {Addr: ":0"}, "no address": {Addr: "nonsense"},
	} {
		if o.Addr == "" {
			o.Addr = "127.0.0.1:0"
		}
		if name == "a port that is taken" {
			o.Addr = strings.TrimPrefix(startSite(t, SiteOptions{Empty: true}).URL, "http://")
		}
		if s, err := StartSite(t.Context(), o); err == nil {
			t.Errorf("%s: started", name)
			_ = s.Stop()
		}
	}
}
