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

// A person consents to one of two sites; the app exchanges the code with the
// verifier of PKCE. Any HTTP client does the same over a [confluence.Server].
func ExampleSandbox_Consent() {
	cloud := confluence.New(confluence.Options{Site: "acme"})
	labs, err := cloud.AddSite(confluence.Options{Site: "acme-labs", Seed: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := cloud.AddUser(confluence.User{Email: "ann@example.com"})
	labs.AddUser(confluence.User{AccountID: ann.AccountID, Email: ann.Email})
	app := cloud.AddOAuthApp(confluence.OAuthApp{Name: "My app", RedirectURIs: []string{"http://localhost/callback"}})

	ask := url.Values{
		"audience": {"api.atlassian.com"}, "client_id": {app.ClientID}, "response_type": {"code"}, "prompt": {"consent"},
		"redirect_uri": {app.RedirectURIs[0]}, "scope": {"read:page:confluence offline_access"}, "state": {"s"},
	}
	back, err := cloud.Consent("https://auth.atlassian.com/authorize?"+ask.Encode(), confluence.Consent{Account: ann.AccountID, Sites: []string{labs.CloudID()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, err := url.Parse(back)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Host+u.Path, u.Query().Get("state"), u.Query().Has("code"))

	back, err = cloud.Consent("/authorize?"+ask.Encode(), confluence.Consent{Account: ann.AccountID, Deny: true})
	fmt.Println(strings.Contains(back, "error=access_denied"), err)
	fmt.Printf("%+v\n", cloud.OAuthCounts(app.ClientID))
	// Output:
	// localhost/callback s true
	// true <nil>
	// {Consents:1 Denials:1 Codes:0 CodeReplays:0 Refreshes:0 GraceReuses:0 StaleReuses:0 Refused:0 ServiceTokens:0}
}

// The answer of a refresh is lost after the tokens were rotated: within the
// grace the old refresh token works once more.
func ExampleFault_drop() {
	srv := confluence.NewServer(confluence.Options{})
	defer srv.Close()
	ann := srv.AddUser(confluence.User{Email: "ann@example.com"})
	app := srv.AddOAuthApp(confluence.OAuthApp{})
	tokens, err := srv.IssueTokens(app.ClientID, ann.AccountID, "read:page:confluence", "offline_access")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Fail(confluence.Fault{Grant: "refresh_token", Drop: true})
	for range 2 {
		res, err := http.PostForm(srv.URL+"/oauth/token", url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret},
		})
		if err != nil {
			fmt.Println("no answer")
			continue
		}
		res.Body.Close()
		fmt.Println(res.Status)
	}
	n := srv.OAuthCounts(app.ClientID)
	fmt.Println(n.Refreshes, n.GraceReuses)
	// Output:
	// no answer
	// 200 OK
	// 2 1
}
