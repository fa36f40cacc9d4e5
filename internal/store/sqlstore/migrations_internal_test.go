package sqlstore

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
)

// Each migration has the next number. Two who add one at a time take the same:
// the later one to land takes the next.
func TestMigrationsAreNumbered(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("migrations %v, %v", names, err)
	}
	for i, name := range names {
		if want := fmt.Sprintf("%05d_", i+1); !strings.HasPrefix(path.Base(name), want) {
			t.Errorf("%s is where one that begins with %s should be: give it the next free number", path.Base(name), want)
		}
	}
	last, err := lastMigration()
	if err != nil || last != int64(len(names)) {
		t.Errorf("the last is %d of %d, %v", last, len(names), err)
	}
}
