package vault_test

import (
	"context"
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/vault"
)

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Many uses are one write a minute, and a stop loses none.
func TestUses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var saved []map[vault.Ref]time.Time
		u := vault.NewUses(vault.UsesOptions{Save: func(_ context.Context, uses map[vault.Ref]time.Time) error {
			saved = append(saved, uses)
			return nil
		}})
		u.Start(t.Context())
		a, b := vault.Ref{ProjectID: "p", AccountID: "a"}, vault.Ref{ProjectID: "p", AccountID: "b"}
		for range 100 {
			u.Note(vault.Ref{ProjectID: "p", AccountID: "a", Field: "access_token"})
			u.Note(vault.Ref{ProjectID: "p", AccountID: "a", Field: "refresh_token"})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(3 * time.Minute) // nothing happens, nothing is written
		u.Note(b)
		u.Stop()
		want := []map[vault.Ref]time.Time{
			{a: began.Add(9900 * time.Millisecond)},
			{b: began.Add(3*time.Minute + 10*time.Second)},
		}
		if diff := cmp.Diff(want, saved); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func BenchmarkNote(b *testing.B) {
	u := vault.NewUses(vault.UsesOptions{})
	b.ReportAllocs()
	for b.Loop() {
		u.Note(ref)
	}
}
