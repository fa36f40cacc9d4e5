package connect_test

import (
	"testing"

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
