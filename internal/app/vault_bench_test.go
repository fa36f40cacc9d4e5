package app_test

import (
	"testing"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/vault"
)

// BenchmarkToken is what a live token costs a call: reading the sealed secret,
// opening it, noting the use, and all that connect does with it.
func BenchmarkToken(b *testing.B) {
	w := connecttest.New(b)
	a := w.Account(b, connecttest.Project, "ann", "ann@x.test", "")
	tk, err := w.Catalog.Toolkit(b.Context(), connecttest.Project, "notes")
	must(b, err)
	uses := vault.NewUses(vault.UsesOptions{})
	ref := vault.Ref{ProjectID: a.ProjectID, AccountID: a.ID, Field: "api_token"}
	sealed, err := w.Vault.Seal(b.Context(), ref, make([]byte, 1500)) // as long as a JWT
	must(b, err)
	for name, f := range map[string]func() error{
		"open 1.5 kB": func() error { _, err := w.Vault.Open(b.Context(), ref, sealed); return err },
		"note use":    func() error { uses.Note(ref); return nil },
		"read sealed": func() error { _, err := w.DB.Secrets(b.Context(), a.ProjectID, a.ID); return err },
		"prepare":     func() error { _, err := w.Connect.Prepare(b.Context(), tk, a, nil); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, f())
			}
		})
	}
}
