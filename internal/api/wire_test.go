package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/internal/api"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revoked, k, err := w.ids.CreateKey(t.Context(), w.project.ID, "old")
	must(t, err)
	must(t, w.ids.Revoke(t.Context(), w.project.ID, k.ID))
	for name, tc := range map[string]struct {
		status int
		header []string
	}{
		"api key":    {200, nil},
		"bearer":     {200, []string{"X-Api-Key", "", "Authorization", "Bearer " + w.key}},
		"none":       {401, []string{"X-Api-Key", ""}},
		"wrong":      {401, []string{"X-Api-Key", "ak_wrong"}},
		"revoked":    {401, []string{"X-Api-Key", revoked}},
		"two":        {401, []string{"Authorization", "Bearer " + w.key}},
		"user key":   {401, []string{"X-Api-Key", "", "X-User-Api-Key", w.key}},
		"org key":    {401, []string{"X-Api-Key", "", "X-Org-Api-Key", w.key}},
		"basic":      {401, []string{"X-Api-Key", "", "Authorization", "Basic " + w.key}},
		"empty user": {200, []string{"X-User-Api-Key", ""}},
	} {
		a := w.want(tc.status, "GET", "/api/v3.1/toolkits", nil, tc.header...)
		if tc.status == 401 && (a.text("error.slug") != "HTTP_Unauthorized" || a.text("error.suggested_fix") == "") {
			t.Errorf("%s: %s", name, a.Raw)
		}
	}
	w.want(401, "GET", "/api/v3.1/no/such/path", nil, "X-Api-Key", "")
}

func TestProjectsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.session(`{"user_id":"jane"}`)
	acc := w.account("jane")
	other := *w
	otherProject(t, &other)
	for _, p := range [][2]string{
		{"GET", one},
		{"PATCH", one},
		{"DELETE", one},
		{"GET", one + "/tools"},
		{"GET", one + "/toolkits"},
		{"GET", "/api/v3.1/connected_accounts/" + acc},
		{"DELETE", "/api/v3.1/connected_accounts/" + acc},
	} {
		other.want(404, p[0], p[1], nil)
	}
	other.want(404, "POST", one+"/execute", `{"tool_slug":"CLOCK_NOW"}`)
	other.want(404, "POST", "/api/v3.1/tools/execute/NOTES_GET", `{"arguments":{"id":"1"},"user_id":"jane","connected_account_id":"`+acc+`"}`)
	if e := other.want(400, "POST", "/api/v3.1/tools/execute/NOTES_GET", `{"arguments":{"id":"1"},"user_id":"jane"}`); e.at("error.code") != 1803.0 {
		t.Errorf("another project's user: %s", e.Raw)
	}
	if n := len(other.want(200, "GET", "/api/v3.1/connected_accounts", nil).column("id")); n != 0 {
		t.Errorf("another project sees %d accounts", n)
	}
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"//api/v3.1/toolkits", "/api//v3/toolkits/", "/api/v3.1/toolkits///", "/x/../api/v3.1/toolkits"} {
		w.want(200, "GET", path, nil)
	}
	one := strings.TrimPrefix(w.session(`{"user_id":"u"}`), "/api/v3.1")
	w.want(200, "POST", "//api/v3/"+one+"//execute/", `{"tool_slug":"CLOCK_NOW"}`)
	w.want(403, "POST", "//api/v3/org/usage/X?source=python", "{}")
	w.want(404, "GET", "/api/v3.1/nothing", nil)
	w.want(404, "GET", "/api/v4/toolkits", nil)
	w.want(404, "GET", "/api/v3.11/toolkits", nil)
	w.want(404, "GET", "/", nil)
	m := w.want(405, "PUT", "/api/v3.1/tool_router/session", `{}`)
	if m.Header.Get("Allow") != "POST" {
		t.Errorf("Allow = %q", m.Header.Get("Allow"))
	}
	if h := w.want(200, "HEAD", "/api/v3.1/toolkits", nil); len(h.Raw) != 0 {
		t.Errorf("HEAD has a body: %s", h.Raw)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.want(404, "GET", "/api/v3.1/toolkits/nope", nil, "X-Request-Id", "abc-123"); a.text("error.request_id") != "abc-123" {
		t.Errorf("a harmless id is kept: %s", a.Raw)
	}
	for _, bad := range []string{"a b", "a\"b", strings.Repeat("x", 129), "é"} {
		a := w.want(404, "GET", "/api/v3.1/toolkits/nope", nil, "X-Request-Id", bad)
		if id := a.text("error.request_id"); !strings.HasPrefix(id, "req_") {
			t.Errorf("%q became %q", bad, id)
		}
	}
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/tool_router/session"
	for body, says := range map[string]string{
		`{"user_id":`:                          "malformed JSON at byte 11",
		`{"user_id":"u"}}`:                     "malformed JSON at byte 16",
		`[]`:                                   "expected object",
		`null`:                                 "user_id",
		`{}`:                                   "user_id",
		``:                                     "user_id",
		`{"user_id":""}`:                       "user_id",
		`{"user_id":"  "}`:                     "user_id",
		`{"user_id":17}`:                       "user_id: expected string",
		`{"user_id":"u","toolkits":["notes"]}`: "toolkits",
		`{"user_id":"u","toolkits":{"enable":["nope"]}}`:                                     `"nope"`,
		`{"user_id":"u","toolkits":{"enable":["notes"],"disable":["mail"]}}`:                 "toolkits",
		`{"user_id":"u","toolkits":{"enabled":["notes"]}}`:                                   "toolkits.enabled: requests spell it enable",
		`{"user_id":"u","tools":{"notes":{"disabled":["NOTES_GET"]}}}`:                       "tools.notes.disabled",
		`{"user_id":"u","tags":{"enabled":["readOnlyHint"]}}`:                                "tags.enabled",
		`{"user_id":"u","toolkits":{"enable":[]}}`:                                           "toolkits.enable",
		`{"user_id":"u","tags":[]}`:                                                          "tags.enable",
		`{"user_id":"u","tags":{"enable":[],"disable":["destructiveHint"]}}`:                 "tags.enable",
		`{"user_id":"u","tools":{"notes":{"tags":[]}}}`:                                      "tools.notes.tags.enable",
		`{"user_id":"u","tools":{"notes":{"enable":["NOTES_GOT"]}}}`:                         "NOTES_GOT",
		`{"user_id":"u","tools":{"notes":{"enable":["MAIL_LIST"]}}}`:                         "MAIL_LIST",
		`{"user_id":"u","tools":{"notes":{"enable":["NOTES_GET"],"tags":["readOnlyHint"]}}}`: "tools.notes",
		`{"user_id":"u","tools":{"nope":{"enable":["NOTES_GET"]}}}`:                          `"nope"`,
		`{"user_id":"u","tags":["fast"]}`:                                                    "fast",
		`{"user_id":"u","tags":7}`:                                                           "tags",
		`{"user_id":"u","preload":{"tools":["NOTES_GOT"]}}`:                                  "NOTES_GOT",
		`{"user_id":"u","preload":{"tools":"some"}}`:                                         "preload.tools",
		`{"user_id":"u","preload":{"tools":"all"}}`:                                          "preload.tools",
		`{"user_id":"u","connected_accounts":{"notes":["ca_nope"]}}`:                         "ca_nope",
		`{"user_id":"u","connected_accounts":{"notes":7}}`:                                   "expected a string or a list",
		`{"user_id":"u","auth_configs":{"notes":"ac_nope"}}`:                                 "ac_nope",
		`{"user_id":"u","multi_account":{"enable":true,"max_accounts_per_toolkit":11}}`:      "max_accounts_per_toolkit",
		`{"user_id":"u","workbench":{"sandbox_size":"huge"}}`:                                "sandbox_size",
		`{"user_id":"u","manage_connections":{"callback_url":"ftp://x"}}`:                    "callback_url",
		`{"user_id":"u","search":{"enable":"no"}}`:                                           "search.enable: expected boolean",
		`{"user_id":"u","toolkits":{"enable":["notes"],"require_approval":["notes"]}}`:       "toolkits.require_approval",
		`{"user_id":"u","tools":{"notes":{"require_approval":["NOTES_GET"]}}}`:               "tools.notes.require_approval",
		`{"user_id":"u","tags":{"require_approval":["destructiveHint"]}}`:                    "tags.require_approval",
		`{"user_id":"u","hooks":[{"url":"https://x.example"}]}`:                              "hooks is not offered",
		`{"user_id":"u","experimental":{"custom_tools":[{"slug":"X"}]}}`:                     "experimental.custom_tools",
		`{"user_id":"u","experimental":{"custom_toolkits":[{"slug":"X"}]}}`:                  "experimental.custom_toolkits",
		`{"user_id":"u","experimental":{"permissions":{"default":"deny_all"}}}`:              "experimental.permissions.default",
		`{"user_id":"u","experimental":{"link_url_overwrite":"http://plain.example"}}`:       "experimental.link_url_overwrite",
		`{"user_id":"u","experimental":{"link_url_overwrite":"https://x.example/?a=1"}}`:     "experimental.link_url_overwrite",
		`{"user_id":"u","experimental":{"link_url_overwrite":"javascript://x.example"}}`:     "experimental.link_url_overwrite",
		`{"user_id":"u","experimental":{"link_url_overwrite":"https://u:p@x.example"}}`:      "experimental.link_url_overwrite",
	} {
		if e := w.want(400, "POST", at, body); !strings.Contains(e.text("error.message"), says) {
			t.Errorf("%s: does not say %q: %s", body, says, e.Raw)
		}
	}
	if e := w.want(415, "POST", at, "user_id=u", "Content-Type", "application/x-www-form-urlencoded"); !strings.Contains(e.text("error.message"), "application/json") {
		t.Errorf("a form: %s", e.Raw)
	}
	w.want(404, "GET", at+"/trs_nope", nil)
	e := w.want(400, "POST", at, `{"user_id":{"password":"`+goodKey+`"}}`)
	if strings.Contains(string(e.Raw), "password") {
		t.Errorf("the error repeats what was sent: %s", e.Raw)
	}
}

func TestLargeBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/tool_router/session"
	big := `{"user_id":"u","x":"` + strings.Repeat("x", 10<<20) + `"}`
	w.want(413, "POST", at, big)

	// Without a length: the server must stop reading, not wait for the end.
	conn, err := net.Dial("tcp", hostOf(w.server.URL))
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", at, w.key)
	must(t, err)
	chunk := strings.Repeat("x", 1<<20)
	for range 5 { // more than the limit, and never a last chunk
		if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
			break // the server has closed already
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if raw, _ := io.ReadAll(resp.Body); resp.StatusCode != 413 {
		t.Errorf("chunked: %d %s", resp.StatusCode, raw)
	}
}

func TestCallsPerKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *api.Options) { o.MaxCallsPerKey = 1 })
	w.account("jane")
	done := make(chan answer)
	go func() {
		done <- w.do("POST", "/api/v3.1/tools/execute/NOTES_SLOW", `{"user_id":"jane"}`)
	}()
	<-w.entered
	e := w.want(429, "GET", "/api/v3.1/toolkits", nil)
	if e.Header.Get("Retry-After") != "1" || e.Header.Get("X-Should-Retry") == "false" {
		t.Errorf("429: %v", e.Header)
	}
	close(w.release)
	if a := <-done; a.Status != 200 {
		t.Errorf("the slow call: %d %s", a.Status, a.Raw)
	}
	w.want(200, "GET", "/api/v3.1/toolkits", nil)
}

func TestPaging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/tools?include_deprecated=true"
	var all []string
	next := "&limit=4"
	for pageNo := 1; next != ""; pageNo++ {
		a := w.want(200, "GET", at+next, nil)
		if a.at("total_items") != 6.0 || a.at("total_pages") != 2.0 || a.at("current_page") != float64(pageNo) {
			t.Fatalf("page %d: %s", pageNo, a.Raw)
		}
		all = append(all, a.column("slug")...)
		if next = a.text("next_cursor"); next != "" {
			next = "&cursor=" + next
		}
	}
	if diff := cmp.Diff([]string{"CLOCK_NOW", "MAIL_LIST", "NOTES_DELETE", "NOTES_GET", "NOTES_OLD", "NOTES_SLOW"}, all); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
	for query, want := range map[string]int{
		"&limit=9999": 6, "&limit=0": 1, "&limit=-3": 1, "&limit=2.0": 2, "&limit=1e99": 6, "&limit=": 6, "&cursor=": 6, "&page=2&limit=4": 2, "&page=99&limit=4": 0,
	} {
		if n := len(w.want(200, "GET", at+query, nil).column("slug")); n != want {
			t.Errorf("%s: %d items, want %d", query, n, want)
		}
	}
	for _, query := range []string{"&limit=many", "&limit=NaN", "&cursor=nonsense", "&cursor=MDoxMA", "&page=x"} {
		w.want(400, "GET", at+query, nil)
	}
}

// TestQueriesNeverBreak sends what nobody thought of.
func TestQueriesNeverBreak(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := []string{"limit", "cursor", "page", "tags", "tags[]", "toolkit_versions[notes]", "toolkit_versions[", "toolkit_slug", "important", "query", "scopes[0]"}
	rapid.Check(t, func(rt *rapid.T) {
		q := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) string {
			return rapid.SampledFrom(names).Draw(rt, "name") + "=" + rapid.StringMatching(`[a-z0-9,%\[\]. -]{0,12}`).Draw(rt, "value")
		}), 0, 4).Draw(rt, "query")
		req := httptest.NewRequest("GET", "/api/v3.1/tools", nil)
		req.URL.RawQuery = strings.Join(q, "&")
		req.Header.Set("X-Api-Key", w.key)
		rec := httptest.NewRecorder()
		w.server.Config.Handler.ServeHTTP(rec, req)
		if rec.Code != 200 && rec.Code != 400 && rec.Code != 404 {
			rt.Fatalf("%s: %d %s", req.URL.RawQuery, rec.Code, rec.Body)
		}
	})
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	proxy := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, tc := range map[string]struct {
		public, peer, host, proto, forwarded, want string
	}{
		"host":            {host: "127.0.0.1:8080", peer: "127.0.0.1:5", want: "http://127.0.0.1:8080"},
		"public":          {public: "https://s.example/", host: "x", peer: "127.0.0.1:5", want: "https://s.example"},
		"stranger":        {host: "a.example", peer: "192.0.2.1:5", proto: "https", forwarded: "evil.example", want: "http://a.example"},
		"proxy":           {host: "a.example", peer: "10.1.1.1:5", proto: "https", forwarded: "s.example", want: "https://s.example"},
		"mapped proxy":    {host: "a.example", peer: "[::ffff:10.1.1.1]:5", proto: "https", want: "https://a.example"},
		"two values":      {host: "a.example", peer: "10.1.1.1:5", proto: "http, https", forwarded: "evil.example, s.example", want: "https://s.example"},
		"not a host":      {host: "a.example", peer: "10.1.1.1:5", proto: "gopher", forwarded: "e.example/x?y", want: "http://a.example"},
		"not even a Host": {host: "a/b", peer: "10.1.1.1:5", want: "http://localhost"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.RemoteAddr = tc.host, tc.peer
		if tc.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tc.proto)
		}
		if tc.forwarded != "" {
			r.Header.Set("X-Forwarded-Host", tc.forwarded)
		}
		if got := api.Origin(tc.public, proxy)(r); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestOptionsAreRequired(t *testing.T) {
	t.Parallel()
	if _, err := api.New(api.Options{}); err == nil {
		t.Error("New takes empty options")
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(200, "GET", "/api/v3.1/toolkits?search=private-words", nil, "X-Request-Id", "log-me")
	w.server.Close() // waits for the handlers
	line := w.logs.String()
	for _, want := range []string{`"request_id":"log-me"`, `"status":200`, `"path":"/api/v3.1/toolkits"`, `"project":"` + w.project.ID} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %s: %s", want, line)
		}
	}
	for _, secret := range []string{w.key, "private-words"} {
		if strings.Contains(line, secret) {
			t.Errorf("the log shows %q: %s", secret, line)
		}
	}
}

func TestOurOwnFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.session(`{"user_id":"u"}`) // the key is known from here on, without the database
	must(t, w.db.Close())
	post := w.do("POST", "/api/v3.1/tool_router/session", `{"user_id":"u"}`)
	get := w.do("GET", one, nil)
	if post.Status < 500 || get.Status < 500 {
		t.Fatalf("without a database: %d %d", post.Status, get.Status)
	}
	if post.Header.Get("X-Should-Retry") != "false" || get.Header.Get("X-Should-Retry") != "" {
		t.Errorf("a create must not be repeated, a read may be: %q %q", post.Header.Get("X-Should-Retry"), get.Header.Get("X-Should-Retry"))
	}
	if strings.Contains(strings.ToLower(string(post.Raw)+string(get.Raw)), "sql") {
		t.Errorf("the answer speaks of SQL: %s %s", post.Raw, get.Raw)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *api.Options) { o.Origin = func(*http.Request) string { panic("oh no") } })
	if e := w.want(500, "GET", "/api/v3.1/toolkits", nil); strings.Contains(string(e.Raw), "oh no") {
		t.Errorf("the answer shows the panic: %s", e.Raw)
	}
	w.server.Close()
	if !strings.Contains(w.logs.String(), "oh no") {
		t.Error("the log lacks the panic")
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *api.Options) { o.BodyTimeout = time.Millisecond })
	conn, err := net.Dial("tcp", hostOf(w.server.URL))
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST /api/v3.1/tool_router/session HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: 9\r\n\r\n{", w.key)
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if raw, _ := io.ReadAll(resp.Body); resp.StatusCode != 408 {
		t.Errorf("a body that never comes: %d %s", resp.StatusCode, raw)
	}
}

// Many small values take memory and time out of proportion to their size.
func TestTooManyValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := `{"user_id":"ann","arguments":{"id":"1","list":[` + strings.Repeat("{},", 200_000) + `{}]}}`
	e := w.want(413, "POST", "/api/v3.1/tools/execute/NOTES_GET", body)
	if !strings.Contains(e.text("error.message"), "values") {
		t.Errorf("%s", e.Raw)
	}
}

// Strangers may read the OpenAPI document, and neither send bodies to it nor
// keep each other from it.
func TestPublicDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *api.Options) { o.MaxCallsPerKey = 1 })
	for range 8 { // bodies that do not come
		conn, err := net.Dial("tcp", hostOf(w.server.URL))
		must(t, err)
		defer func() { _ = conn.Close() }()
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = fmt.Fprint(conn, "POST /openapi.json HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("POST: %d", resp.StatusCode)
		}
	}
	w.want(200, "GET", "/openapi.json", nil, "X-Api-Key", "")
	w.want(405, "POST", "/openapi.json", `{}`)
}

// What clients of Pusher's protocol ask, in the ways in which they do.
func TestRealtimeCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	channel := "private-" + w.project.ID + "_triggers"
	for _, at := range []string{"/api/v3/internal/sdk/realtime/", "/api/v3.1/cli/realtime/"} {
		got := w.want(200, "GET", at+"credentials", nil)
		key := got.text("pusher_key")
		if got.text("project_id") != w.project.ID || got.text("pusher_cluster") != "sluice" || !strings.HasPrefix(key, "key_") {
			t.Errorf("%s: %s", at, got.Raw)
		}
		form := url.Values{"socket_id": {"12.34"}, "channel_name": {channel}}.Encode()
		signed := w.want(200, "POST", "/"+at+"auth?source=python", form, "Content-Type", "application/x-www-form-urlencoded").text("auth")
		if rest, ok := strings.CutPrefix(signed, key+":"); !ok || len(rest) != 64 {
			t.Errorf("%s: signed with %q", at, signed)
		}
		again := w.want(200, "POST", at+"auth", map[string]string{"socket_id": "12.34", "channel_name": channel}).text("auth")
		if again != signed {
			t.Errorf("%s: as JSON %s, as a form %s", at, again, signed)
		}
		for _, body := range []string{"", "socket_id=12.34", "socket_id=x&channel_name=" + channel, "%zz", "socket_id=1%00.2&channel_name=" + channel} {
			w.want(400, "POST", at+"auth", body, "Content-Type", "application/x-www-form-urlencoded")
		}
		for _, body := range []string{"[]", "{", `{"socket_id":1}`} {
			w.want(400, "POST", at+"auth", body)
		}
		w.want(403, "POST", at+"auth", "socket_id=1.2&channel_name=private-pr_else_triggers", "Content-Type", "application/x-www-form-urlencoded")
	}
}
