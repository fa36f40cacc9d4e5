package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// filled gives a database with 1,000 users, each with a key, a session and an
// account with two secrets.
func filled(b *testing.B) *sqlstore.DB {
	b.Helper()
	db := open(b)
	now := time.Now()
	err := db.InTx(b.Context(), func(tx store.Tx) error {
		ctx := b.Context()
		if err := tx.CreateProject(ctx, domain.Project{ID: "pr_1", Name: "x"}); err != nil {
			return err
		}
		c := domain.AuthConfig{ID: "ac_1", ProjectID: "pr_1", Toolkit: "confluence", CreatedAt: now, UpdatedAt: now}
		if err := tx.CreateAuthConfig(ctx, c); err != nil {
			return err
		}
		for i := range 1000 {
			if err := fill(ctx, tx, i, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

func fill(ctx context.Context, tx store.Tx, i int, now time.Time) error {
	user, account := fmt.Sprintf("user-%04d", i), fmt.Sprintf("ca_%04d", i)
	if err := tx.CreateAPIKey(ctx, domain.APIKey{
		ID: fmt.Sprintf("key_%04d", i), ProjectID: "pr_1", Hash: keyHash(i), CreatedAt: now,
	}); err != nil {
		return err
	}
	if err := tx.CreateSession(ctx, domain.Session{
		ID: fmt.Sprintf("trs_%04d", i), ProjectID: "pr_1", UserID: user, Version: 1, CreatedAt: now, UpdatedAt: now,
		Config: domain.SessionConfig{Toolkits: &domain.Selection{Enable: []string{"confluence"}}},
	}); err != nil {
		return err
	}
	if err := tx.CreateAccount(ctx, domain.ConnectedAccount{
		ID: account, ProjectID: "pr_1", UserID: user, Toolkit: "confluence", AuthConfigID: "ac_1", Scheme: domain.SchemeOAuth2,
		WordID: "w" + account, Status: domain.AccountActive, Fields: map[string]string{"subdomain": "acme"},
		Identity: map[string]string{"name": user, "email": user + "@acme.example"}, CreatedAt: now, UpdatedAt: now,
	}); err != nil {
		return err
	}
	for _, field := range []string{"access_token", "refresh_token"} {
		if err := tx.PutSecret(ctx, "pr_1", account, field, make([]byte, 1200)); err != nil {
			return err
		}
	}
	return nil
}

func keyHash(i int) [32]byte { return sha256.Sum256(fmt.Append(nil, i)) }

func BenchmarkHotReads(b *testing.B) {
	db := filled(b)
	for _, read := range []struct {
		name string
		do   func(ctx context.Context, i int) error
	}{
		{"APIKeyByHash", func(ctx context.Context, i int) error { _, err := db.APIKeyByHash(ctx, keyHash(i)); return err }},
		{"Session", func(ctx context.Context, i int) error {
			_, err := db.Session(ctx, "pr_1", fmt.Sprintf("trs_%04d", i))
			return err
		}},
		{"ActiveAccounts", func(ctx context.Context, i int) error {
			got, err := db.ActiveAccounts(ctx, "pr_1", fmt.Sprintf("user-%04d", i), "confluence")
			if err == nil && len(got) != 1 {
				err = fmt.Errorf("%d accounts", len(got))
			}
			return err
		}},
		{"Secrets", func(ctx context.Context, i int) error {
			got, err := db.Secrets(ctx, "pr_1", fmt.Sprintf("ca_%04d", i))
			if err == nil && len(got) != 2 {
				err = fmt.Errorf("%d secrets", len(got))
			}
			return err
		}},
	} {
		b.Run(read.name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context()) // as requests have
			defer cancel()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := read.do(ctx, i%1000); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(read.name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				for i := 0; pb.Next(); i++ {
					if err := read.do(ctx, i%1000); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func benchExecution() domain.Execution {
	return domain.Execution{
		ID: domain.NewID(domain.PrefixExecution), ProjectID: "pr_1", KeyID: "key_0001", UserID: "user-0001", SessionID: "trs_0001",
		Toolkit: "confluence", Tool: "CONFLUENCE_GET_PAGE_BY_ID", Version: "20260101_00", AccountID: "ca_0001", Door: "mcp",
		RequestID: "req_0123456789", Outcome: domain.OutcomeOK, ArgsSize: 40, ResultSize: 2000, UpstreamCalls: 1,
		StartedAt: time.Now(), Duration: 20 * time.Millisecond,
	}
}

func BenchmarkRecordExecution(b *testing.B) {
	db := filled(b)
	b.Run("one", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		b.ReportAllocs()
		for b.Loop() {
			if err := db.RecordExecution(ctx, benchExecution()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := db.RecordExecution(b.Context(), benchExecution()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// The reads and the write of one tool call, in their order.
func BenchmarkToolCall(b *testing.B) {
	db := filled(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		_, err1 := db.APIKeyByHash(ctx, keyHash(1))
		_, err2 := db.Session(ctx, "pr_1", "trs_0001")
		_, err3 := db.ActiveAccounts(ctx, "pr_1", "user-0001", "confluence")
		_, err4 := db.Secrets(ctx, "pr_1", "ca_0001")
		err5 := db.RecordExecution(ctx, benchExecution())
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			reopen(b, filepath.Join(b.TempDir(), fmt.Sprint(i), "sluice.db"))
		}
	})
	b.Run("existing", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "sluice.db")
		reopen(b, path)
		for b.Loop() {
			reopen(b, path)
		}
	})
}

func reopen(b *testing.B, path string) {
	b.Helper()
	db, err := sqlstore.Open(b.Context(), sqlstore.Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
