package confluence_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// A site with a company in it, searched over HTTP by a user of one's own.
func ExampleNewServer() {
	srv := confluence.NewServer(confluence.Options{Seed: true})
	defer srv.Close()
	me := srv.AddUser(confluence.User{Email: "ann@example.com", DisplayName: "Ann"})

	req, err := http.NewRequest("GET", srv.URL+"/wiki/rest/api/search?limit=1&cql="+url.QueryEscape(`siteSearch ~ "q3 planning"`), nil)
	if err != nil {
		panic(err)
	}
	req.SetBasicAuth(me.Email, me.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(res.Status, res.Header.Get(confluence.Header), strings.Contains(string(body), `"title":"Q3 Planning"`))
	// Output: 200 OK true true
}

// The state of a site, read without HTTP.
func ExampleSandbox_PageByTitle() {
	s := confluence.New(confluence.Options{Seed: true})
	p, ok := s.PageByTitle("MKT", "q3 planning")
	fmt.Println(ok, p.Title, p.Version, s.Labels(p.ID))
	// Output: true Q3 Planning 3 [planning q3]
}

// The next request for a page is answered with 429.
func ExampleSandbox_Fail() {
	srv := confluence.NewServer(confluence.Options{})
	defer srv.Close()
	srv.Fail(confluence.Fault{Path: "/api/v2/pages", Status: http.StatusTooManyRequests, RetryAfter: 3e9})
	res, err := http.Get(srv.URL + "/wiki/api/v2/pages")
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status, res.Header.Get("Retry-After"))
	// Output: 429 Too Many Requests 3
}

// An OAuth app calls through the gateway, with what its token may do.
func ExampleSandbox_IssueTokens() {
	srv := confluence.NewServer(confluence.Options{Seed: true})
	defer srv.Close()
	me := srv.AddUser(confluence.User{Email: "ann@example.com"})
	app := srv.AddOAuthApp(confluence.OAuthApp{Name: "My app", RedirectURIs: []string{"http://localhost/callback"}})
	tokens, err := srv.IssueTokens(app.ClientID, me.AccountID, "read:page:confluence")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/wiki/api/v2/pages?limit=1", "/wiki/api/v2/spaces", "/wiki/rest/api/content"} {
		req, err := http.NewRequest(http.MethodGet, srv.URL+"/ex/confluence/"+srv.CloudID()+path, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(res.StatusCode, path)
	}
	// Output:
	// 200 /wiki/api/v2/pages?limit=1
	// 401 /wiki/api/v2/spaces
	// 410 /wiki/rest/api/content
}
