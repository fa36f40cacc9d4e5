package sqlstore

import (
	"bytes"
	"embed"
	"io/fs"
	"regexp"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationsFor gives the migrations in the words of one database.
func migrationsFor(postgres bool) (fs.FS, error) {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, domain.Internal("reading the migrations", err)
	}
	if postgres {
		return reworded{steps}, nil
	}
	return steps, nil
}

// newerDatabase refuses tables that this program does not know.
func newerDatabase(name string, version, known int64) *domain.Error {
	return domain.Errorf(domain.CodeUnsupported,
		"the database %s was made by a newer Sluice (its version is %d, this program knows %d)", name, version, known)
}

// inPostgresWords replaces the type names that differ. Text sorts by its bytes,
// as on SQLite and whatever the database's own order is: ids are sorted by it.
func inPostgresWords(text []byte) []byte {
	text = regexp.MustCompile(`\bBLOB\b`).ReplaceAll(text, []byte("BYTEA"))
	return regexp.MustCompile(`\bTEXT\b`).ReplaceAll(text, []byte(`TEXT COLLATE "C"`))
}

// reworded is a folder of migrations in PostgreSQL's words.
type reworded struct{ fs.FS }

// Open implements fs.FS.
func (r reworded) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	defer func() { _ = f.Close() }()
	text, err := fs.ReadFile(r.FS, name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &rewordedFile{Reader: bytes.NewReader(inPostgresWords(text)), info: info}, nil
}

type rewordedFile struct {
	*bytes.Reader
	info fs.FileInfo
}

// Stat implements fs.File.
func (f *rewordedFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close implements fs.File.
func (f *rewordedFile) Close() error { return nil }
