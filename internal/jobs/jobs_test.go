package jobs_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/jobs/jobstest"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(jobstest.Main(m)) }

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	jobstest.Run(t, func(t *testing.T) sqlstore.Options {
		return sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")}
	})
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	jobstest.Run(t, func(t *testing.T) sqlstore.Options { return sqlstore.Options{URL: pgtest.URL(t)} })
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for tries, want := range map[int]time.Duration{-1: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 13: time.Hour, 1000: time.Hour} {
		for range 50 {
			if got := jobs.Backoff(tries); got < want-want/10 || got > want+want/10 {
				t.Errorf("after %d tries %v, want about %v", tries, got, want)
			}
		}
	}
}
