package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// rawPostgres connects to the database beside the store.
func rawPostgres(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// with adds settings to a database's address.
func with(t *testing.T, address string, pairs ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestNewerPostgresIsRefused(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	openAt(t, address)
	foreign := rawPostgres(t, address)
	if _, err := foreign.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`); err != nil {
		t.Fatal(err)
	}
	_, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: address})
	wantError(t, err, domain.CodeUnsupported, "made by a newer Sluice", "99999", "Run the newer program")
	if _, err := foreign.Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id = 99999`); err != nil {
		t.Fatal(err)
	}
	openAt(t, address)
}

// No error tells the password, the user or what the driver said, in its message
// or behind it.
func TestUnusableAddresses(t *testing.T) {
	t.Parallel()
	const password = "s3cret-passw0rd"
	ln, err := net.Listen("tcp", "127.0.0.1:0") // answers nothing that PostgreSQL would
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	missing, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	missing.Path, missing.User = "/no_such", url.UserPassword("postgres", password)
	wrongUser := *missing
	wrongUser.User = url.UserPassword("nobody_here", password)
	for name, tc := range map[string]struct {
		address string
		code    domain.Code
		says    string
	}{
		"not a URL":            {"postgres://u:" + password + "@h:port/x", domain.CodeInvalid, "not understood"},
		"another scheme":       {"mysql://u:" + password + "@h/x", domain.CodeInvalid, "postgres://"},
		"a setting of nobody":  {"postgres://u:" + password + "@h/x?pool_max_conns=many", domain.CodeInvalid, "not understood"},
		"a broken escape":      {"postgres://u:" + password + "%zz@h/x", domain.CodeInvalid, "not understood"},
		"nobody listens there": {"postgres://u:" + password + "@" + closed + "/x", domain.CodeUnavailable, closed},
		"no such database":     {missing.String(), domain.CodeUnavailable, "no such database"},
		"no such user":         {wrongUser.String(), domain.CodeUnavailable, "refuses the user"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: tc.address})
			wantError(t, err, tc.code, tc.says)
			for e := err; e != nil; e = errors.Unwrap(e) {
				if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, password) {
					t.Errorf("%T tells the password: %s", e, text)
				}
			}
			if strings.Contains(err.Error(), "nobody_here") || strings.Contains(err.Error(), "SASL") {
				t.Errorf("it tells too much: %v", err)
			}
		})
	}
}

// Statements that wait for a lock end, and say what to do.
func TestStatementsAreBounded(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := openAt(t, with(t, address, "statement_timeout", "50"))
	project := domain.Project{ID: "pr_1", Name: "x"}
	if err := db.CreateProject(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	other := rawPostgres(t, address)
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE projects IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	_, err = db.Project(t.Context(), project.ID)
	wantError(t, err, domain.CodeUnavailable, "in time")
	wantError(t, db.CreateProject(t.Context(), domain.Project{ID: "pr_2", Name: "y"}), domain.CodeUnavailable, "in time")
	err = db.InTx(t.Context(), func(tx store.Tx) error {
		_, err := tx.Project(t.Context(), project.ID)
		return err
	})
	wantError(t, err, domain.CodeUnavailable, "in time")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Project(t.Context(), project.ID); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A pool that is used up makes others wait, for a bounded time; then it works on.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	db := openAt(t, with(t, pgtest.URL(t), "pool_max_conns", "2"))
	project := domain.Project{ID: "pr_1", Name: "x"}
	if err := db.CreateProject(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := db.Project(t.Context(), project.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := db.Postgres().Stat().MaxConns(); n != 2 {
		t.Errorf("the pool takes %d connections", n)
	}
	err := db.InTx(t.Context(), func(store.Tx) error {
		return db.InTx(t.Context(), func(store.Tx) error {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			_, err := db.Project(ctx, project.ID)
			wantError(t, err, domain.CodeUnavailable, "in time")
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Connections that the server ends are replaced.
func TestServerEndsConnections(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := openAt(t, address)
	project := domain.Project{ID: "pr_1", Name: "x"}
	if err := db.CreateProject(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	other := rawPostgres(t, address)
	end := func() {
		t.Helper()
		_, err := other.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err != nil {
			t.Fatal(err)
		}
	}
	err := db.InTx(t.Context(), func(tx store.Tx) error {
		end()
		_, err := tx.Project(t.Context(), project.ID)
		return err
	})
	wantError(t, err, domain.CodeUnavailable, "cannot be reached")
	if err := db.InTx(t.Context(), func(tx store.Tx) error {
		_, err := tx.Project(t.Context(), project.ID)
		return err
	}); err != nil {
		t.Errorf("the next transaction: %v", err)
	}
}

// Ids sort by their bytes, whatever the order of the database's language.
func TestOrderIsOfBytes(t *testing.T) {
	t.Parallel()
	db := openAt(t, pgtest.URL(t))
	for _, id := range []string{"pr_b", "pr_A", "pr_a", "pr_B", "pr__"} {
		if err := db.CreateProject(t.Context(), domain.Project{ID: id, Name: id}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.ListProjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	if got := strings.Join(ids, " "); got != "pr_A pr_B pr__ pr_a pr_b" {
		t.Errorf("order %s", got)
	}
	var plain int
	err = rawPostgres(t, db.Postgres().Config().ConnString()).QueryRow(t.Context(), `SELECT count(*) FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' AND table_name NOT LIKE 'river%'`).Scan(&plain)
	if err != nil || plain != 0 {
		t.Errorf("%d text columns have another order, %v", plain, err)
	}
}
