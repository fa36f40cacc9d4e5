package ui_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
)

// token starts a connection by the config and gives the link's token.
func (c *cloud) token() (account, token string) {
	c.t.Helper()
	account, address := c.link(c.config, "")
	return account, strings.TrimPrefix(address, c.server.URL+"/link/")
}

func (c *cloud) newCode() (account, token, code string) {
	c.t.Helper()
	account, token = c.token()
	made, err := c.connect.NewCode(c.t.Context(), c.project, token)
	must(c.t, err)
	return account, token, made.Text
}

func (c *cloud) typeCode(code string) page {
	c.t.Helper()
	return c.look(c.send(c.server.URL+"/connect", url.Values{"code": {code}}))
}

// A code typed on any device leads to the ordinary page, once, and in the link's
// place.
func TestCode(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	p := c.look(c.open(c.server.URL + "/connect"))
	if p.Status != 200 || !strings.Contains(text(p), "Type the code that your terminal shows") {
		t.Fatalf("the page: %d %s", p.Status, text(p))
	}
	id, token, code := c.newCode()
	if p := c.look(c.open(c.server.URL + "/link/" + token)); p.Status == 200 {
		t.Error("the link still opens beside its code")
	}
	if _, err := c.connect.NewCode(t.Context(), c.project, token); !errors.Is(err, connect.ErrSpent) {
		t.Errorf("a second code for a link: %v", err)
	}
	to := c.typeCode(" " + strings.ToLower(strings.ReplaceAll(code, "-", " "))).Header.Get("Location")
	if !strings.HasPrefix(to, "/link/lt_") || strings.Contains(to, token) {
		t.Fatalf("the code leads to %q", to)
	}
	if p := c.typeCode(code); p.Status != http.StatusGone || !strings.Contains(text(p), "used already") {
		t.Errorf("the code again: %d %s", p.Status, text(p))
	}
	if p := c.back(c.consent(c.leave(c.server.URL+to, "acme"), answer{})); p.Status != 200 || c.account(id).Status != domain.AccountActive {
		t.Errorf("the end: %d %s", p.Status, text(p))
	}
	if strings.Contains(c.log.String(), code) || strings.Contains(c.log.String(), token) {
		t.Error("the log holds the code or the link")
	}
}

// Wrong codes, those of another kind, and codes whose time is over.
func TestWrongCodes(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	_, token, code := c.newCode()
	for typed, want := range map[string]string{
		"":                            "has 8 letters",
		"BCDF":                        "has 8 letters",
		"ABCD-EFGH":                   "has 8 letters",
		code + "B":                    "has 8 letters",
		token:                         "has 8 letters",
		strings.Repeat("B", 4000):     "has 8 letters",
		`"><script>alert(1)</script>`: "has 8 letters",
		"BCDF-GHJK":                   "not known here",
		code[5:] + "-" + code[:4]:     "not known here",
		" ͏ " + code[:1] + "\u202e":   "has 8 letters",
	} {
		p := c.typeCode(typed)
		if p.Status != http.StatusBadRequest || !strings.Contains(text(p), want) || strings.Contains(p.Text, "<script") {
			t.Errorf("%.40q: %d %s", typed, p.Status, text(p))
		}
	}
	if p := c.send(c.server.URL+"/connect", url.Values{"code": {code}}, "Sec-Fetch-Site", "cross-site"); p.Status != http.StatusForbidden {
		t.Errorf("from another site: %d", p.Status)
	}
	c.later.Store(int64(10*time.Minute + time.Second))
	if p := c.typeCode(code); p.Status != http.StatusGone || !strings.Contains(text(p), "expired: it was good for 10 minutes") {
		t.Errorf("too late: %d %s", p.Status, text(p))
	}
}

// A code whose connection is gone leads nowhere.
func TestCodeOfWhatIsGone(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, _, code := c.newCode()
	if _, err := c.connect.Delete(t.Context(), c.project, id, false); err != nil {
		t.Fatal(err)
	}
	if p := c.typeCode(code); p.Status/100 != 4 || strings.HasPrefix(p.Header.Get("Location"), "/link/") {
		t.Errorf("the code of what was removed: %d %s", p.Status, text(p))
	}
}

// Of many who type one code at once, one gets on. Who guesses is stopped, and
// may go on when time has passed; what was right costs nothing.
func TestCodesCannotBeGuessed(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	var won atomic.Int64
	var wg sync.WaitGroup
	_, _, code := c.newCode()
	for range 10 {
		wg.Go(func() {
			if _, err := c.connect.Redeem(t.Context(), code); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d got on with one code", won.Load())
	}
	for range 40 { // more than may be wrong
		c.later.Add(int64(time.Minute))
		_, _, code := c.newCode()
		if _, err := c.connect.Redeem(t.Context(), code); err != nil {
			t.Fatalf("a right code: %v", err)
		}
	}
	looked := 0
	var last page
	for range 60 {
		if last = c.typeCode("BCDF-GHJK"); last.Status == http.StatusTooManyRequests {
			break
		}
		looked++
	}
	if looked < 15 || looked > 21 {
		t.Errorf("%d guesses were looked at", looked)
	}
	_, _, good := c.newCode()
	if p := c.typeCode(good); p.Status != http.StatusTooManyRequests {
		t.Errorf("a right code among guesses: %d", p.Status)
	}
	if after, err := strconv.Atoi(last.Header.Get("Retry-After")); err != nil || after < 1 || after > 6 {
		t.Errorf("Retry-After %q", last.Header.Get("Retry-After"))
	}
	c.later.Add(int64(time.Minute))
	if p := c.typeCode(good); p.Status != http.StatusSeeOther {
		t.Errorf("after a minute: %d %s", p.Status, text(p))
	}
}

// By hand a program holds the secret in the browser's place: the same walk, bound
// to it, once.
func TestConsentByHand(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, token := c.token()
	d, err := c.connect.DepartByHand(t.Context(), c.project, token, c.server.URL, map[string]string{"subdomain": "acme"})
	must(t, err)
	if _, err := c.connect.DepartByHand(t.Context(), c.project, token, c.server.URL, nil); !errors.Is(err, connect.ErrSpent) {
		t.Errorf("the link begun with twice: %v", err)
	}
	if p := c.look(c.open(c.server.URL + "/link/" + token)); p.Status == 200 {
		t.Error("the link still opens in a browser")
	}
	_, other := c.token()
	d2, err := c.connect.DepartByHand(t.Context(), c.project, other, c.server.URL, nil)
	must(t, err)
	back := c.consent(d.URL, answer{})

	// Where the router is reached, the page says what to do, and takes nothing.
	if p := c.look(c.open(back)); p.Status != http.StatusForbidden || !strings.Contains(text(p), "paste the address of this page there; never give it to anybody") {
		t.Errorf("the way back in a browser: %d %s", p.Status, text(p))
	}
	u, err := url.Parse(back)
	must(t, err)
	elsewhere, plain, stateless := *u, *u, *u
	elsewhere.Host, elsewhere.Path = "evil.example", "/cb"
	plain.RawQuery = ""
	stateless.RawQuery = "code=" + u.Query().Get("code")
	for what, try := range map[string]struct{ flow, secret, address, want string }{
		"another walk's answer": {d2.Flow, d2.Browser, back, "another sign-in"},
		"another walk's secret": {d.Flow, d2.Browser, back, "another secret"},
		"no secret":             {d.Flow, "", back, "another secret"},
		"an unknown walk":       {strings.Repeat("0", 64), d.Browser, back, "not known"},
		"no walk":               {"x", d.Browser, back, "not known"},
		"another page":          {d.Flow, d.Browser, elsewhere.String(), "not where you are sent back to"},
		"no end":                {d.Flow, d.Browser, plain.String(), "end is missing"},
		"no state":              {d.Flow, d.Browser, stateless.String(), "end is missing"},
		"the way out":           {d.Flow, d.Browser, d.URL, "address to open"},
		"no address":            {d.Flow, d.Browser, "code", "no address of a page"},
		"far too much":          {d.Flow, d.Browser, back + strings.Repeat("x", 9000), "longer than any"},
	} {
		_, _, err := c.connect.ArriveByHand(t.Context(), c.project, try.flow, try.secret, try.address)
		if err == nil || !strings.Contains(err.Error(), try.want) || strings.Contains(err.Error(), u.Query().Get("code")) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := c.connect.ArriveByHand(t.Context(), "pr_other", d.Flow, d.Browser, back); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("another project: %v", err)
	}
	c.wantCounts(0, "wrong answers")
	done, pending, err := c.connect.ArriveByHand(t.Context(), c.project, d.Flow, d.Browser, " "+back+"\n")
	if err != nil || pending != nil || done.Account.ID != id || c.account(id).Status != domain.AccountActive {
		t.Fatalf("the answer: %+v %+v %v", done, pending, err)
	}
	if _, _, err := c.connect.ArriveByHand(t.Context(), c.project, d.Flow, d.Browser, back); err == nil || !strings.Contains(err.Error(), "answered already") {
		t.Errorf("the answer again: %v", err)
	}
	c.wantCounts(1, "one answer")
	// A walk that takes too long is over.
	late := c.consent(d2.URL, answer{})
	c.later.Store(int64(10*time.Minute + time.Second))
	if _, _, err := c.connect.ArriveByHand(t.Context(), c.project, d2.Flow, d2.Browser, late); err == nil || !strings.Contains(err.Error(), "took too long") {
		t.Errorf("too late: %v", err)
	}
	c.nothingLeaks()
}

// What the person declined, and the answer that names another provider, are
// outcomes; then the sign-in is over.
func TestConsentByHandFails(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	for what, try := range map[string]struct {
		deny bool
		add  string
		want string
	}{
		"declined":         {deny: true, want: "did not allow"},
		"another provider": {add: "&iss=https%3A%2F%2Fevil.example", want: "another provider"},
	} {
		id, token := c.token()
		d, err := c.connect.DepartByHand(t.Context(), c.project, token, c.server.URL, nil)
		must(t, err)
		back := c.consent(d.URL, answer{deny: try.deny}) + try.add
		_, _, err = c.connect.ArriveByHand(t.Context(), c.project, d.Flow, d.Browser, back)
		var failed *connect.FlowError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), try.want) || c.account(id).Status != domain.AccountFailed {
			t.Errorf("%s: %v, the account is %s", what, err, c.account(id).Status)
		}
	}
	if n := c.srv.OAuthCounts(c.app.ClientID); n != (sandbox.OAuthCounts{Consents: 1, Denials: 1}) {
		t.Errorf("counts: %+v", n)
	}
}

// What is typed on the page cannot be connected by hand.
func TestByHandIsForConsent(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	cfg, err := c.connect.CreateAuthConfig(t.Context(), c.project, connect.NewAuthConfig{Toolkit: "confluence", Scheme: domain.SchemeAPIKey})
	must(t, err)
	_, address := c.link(cfg, "")
	token := strings.TrimPrefix(address, c.server.URL+"/link/")
	if _, err := c.connect.DepartByHand(t.Context(), c.project, token, c.server.URL, nil); domain.CodeOf(err) != domain.CodeInvalid {
		t.Errorf("by hand: %v", err)
	}
	if _, err := c.connect.DepartByHand(t.Context(), "pr_other", token, c.server.URL, nil); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("by hand for another project: %v", err)
	}
	if _, err := c.connect.NewCode(t.Context(), "pr_other", token); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("a code for another project: %v", err)
	}
	if p := c.look(c.open(address)); p.Status != 200 {
		t.Errorf("the link does not open any more: %d", p.Status)
	}
}
