package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"
)

// The statements of every tool call must reach their rows by an index, and in
// order: a plan that scans or sorts would grow with the installation.
func TestHotReadsUseIndexes(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for text, index := range map[string]string{
		sqlAPIKeyByHash:   "sqlite_autoindex_api_keys_2",
		sqlSession:        "sqlite_autoindex_sessions_1",
		sqlActiveAccounts: "accounts_by_user",
		sqlSecrets:        "sqlite_autoindex_secrets_1",
		`SELECT id FROM executions WHERE project_id = ? AND session_id = ? AND session_id <> ''
			ORDER BY started_at DESC, id DESC LIMIT 20`: "executions_by_session",
		`SELECT id FROM executions WHERE project_id = ? ORDER BY started_at DESC, id DESC LIMIT 20`: "executions_by_age",
		`SELECT id FROM accounts WHERE project_id = ? ORDER BY created_at DESC, id DESC LIMIT 20`:   "accounts_by_age",
	} {
		plan := planOf(t, db, text)
		if len(plan) != 1 || !strings.HasPrefix(plan[0], "SEARCH") || !strings.Contains(plan[0], index) {
			t.Errorf("%s\nis planned as %q, not by %s", text, plan, index)
		}
	}
}

// A poll reads its instances by their poll: of a project's thousands it serves few.
func TestInstancesOfAPollUseTheirIndex(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if plan := planOf(t, db, sqlTriggersOfPoll); len(plan) == 0 || !strings.Contains(plan[0], "trigger_instances_by_poll (project_id=? AND poll_id=?)") {
		t.Errorf("they are found by %q", plan)
	}
}

// planOf gives the steps of a statement's plan.
func planOf(t *testing.T, db *DB, text string) []string {
	t.Helper()
	args := make([]any, strings.Count(text, "?"))
	for i := range args {
		args[i] = "x"
	}
	plan, err := list(t.Context(), &db.queries, noun{name: "plan"}, func(r row) (string, error) {
		var id, parent, unused int
		var step string
		return step, r.Scan(&id, &parent, &unused, &step)
	}, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
