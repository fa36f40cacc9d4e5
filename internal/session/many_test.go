package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// A thousand links that ran out, which an agent can make, do not hide the
// account that works.
func TestConnectedBehindManyLinks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	err := f.DB.InTx(t.Context(), func(tx store.Tx) error {
		for i := range 1001 {
			lapsed := *a
			lapsed.ID, lapsed.WordID, lapsed.Status = fmt.Sprintf("ca_%04d", i), "", domain.AccountExpired
			lapsed.CreatedAt = a.CreatedAt.Add(time.Duration(i+1) * time.Second)
			if err := tx.CreateAccount(t.Context(), lapsed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	states, err := f.Toolkits(t.Context(), f.open(t, "ann", domain.SessionConfig{Toolkits: &domain.Selection{Enable: []string{"notes"}}}))
	if err != nil || len(states) != 1 || states[0].Account == nil || states[0].Account.ID != a.ID {
		t.Errorf("%+v, %v", states, err)
	}
}
