package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/trigger"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// doors are the ways in besides the REST API, each with the test that tries it
// with wrong identities; open doors show nothing of anybody's. A door that the
// router has and that is not here fails.
var doors = map[string]func(m *matrix, path string){
	"/tool_router/{session}/mcp": nil, // TestIsolationMatrixMCP
	"/v3/mcp/{server}":           (*matrix).serverDoor,
	"/link/{token}":              (*matrix).linkDoor,
	"/connect":                   (*matrix).codeDoor,
	"/oauth/callback":            (*matrix).callbackDoor, // and TestOAuthBoundToBrowser
	"/oauth/finish/{flow}":       (*matrix).finishDoor,
	"/files/blob/{token}":        (*matrix).blobDoor,
	"/webhooks/{endpoint}":       (*matrix).webhookDoor,
	"/app/{key}":                 (*matrix).socketDoor,
	"/healthz":                   (*matrix).openDoor,
	"/readyz":                    (*matrix).openDoor,
	"/metrics":                   (*matrix).openDoor,
}

func TestIsolationMatrixDoors(t *testing.T) { onBoth(t, testIsolationMatrixDoors) }

func testIsolationMatrixDoors(t *testing.T, in func(*app.Options)) {
	w := newWorld(t, func(o *app.Options) { in(o); o.Config.Metrics = true })
	m := &matrix{world: w}
	for _, path := range w.Doors() {
		try, ok := doors[path]
		switch {
		case !ok:
			t.Errorf("the door %s has no row in the isolation matrix: add its line to doors in matrix_doors_test.go", path)
		case try != nil:
			try(m, path)
		}
	}
	t.Logf("%d doors: %d requests with what is another's refused, %d of owners answered", len(w.Doors()), m.wrong, m.right)
}

func (m *matrix) openDoor(path string) {
	m.t.Helper()
	for _, n := range m.all {
		m.hidden(path, "", m.send(http.MethodGet, path, "", "X-Api-Key", n.things["key"]), nil, m.all)
		m.right++
	}
}

// guesses are tokens that open nothing, made from one that does.
func (m *matrix) guesses(n *identityOf, token string) []string {
	last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(token, "0")]
	return []string{
		token[:len(token)-1], token + "0", token[:len(token)-1] + last, strings.ToUpper(token),
		domain.NewSecret(domain.PrefixLink), domain.NewID(domain.PrefixLink),
		n.things["session"], n.things["account"], n.things["pending"], n.things["file"], n.things["made"],
		n.things["log"], n.things["key"], n.things["config"], "lt_", ".", "%2e%2e",
	}
}

// linkDoor: a connect link is for one browser's one form; guessed, changed,
// replayed or sent on, it gives nothing.
func (m *matrix) linkDoor(string) {
	m.t.Helper()
	for _, n := range m.all {
		for _, token := range append(m.guesses(n, n.things["link"]), n.things["download"], n.things["upload"]) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				a := m.send(method, "/link/"+token, "", "X-Api-Key", n.things["key"], "Content-Type", "application/x-www-form-urlencoded")
				m.wrong++
				if a.status != http.StatusNotFound {
					m.t.Errorf("CROSSING: %s /link/%s: %v", method, token, a)
				}
				m.hidden("a wrong link", token, a, nil, m.all)
			}
		}
		m.forward(n)
	}
}

// tab is a browser that stays where it is sent from.
func (m *matrix) tab() *browser {
	m.t.Helper()
	jar, err := cookiejar.New(nil)
	must(m.t, err)
	return &browser{t: m.t, http: &http.Client{
		Transport: m.http.Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// forward carries the form of one browser into another, finishes it in the
// first, and then tries it again everywhere.
func (m *matrix) forward(n *identityOf) {
	m.t.Helper()
	u := m.Site().AddUser(confluence.User{Email: "linked-" + n.things["tag"] + "@matrix.example", Admin: true})
	n.marks = append(n.marks, u.Email, u.Token)
	typed := map[string]string{"subdomain": "sandbox", "generic_id": u.Email, "generic_api_key": u.Token, "base_url": m.SandboxURL()}
	address := m.URL() + "/link/" + n.things["link"]
	first, second := m.tab(), m.tab()
	form := first.open(address)
	others := m.except(n, true)
	m.hidden("the connect page", "", answer{body: form.text}, n, others)
	form2 := second.open(address) // which gives it a cookie of its own
	before := m.Site().Requests()
	for what, try := range map[string]func() int{
		"no cookie": func() int {
			b := m.tab()
			b.submit(form, typed)
			return b.last
		},
		"another browser's cookie": func() int { second.submit(form, typed); return second.last },
		"another browser's form":   func() int { first.submit(form2, typed); return first.last },
		"another site": func() int {
			return m.send(http.MethodPost, "/link/"+n.things["link"], "csrf="+form.values.Get("csrf"),
				"Content-Type", "application/x-www-form-urlencoded", "Origin", "https://evil.example",
				"Cookie", "sluice_connect="+form.values.Get("csrf")).status
		},
		"another site, as a new browser says": func() int {
			return m.send(http.MethodPost, "/link/"+n.things["link"], "csrf="+form.values.Get("csrf"),
				"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site",
				"Cookie", "sluice_connect="+form.values.Get("csrf")).status
		},
	} {
		m.wrong++
		if status := try(); status != http.StatusForbidden {
			m.t.Errorf("CROSSING: the form of a link with %s: %d", what, status)
		}
	}
	if m.Site().Requests() != before {
		m.t.Error("CROSSING: a form that was sent on went upstream")
	}
	// In the browser that it was opened in it works, once.
	first.submit(form, typed)
	m.right++
	if first.last != http.StatusSeeOther {
		m.t.Errorf("the link of %s in its own browser: %d %s", n, first.last, tags.ReplaceAllString(first.seen.String(), ""))
	}
	if got := m.ask(n, http.StatusOK, http.MethodGet, "/api/v3.1/connected_accounts/"+n.things["pending"], "", "status", "user_id"); got[0] != "ACTIVE" || got[1] != n.things["user"] {
		m.t.Errorf("the account of %s: %v", n, got)
	}
	for _, b := range []*browser{first, second, m.tab()} {
		for _, send := range []func(){func() { b.open(address) }, func() { b.submit(form, typed) }, func() { b.submit(form2, typed) }} {
			send()
			m.wrong++
			if b.last != http.StatusGone {
				m.t.Errorf("CROSSING: a link of %s that was used, again: %d", n, b.last)
			}
		}
	}
}

// codeDoor: a code leads once to the link that it was made for; nothing else that
// is somebody's leads anywhere, and who guesses is stopped.
func (m *matrix) codeDoor(path string) {
	m.t.Helper()
	m.openDoor(path)
	post := func(code string) answer {
		res, err := m.tab().http.PostForm(m.URL()+path, url.Values{"code": {code}}) // which follows nothing
		must(m.t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		must(m.t, err)
		return answer{status: res.StatusCode, header: res.Header, body: string(body)}
	}
	codes := map[*identityOf]string{}
	for _, n := range m.all {
		codes[n] = m.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/sluice/connect_codes",
			fmt.Sprintf(`{"link_token":%q}`, m.freshThing("code", n, "consentlink")), "code")[0]
	}
	for _, n := range m.all {
		for _, code := range append(m.guesses(n, n.things["link"]), n.things["link"], codes[n][:8]) {
			a := post(code)
			m.wrong++
			if a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
				m.t.Errorf("CROSSING: the code %q: %v", code, a)
			}
			m.hidden("a wrong code", code, a, nil, m.all)
		}
		a := post(codes[n])
		to := a.header.Get("Location")
		m.right++
		if a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/link/lt_") {
			m.t.Fatalf("the code of %s: %v", n, a)
		}
		page := m.send(http.MethodGet, to, "", "X-Api-Key", "")
		m.hidden("the page behind a code", to, page, n, m.except(n, true))
		if page.status != http.StatusOK || !strings.Contains(page.body, "<b>consents-"+n.things["tag"]+"</b>") {
			m.t.Errorf("the page behind the code of %s: %v", n, page)
		}
		m.wrong++
		if a := post(codes[n]); a.status != http.StatusGone {
			m.t.Errorf("CROSSING: the code of %s again: %v", n, a)
		}
	}
	stopped := false
	for range 100 {
		stopped = stopped || post("BCDF-GHJK").status == http.StatusTooManyRequests
	}
	if !stopped {
		m.t.Error("CROSSING: codes can be guessed without end")
	}
}

// callbackDoor: a state that no walk of this browser has gives nothing, whatever
// else it opens elsewhere.
func (m *matrix) callbackDoor(path string) {
	m.t.Helper()
	for _, n := range m.all {
		for _, state := range append(m.guesses(n, n.things["link"]), n.things["link"]) {
			m.noWalk(path + "?code=x&state=" + url.QueryEscape(state))
		}
	}
}

// finishDoor: the name of a walk is no right to it.
func (m *matrix) finishDoor(string) {
	m.t.Helper()
	for _, n := range m.all {
		for _, flow := range append(m.guesses(n, n.things["link"]), strings.Repeat("0", 64)) {
			m.noWalk("/oauth/finish/" + url.PathEscape(flow))
		}
	}
}

func (m *matrix) noWalk(address string) {
	m.t.Helper()
	a := m.send(http.MethodGet, address, "", "X-Api-Key", "")
	m.wrong++
	if a.status != http.StatusNotFound {
		m.t.Errorf("CROSSING: %s: %v", address, a)
	}
	m.hidden("the way back from a provider", address, a, nil, m.all)
}

// blobDoor: the address of a file is the right to it, for one purpose.
func (m *matrix) blobDoor(string) {
	m.t.Helper()
	for _, n := range m.all {
		up, down := n.things["upload"], n.things["download"]
		tries := []struct{ method, token string }{
			{http.MethodGet, up},
			{http.MethodHead, up},
			{http.MethodPut, down},
			{http.MethodPut, up}, // its content is there: it was used
			{http.MethodGet, n.things["link"]},
			{http.MethodPut, n.things["link"]},
		}
		for _, token := range append(m.guesses(n, down), m.guesses(n, up)...) {
			tries = append(tries, struct{ method, token string }{http.MethodGet, token}, struct{ method, token string }{http.MethodPut, token})
		}
		for _, try := range tries {
			a := m.send(try.method, "/files/blob/"+try.token, map[bool]string{true: "other content"}[try.method == http.MethodPut],
				"X-Api-Key", n.things["key"], "Content-Type", "text/plain")
			m.wrong++
			if a.status/100 != 4 {
				m.t.Errorf("CROSSING: %s of a file with %s: %v", try.method, try.token, a)
			}
			m.hidden("a file with a wrong token", try.token, a, nil, m.all)
		}
		a := m.send(http.MethodGet, "/files/blob/"+down, "", "X-Api-Key", "")
		m.right++
		if a.status != http.StatusOK || a.body != "content of "+n.things["tag"] {
			m.t.Errorf("the file of %s: %v", n, a)
		}
		// What came in is what was sent, whatever was tried since.
		got := m.ask(n, http.StatusOK, http.MethodPost, "/api/v3.1/tools/execute/PAPER_READ", fmt.Sprintf(
			`{"user_id":%q,"arguments":{"file":{"name":"x","mimetype":"text/plain","s3key":%q}}}`, n.things["user"], n.things["file"]), "data.text")
		if got[0] != "content of "+n.things["tag"] {
			m.t.Errorf("CROSSING: the file of %s is now %q", n, got[0])
		}
	}
	// The tokens of two owners do not mix.
	a, b := m.all[0].things["download"], m.all[3].things["download"]
	for _, i := range []int{8, len(a) / 2, len(a) - 8} {
		mixed := a[:i] + b[min(i, len(b)):]
		if mixed == a || mixed == b {
			continue // they begin alike: of 256 pairs one does in the first that is random
		}
		m.wrong++
		if got := m.send(http.MethodGet, "/files/blob/"+url.PathEscape(mixed), "", "X-Api-Key", ""); got.status/100 != 4 {
			m.t.Errorf("CROSSING: half a token each: %v", got)
		}
	}
}

// webhookDoor: an application tells only the endpoint whose secret it has.
func (m *matrix) webhookDoor(string) {
	m.t.Helper()
	db := m.database()
	for _, n := range m.all {
		id, secret := n.things["endpoint"], n.things["endpoint_secret"]
		tries := map[[2]string]bool{{id, ""}: true, {id, n.things["key"]}: true, {n.things["hook"], secret}: true, {n.things["config"], secret}: true}
		for _, guess := range m.guesses(n, id) {
			tries[[2]string{guess, secret}] = true
		}
		for _, guess := range m.guesses(n, secret) {
			tries[[2]string{id, guess}] = true
		}
		for _, other := range m.all {
			if other != n {
				tries[[2]string{id, other.things["endpoint_secret"]}], tries[[2]string{other.things["endpoint"], secret}] = true, true
			}
		}
		for try := range tries {
			a := m.send(http.MethodPost, "/webhooks/"+try[0], `{}`, trigger.SecretHeader, try[1], "X-Api-Key", n.things["key"])
			m.wrong++
			if a.status != http.StatusUnauthorized {
				m.t.Errorf("CROSSING: a webhook to %s with %q: %v", try[0], try[1], a)
			}
			m.hidden("a webhook with a wrong secret", try[0], a, nil, m.all)
		}
		if kept, err := db.CountInbound(m.t.Context(), n.project, id); kept != 0 || err != nil {
			m.t.Errorf("CROSSING: %d webhooks of %s are kept, %v", kept, n, err)
		}
		a := m.send(http.MethodPost, "/webhooks/"+id, `{}`, trigger.SecretHeader, secret, "X-Api-Key", "")
		m.right++
		if a.status != http.StatusAccepted {
			m.t.Errorf("the webhook of %s: %v", n, a)
		}
	}
}
