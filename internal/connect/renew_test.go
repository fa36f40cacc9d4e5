package connect_test

import (
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
)

// Renewing by hand gives new tokens; of a grant that is gone it gives the account
// as it is then, for its user to mend.
func TestRenew(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	before := d.now()
	after, err := d.services[0].Renew(t.Context(), before.ProjectID, before.ID, true)
	if err != nil || after.Status != domain.AccountActive || after.Generation != before.Generation+1 {
		t.Fatalf("renewed: %+v, %v", after, err)
	}
	if err := d.call(0); err != nil {
		t.Errorf("a call with the new token: %v", err)
	}
	d.p.Revoke("ada@example.com")
	gone, err := d.services[0].Renew(t.Context(), before.ProjectID, before.ID, true)
	if err != nil || gone.Status != domain.AccountExpired || gone.StatusReason == "" {
		t.Errorf("its grant is gone: %+v, %v", gone, err)
	}
	again, err := d.services[0].Renew(t.Context(), before.ProjectID, before.ID, false)
	if err != nil || again.Status != domain.AccountExpired {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if in, err := d.services[0].Reconnect(t.Context(), before.ProjectID, before.ID, ""); err != nil || in.Account.ID != before.ID {
		t.Errorf("a link to the same account: %+v, %v", in, err)
	}
}

// Renewing, naming and pausing an account leave a link to connect it again as it
// is; connecting or ending the account does not.
func TestLinksWhileRenewed(t *testing.T) {
	t.Parallel()
	d := newDiary(t, domain.SchemeOAuth2, 1)
	s, ctx, project, id := d.services[0], t.Context(), d.account.ProjectID, d.account.ID
	in, err := s.Reconnect(ctx, project, id, "")
	if err != nil {
		t.Fatal(err)
	}
	alias := "work"
	for name, change := range map[string]func() error{
		"renewed": func() error { _, err := s.Refresh(ctx, project, id); return err },
		"named":   func() error { _, err := s.Update(ctx, project, id, connect.AccountChange{Alias: &alias}); return err },
		"paused":  func() error { return s.Enable(ctx, project, id, false) },
		"resumed": func() error { return s.Enable(ctx, project, id, true) },
	} {
		d.Clock.Advance(time.Second)
		if err := change(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := s.Form(ctx, in.Token); err != nil {
			t.Errorf("%s, and the link is gone: %v", name, err)
		}
	}
	if _, err := s.Revoke(ctx, project, id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Form(ctx, in.Token); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("revoked, and an old link is good: %v", err)
	}
	if in, err = s.Reconnect(ctx, project, id, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Form(ctx, in.Token); err != nil {
		t.Errorf("a link made after the end: %v", err)
	}
}
