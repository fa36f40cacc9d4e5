package connect_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func initiate(t *testing.T, w *connecttest.World) *connect.Initiated {
	t.Helper()
	in, err := w.Connect.Initiate(t.Context(), connect.Start{
		ProjectID: connecttest.Project, UserID: "ann", Toolkit: "Notes", CallbackURL: "https://app.test/back?tab=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestLinkIsGoodOnce(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	in := initiate(t, w)
	if in.Account.Status != domain.AccountInitiated || !in.ExpiresAt.Equal(w.Clock.Now().Add(10*time.Minute)) {
		t.Errorf("initiated %+v", in)
	}
	form, err := w.Connect.Form(t.Context(), in.Token)
	if err != nil || form.Toolkit.Slug != "notes" || len(form.Auth.Fields) != 3 || form.Account.ID != in.Account.ID {
		t.Fatalf("form %+v, err %v", form, err)
	}
	token := w.Upstream.Grant("ann@x.test")
	a, back, err := w.Connect.Complete(t.Context(), in.Token, w.Values("ann@x.test", token))
	if err != nil {
		t.Fatal(err)
	}
	if a.Status != domain.AccountActive || a.ID != in.Account.ID || a.Identity["name"] != "ann" {
		t.Errorf("account %+v", a)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Host != "app.test" || q.Get("tab") != "1" || q.Get("status") != "success" ||
		q.Get("connectedAccountId") != a.ID || q.Get("connected_account_id") != a.ID || q.Get("appName") != "notes" {
		t.Errorf("callback %s", back)
	}
	for name, err := range map[string]error{
		"form":     func() error { _, err := w.Connect.Form(t.Context(), in.Token); return err }(),
		"complete": func() error { _, _, err := w.Connect.Complete(t.Context(), in.Token, nil); return err }(),
	} {
		if code(err) != domain.CodeNotFound || !strings.Contains(err.Error(), "already used") {
			t.Errorf("%s after use: %v", name, err)
		}
	}
}

// Of many people who send the same link at once, one connects.
func TestLinkRace(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	in := initiate(t, w)
	token := w.Upstream.Grant("ann@x.test")
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _, err := w.Connect.Complete(t.Context(), in.Token, w.Values("ann@x.test", token))
			switch {
			case err == nil:
				won.Add(1)
			case code(err) != domain.CodeNotFound:
				t.Errorf("loser got %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d completions", won.Load())
	}
}

func TestLinkExpires(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	in := initiate(t, w)
	w.Clock.Advance(10*time.Minute - time.Microsecond)
	if _, err := w.Connect.Form(t.Context(), in.Token); err != nil {
		t.Fatalf("in time: %v", err)
	}
	if a, err := w.Connect.Account(t.Context(), connecttest.Project, in.Account.ID); err != nil || a.Status != domain.AccountInitiated {
		t.Errorf("in time: %+v, %v", a, err)
	}
	w.Clock.Advance(time.Microsecond)
	if _, err := w.Connect.Form(t.Context(), in.Token); code(err) != domain.CodeNotFound || !strings.Contains(err.Error(), "10 minutes") {
		t.Errorf("too late: %v", err)
	}
	token := w.Upstream.Grant("ann@x.test")
	if _, _, err := w.Connect.Complete(t.Context(), in.Token, w.Values("ann@x.test", token)); code(err) != domain.CodeNotFound {
		t.Errorf("completed too late: %v", err)
	}
	a, err := w.Connect.Account(t.Context(), connecttest.Project, in.Account.ID)
	if err != nil || a.Status != domain.AccountExpired || a.StatusReason == "" {
		t.Errorf("too late: %+v, %v", a, err)
	}
	for status, want := range map[domain.AccountStatus]int{domain.AccountInitiated: 0, domain.AccountExpired: 1} {
		_, n, err := w.Connect.Accounts(t.Context(), connecttest.Project, store.AccountFilter{Statuses: []domain.AccountStatus{status}}, store.Page{})
		if err != nil || n != want {
			t.Errorf("%d accounts are %s, want %d (err %v)", n, status, want, err)
		}
	}
}

func TestGuessedTokens(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	in := initiate(t, w)
	for _, token := range []string{
		"", "lt_", "lt_x", domain.NewSecret(domain.PrefixLink), in.Token[:len(in.Token)-1], in.Token + "0",
		strings.ToUpper(in.Token), in.Account.ID, strings.Repeat("lt_", 1000), "lt_' OR '1'='1",
	} {
		if _, err := w.Connect.Form(t.Context(), token); code(err) != domain.CodeNotFound {
			t.Errorf("token %.20q: %v", token, err)
		}
	}
	if _, err := w.Connect.Form(t.Context(), in.Token); err != nil {
		t.Errorf("the true one: %v", err)
	}
}

func TestRefusedValuesLeaveTheLinkUsable(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	in := initiate(t, w)
	good := w.Upstream.Grant("ann@x.test")
	bad := "tok_wrongwrongwrong"
	with := func(name, value string) map[string]string {
		v := w.Values("ann@x.test", good)
		v[name] = value
		return v
	}
	tests := []struct {
		name, field string
		values      map[string]string
		says        string
	}{
		{"nothing", "site", nil, "Site (site) is required"},
		{"only spaces", "email", with("email", "  "), "E-mail (email) is required"},
		{"no token", "api_token", with("api_token", ""), "API token (api_token) is required"},
		{"bad address", "site", with("site", "acme"), "expected an address"},
		{"wrong token", "api_token", with("api_token", bad), "Notes refused the credentials: bad token [hidden]"},
		{"line break", "email", with("email", "a\nb"), "one line"},
		{"too long", "email", with("email", strings.Repeat("x", 9000)), "too long"},
		{"unknown field", "colour", with("colour", "red"), "colour is not asked for; expected: site, email, api_token"},
	}
	for _, tt := range tests {
		_, _, err := w.Connect.Complete(t.Context(), in.Token, tt.values)
		e := domain.AsError(err)
		if e == nil || e.Code != domain.CodeInvalid || e.Field != tt.field || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: %v (field %q), want %q in %q", tt.name, err, e.Field, tt.field, tt.says)
		}
		if e != nil && strings.Contains(fmt.Sprintf("%s %s %v %+v", e.Message, e.Fix, err, err), bad) {
			t.Errorf("%s: the error tells the secret: %v", tt.name, err)
		}
	}
	if _, _, err := w.Connect.Complete(t.Context(), in.Token, w.Values("ann@x.test", " "+good+"\n")); err != nil {
		t.Errorf("good values afterwards: %v", err)
	}
}

func TestUpstreamDown(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	in := initiate(t, w)
	values := w.Values("ann@x.test", "tok_1")
	values["site"] = "https://127.0.0.1:1"
	_, _, err := w.Connect.Complete(t.Context(), in.Token, values)
	if code(err) != domain.CodeUnavailable {
		t.Errorf("error %v", err)
	}
	if _, err := w.Connect.Form(t.Context(), in.Token); err != nil {
		t.Errorf("the link is gone: %v", err)
	}
}

func TestConnectKeepsNothingWhenRefused(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	start := connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}
	if _, err := w.Connect.Connect(t.Context(), start, w.Values("ann@x.test", "tok_no")); code(err) != domain.CodeInvalid {
		t.Errorf("error %v", err)
	}
	_, accounts, err := w.Connect.Accounts(t.Context(), connecttest.Project, store.AccountFilter{}, store.Page{})
	if err != nil || accounts != 0 {
		t.Errorf("%d accounts, err %v", accounts, err)
	}
}

func TestInitiateRefuses(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	foreign, err := w.Connect.CreateAuthConfig(t.Context(), connecttest.Other, connect.NewAuthConfig{Toolkit: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	base := connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}
	edit := func(f func(*connect.Start)) connect.Start { s := base; f(&s); return s }
	tests := []struct {
		name  string
		start connect.Start
		code  domain.Code
		field string
	}{
		{"no user", edit(func(s *connect.Start) { s.UserID = "" }), domain.CodeInvalid, "user_id"},
		{"long user", edit(func(s *connect.Start) { s.UserID = strings.Repeat("u", 257) }), domain.CodeInvalid, "user_id"},
		{"no toolkit", edit(func(s *connect.Start) { s.Toolkit = "" }), domain.CodeInvalid, "toolkit"},
		{"unknown toolkit", edit(func(s *connect.Start) { s.Toolkit = "notez" }), domain.CodeNotFound, ""},
		{"toolkit without auth", edit(func(s *connect.Start) { s.Toolkit = "abacus" }), domain.CodeInvalid, "toolkit"},
		{"script callback", edit(func(s *connect.Start) { s.CallbackURL = "javascript:alert(1)" }), domain.CodeInvalid, "callback_url"},
		{"relative callback", edit(func(s *connect.Start) { s.CallbackURL = "/back" }), domain.CodeInvalid, "callback_url"},
		{"alias like an id", edit(func(s *connect.Start) { s.Alias = "ca_123" }), domain.CodeInvalid, "alias"},
		{"another project's auth config", edit(func(s *connect.Start) { s.AuthConfigID = foreign.ID }), domain.CodeNotFound, ""},
	}
	for _, tt := range tests {
		_, err := w.Connect.Initiate(t.Context(), tt.start)
		if e := domain.AsError(err); e == nil || e.Code != tt.code || e.Field != tt.field {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestAuthConfigs(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	in := initiate(t, w) // makes one by itself
	auto, err := w.Connect.AuthConfig(t.Context(), connecttest.Project, in.Account.AuthConfigID)
	if err != nil || auto.Origin != domain.OriginAuto || auto.Scheme != domain.SchemeAPIKey {
		t.Fatalf("auto %+v, err %v", auto, err)
	}
	if again := initiate(t, w); again.Account.AuthConfigID != auto.ID {
		t.Error("a second one was made")
	}
	own, err := w.Connect.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{Toolkit: "NOTES", Scheme: domain.SchemeAPIKey})
	if err != nil || own.Name != "notes-2" {
		t.Fatalf("own %+v, err %v", own, err)
	}
	if again := initiate(t, w); again.Account.AuthConfigID != own.ID || again.Account.Origin != domain.OriginProject {
		t.Error("the project's own is not used")
	}
	for name, err := range map[string]error{
		"unknown scheme": func() error {
			_, err := w.Connect.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{Toolkit: "notes", Scheme: "OAUTH2"})
			return err
		}(),
		"no auth": func() error {
			_, err := w.Connect.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{Toolkit: "abacus"})
			return err
		}(),
	} {
		if code(err) != domain.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Connect.AuthConfig(t.Context(), connecttest.Other, own.ID); code(err) != domain.CodeNotFound {
		t.Errorf("another project sees it: %v", err)
	}
}

// A link that runs out keeps nobody from connecting under the same alias; a
// connection that is there, or may still be finished, does.
func TestAliasOfLapsedConnection(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	start := connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes", Alias: "work"}
	first, err := w.Connect.Initiate(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Connect.Initiate(t.Context(), start); code(err) != domain.CodeConflict {
		t.Errorf("while it waits: %v", err)
	}
	w.Clock.Advance(11 * time.Minute)
	if _, err := w.Connect.Initiate(t.Context(), start); err != nil {
		t.Errorf("after it ran out: %v", err)
	}
	if a, err := w.Connect.Account(t.Context(), connecttest.Project, first.Account.ID); err != nil || a.Status != domain.AccountExpired || a.Alias != "" {
		t.Errorf("the one that ran out: %+v, %v", a, err)
	}
	w.Account(t, connecttest.Project, "bob", "bob@x.test", "work")
	w.Clock.Advance(11 * time.Minute)
	start.UserID = "bob"
	if _, err := w.Connect.Initiate(t.Context(), start); code(err) != domain.CodeConflict {
		t.Errorf("beside a connected one: %v", err)
	}
}
