package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What was acknowledged is there after the server crashed, and its clients are not.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := Own(t)
	connect := func() *pgx.Conn {
		c, err := pgx.Connect(t.Context(), s.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
		return c
	}
	before := connect()
	if _, err := before.Exec(t.Context(), "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if _, err := connect().Exec(t.Context(), "INSERT INTO kept VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		var kept int
		if err := connect().QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&kept); err != nil || kept != n+1 {
			t.Errorf("after restart %d: %d rows, %v", n+1, kept, err)
		}
	}
	if _, err := before.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a connection survived the crash")
	}
}
