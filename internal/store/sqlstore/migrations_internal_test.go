package sqlstore

import (
	"fmt"
	"io/fs"
	"path"
	"testing"
)

// Each migration has a number of its own. Work that goes on side by side is given
// its numbers beforehand, so there may be gaps.
func TestMigrationsAreNumbered(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("migrations %v, %v", names, err)
	}
	highest := int64(0)
	for _, name := range names {
		var number int64
		if _, err := fmt.Sscanf(path.Base(name), "%05d_", &number); err != nil || number <= highest {
			t.Errorf("%s: a migration begins with five digits that no other has", path.Base(name))
		}
		highest = number
	}
	last, err := lastMigration()
	if err != nil || last != highest {
		t.Errorf("the last is %d of %d, %v", last, highest, err)
	}
}
