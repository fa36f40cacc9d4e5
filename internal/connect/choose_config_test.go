package connect_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
)

// configured makes an auth config and an account of ann's by it.
func configured(t *testing.T, w *connecttest.World, in connect.NewAuthConfig, email string) (*domain.AuthConfig, *domain.ConnectedAccount) {
	t.Helper()
	in.Toolkit, in.Scheme = "notes", domain.SchemeAPIKey
	cfg, err := w.Connect.CreateAuthConfig(t.Context(), connecttest.Project, in)
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.Connect.Connect(t.Context(), connect.Start{ProjectID: connecttest.Project, UserID: "ann", AuthConfigID: cfg.ID},
		w.Values(email, w.Upstream.Grant(email)))
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Second)
	return cfg, a
}

// What an auth config says of its accounts holds however one is chosen.
func TestChooseByAuthConfig(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	plain, first := configured(t, w, connect.NewAuthConfig{Name: "plain"}, "ann@plain.test")
	hidden, second := configured(t, w, connect.NewAuthConfig{Name: "hidden", RouterOff: true}, "ann@hidden.test")
	off, third := configured(t, w, connect.NewAuthConfig{Name: "off"}, "ann@off.test")
	if err := w.Connect.EnableAuthConfig(t.Context(), connecttest.Project, off.ID, false); err != nil {
		t.Fatal(err)
	}
	type choice = connect.Choice
	for name, tc := range map[string]struct {
		choice choice
		want   string
		code   domain.Code
		says   string
	}{
		"outside a session, the newest of an enabled config": {choice: choice{}, want: second.ID},
		"in a session, not what is not for sessions":         {choice: choice{InSession: true}, want: first.ID},
		"named by the agent, not for sessions":               {choice: choice{InSession: true, Account: second.ID}, code: domain.CodeForbidden, says: hidden.ID},
		"named outside a session":                            {choice: choice{Account: second.ID}, want: second.ID},
		"the session names the config":                       {choice: choice{InSession: true, AuthConfig: hidden.ID}, want: second.ID},
		"the session pins the account":                       {choice: choice{InSession: true, Pinned: []string{second.ID}}, want: second.ID},
		"the session names another config":                   {choice: choice{InSession: true, AuthConfig: plain.ID, Account: second.ID}, code: domain.CodeForbidden, says: plain.ID},
		"of a disabled config, named":                        {choice: choice{Account: third.ID}, code: domain.CodeNoConnection, says: "auth config " + off.ID + " is disabled"},
		"of a disabled config, pinned":                       {choice: choice{InSession: true, Pinned: []string{third.ID}}, code: domain.CodeNoConnection, says: "pinned"},
		"of a disabled config, which the session names":      {choice: choice{InSession: true, AuthConfig: off.ID}, code: domain.CodeNoConnection, says: "is disabled"},
		"explicit among those that count":                    {choice: choice{InSession: true, Explicit: true}, want: first.ID},
		"explicit among several":                             {choice: choice{Explicit: true}, code: domain.CodeInvalid, says: second.ID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := tc.choice
			c.ProjectID, c.UserID, c.Toolkit = connecttest.Project, "ann", "notes"
			got, err := w.Connect.Select(t.Context(), c)
			if code(err) != tc.code {
				t.Fatalf("got %v, error %v, want code %q", got, err, tc.code)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), third.ID) && tc.code == domain.CodeInvalid {
					t.Errorf("error %q does not say %q", err, tc.says)
				}
				return
			}
			if got.ID != tc.want || got.Config.ID != got.AuthConfigID {
				t.Errorf("chose %s by %s, want %s", got.ID, got.Config.ID, tc.want)
			}
		})
	}
}

// Who has nothing usable is told why, and what a person can do about it.
func TestWhyNothingIsUsable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(t *testing.T, w *connecttest.World, a *domain.ConnectedAccount)
		says   string
		again  bool // the same account is to be connected again
		link   bool
	}{
		"expired": {func(_ *testing.T, _ *connecttest.World, a *domain.ConnectedAccount) {
			a.Status, a.StatusReason = domain.AccountExpired, "the provider revoked the grant"
		}, "is EXPIRED (the provider revoked the grant)", true, true},
		"revoked":  {func(_ *testing.T, _ *connecttest.World, a *domain.ConnectedAccount) { a.Status = domain.AccountRevoked }, "is REVOKED", true, true},
		"disabled": {func(_ *testing.T, _ *connecttest.World, a *domain.ConnectedAccount) { a.Disabled = true }, "is disabled", false, false},
		"config disabled": {func(t *testing.T, w *connecttest.World, a *domain.ConnectedAccount) {
			if err := w.Connect.EnableAuthConfig(t.Context(), a.ProjectID, a.AuthConfigID, false); err != nil {
				t.Fatal(err)
			}
		}, "is disabled, and so are all accounts", false, true},
		"deleted": {func(t *testing.T, w *connecttest.World, a *domain.ConnectedAccount) {
			if _, err := w.Connect.Delete(t.Context(), a.ProjectID, a.ID, false); err != nil {
				t.Fatal(err)
			}
			a.ID = ""
		}, "No active connected account found for toolkit: notes", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := connecttest.New(t)
			_, a := configured(t, w, connect.NewAuthConfig{}, "ann@x.test")
			id := a.ID
			tc.change(t, w, a)
			if a.ID != "" {
				if err := w.DB.UpdateAccount(t.Context(), a.ProjectID, *a); err != nil {
					t.Fatal(err)
				}
			}
			_, err := w.Connect.Choose(t.Context(), connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"})
			if code(err) != domain.CodeNoConnection || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error %v, want %q", err, tc.says)
			}
			var missing *connect.Missing
			want := connect.Missing{Toolkit: "notes"}
			if tc.again {
				want.AccountID = id
			}
			if found := errors.As(err, &missing); found != tc.link || (found && *missing != want) {
				t.Errorf("missing %+v, want %+v", missing, want)
			}
		})
	}
}

// A link to an account that is there gives it new credentials and keeps its id.
func TestReconnect(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	a := w.Account(t, connecttest.Project, "ann", "ann@x.test", "work")
	a.Status, a.StatusReason = domain.AccountExpired, "the token ended"
	if err := w.DB.UpdateAccount(t.Context(), a.ProjectID, *a); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Hour)
	in, err := w.Connect.Reconnect(t.Context(), connecttest.Project, a.ID, "https://app.test/back")
	if err != nil || in.Account.ID != a.ID || in.Account.Status != domain.AccountExpired {
		t.Fatalf("begun %+v, %v", in, err)
	}
	_, _, err = w.Connect.Complete(t.Context(), in.Token, w.Values("ann@x.test", "wrong"))
	if still, _ := w.Connect.Account(t.Context(), a.ProjectID, a.ID); code(err) != domain.CodeInvalid || still.Status != domain.AccountExpired {
		t.Fatalf("refused credentials: %v, account %+v", err, still)
	}
	done, back, err := w.Connect.Complete(t.Context(), in.Token, w.Values("ann@new.test", w.Upstream.Grant("ann@new.test")))
	if err != nil || done.ID != a.ID || done.Alias != "work" || done.Status != domain.AccountActive || done.StatusReason != "" || done.Identity["email"] != "ann@new.test" || back == "" {
		t.Fatalf("connected again: %+v, %q, %v", done, back, err)
	}
	if _, err := w.Connect.Form(t.Context(), in.Token); code(err) != domain.CodeNotFound {
		t.Errorf("the link is good twice: %v", err)
	}
	// A link that was given before the account was connected is of no use after.
	late, err := w.Connect.Reconnect(t.Context(), connecttest.Project, a.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Second)
	token := w.Upstream.Grant("ann@x.test")
	if _, err := w.Connect.Update(t.Context(), a.ProjectID, a.ID, connect.AccountChange{Values: w.Values("ann@x.test", token)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Connect.Form(t.Context(), late.Token); code(err) != domain.CodeNotFound {
		t.Errorf("it was connected meanwhile, and the link is good: %v", err)
	}
	for id, project := range map[string]string{a.ID: connecttest.Other, "ca_nope": connecttest.Project} {
		if _, err := w.Connect.Reconnect(t.Context(), project, id, ""); code(err) != domain.CodeNotFound {
			t.Errorf("%s in %s: %v", id, project, err)
		}
	}
}
