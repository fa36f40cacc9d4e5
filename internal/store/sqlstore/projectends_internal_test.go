package sqlstore

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A table of a project that deleting forgets would keep what is to be gone.
func TestEveryTableOfAProject(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	want, err := list(t.Context(), &db.queries, noun{name: "table"}, func(r row) (name string, err error) { return name, r.Scan(&name) },
		`SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = 'project_id' ORDER BY t.name`)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{"files"} // they expire, and the file store removes them with their contents
	for _, x := range ofProject {
		got = append(got, x.table)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables that have a project (-schema +ofProject):\n%s", diff)
	}
}
