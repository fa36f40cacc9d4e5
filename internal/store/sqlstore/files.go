package sqlstore

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const fileColumns = `project_id, file_key, name, mime, toolkit, tool, size, sha256, md5, created_at, expires_at,
	session_id, mount, path`

func fileNoun(key string) noun { return noun{name: "file", id: key, owner: "project"} }

// AddFile implements store.Tx: it weighs and adds.
func (s *queries) AddFile(ctx context.Context, f domain.File, quota int64) (bool, error) {
	touched, err := s.exec(ctx, fileNoun(f.Key), `INSERT INTO files (`+fileColumns+`)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
		WHERE (SELECT COALESCE(SUM(size), 0) FROM files WHERE project_id = ?) + ? <= ?`,
		f.ProjectID, f.Key, f.Name, f.MIME, f.Toolkit, f.Tool, f.Size, f.SHA256[:], f.MD5, micros(f.CreatedAt), micros(f.ExpiresAt),
		f.SessionID, f.Mount, f.Path, f.ProjectID, f.Size, quota)
	return touched == 1, err
}

// File implements store.Files.
func (s *queries) File(ctx context.Context, projectID, key string) (domain.File, error) {
	return one(ctx, s, fileNoun(key), scanFile,
		`SELECT `+fileColumns+` FROM files WHERE project_id = ? AND file_key = ?`, projectID, key)
}

// ListFiles implements store.Files.
func (s *queries) ListFiles(ctx context.Context, projectID string, ff store.FileFilter, page store.Page) ([]domain.File, int, error) {
	f := newFilter(projectID)
	f.is("toolkit", ff.Toolkit)
	f.is("tool", ff.Tool)
	f.where.WriteString(" AND session_id = ''")
	if !ff.At.IsZero() {
		f.where.WriteString(" AND expires_at > ?")
		f.args = append(f.args, micros(ff.At))
	}
	return paged(ctx, s, fileNoun(""), scanFile, fileColumns, "files", f, "created_at DESC, file_key DESC", page)
}

// mount narrows to files of a session.
func (f *filter) mount(mf store.MountFilter) {
	f.where.WriteString(" AND session_id = ? AND session_id <> ''")
	f.args = append(f.args, mf.SessionID)
	f.is("mount", mf.Mount)
	f.is("path", mf.Path)
	if mf.Under != "" {
		folder := mf.Under + "/"
		f.where.WriteString(" AND (path = ? OR substr(path, 1, ?) = ?)")
		f.args = append(f.args, mf.Under, utf8.RuneCountInString(folder), folder)
	}
	if !mf.At.IsZero() {
		f.where.WriteString(" AND expires_at > ?")
		f.args = append(f.args, micros(mf.At))
	}
}

// MountFiles implements store.Files.
func (s *queries) MountFiles(ctx context.Context, projectID string, mf store.MountFilter, page store.Page) ([]domain.File, int, error) {
	f := newFilter(projectID)
	f.mount(mf)
	return paged(ctx, s, fileNoun(""), scanFile, fileColumns, "files", f, "path", page)
}

// LeaveMount implements store.Files.
func (s *queries) LeaveMount(ctx context.Context, projectID string, mf store.MountFilter, at time.Time) (int, error) {
	f := newFilter(projectID)
	f.mount(mf)
	n, err := s.exec(ctx, fileNoun(""), `UPDATE files SET session_id = '', mount = '', path = '', expires_at = ?`+f.where.String(),
		append([]any{micros(at)}, f.args...)...)
	return int(n), err
}

// DropExpiredFiles implements store.Files.
func (s *queries) DropExpiredFiles(ctx context.Context, at time.Time, limit int) ([][32]byte, error) {
	gone, err := list(ctx, s, fileNoun(""), scanFile,
		`SELECT `+fileColumns+` FROM files WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`, micros(at), limit)
	if err != nil {
		return nil, err
	}
	for _, f := range gone {
		_, err := s.exec(ctx, fileNoun(f.Key), `DELETE FROM files WHERE project_id = ? AND file_key = ?`, f.ProjectID, f.Key)
		if err != nil {
			return nil, err
		}
	}
	var free [][32]byte
	seen := map[[32]byte]bool{}
	for _, f := range gone {
		if seen[f.SHA256] {
			continue
		}
		seen[f.SHA256] = true
		used, err := s.FileContentUsed(ctx, f.SHA256)
		if err != nil {
			return nil, err
		}
		if !used {
			free = append(free, f.SHA256)
		}
	}
	return free, nil
}

// HasExpiredFiles implements store.Files.
func (s *queries) HasExpiredFiles(ctx context.Context, at time.Time) (bool, error) {
	n, err := one(ctx, s, fileNoun(""), scanInt,
		`SELECT count(*) FROM (SELECT 1 FROM files WHERE expires_at <= ? LIMIT 1) AS found`, micros(at))
	return n > 0, err
}

// FileContentUsed implements store.Files.
func (s *queries) FileContentUsed(ctx context.Context, sha256 [32]byte) (bool, error) {
	n, err := one(ctx, s, fileNoun(""), scanInt,
		`SELECT count(*) FROM (SELECT 1 FROM files WHERE sha256 = ? LIMIT 1) AS found`, sha256[:])
	return n > 0, err
}

func scanFile(r row) (f domain.File, err error) {
	var sum []byte
	var created, expires int64
	err = r.Scan(&f.ProjectID, &f.Key, &f.Name, &f.MIME, &f.Toolkit, &f.Tool, &f.Size, &sum, &f.MD5, &created, &expires,
		&f.SessionID, &f.Mount, &f.Path)
	if err != nil {
		return f, err
	}
	f.CreatedAt, f.ExpiresAt = fromMicros(created), fromMicros(expires)
	f.SHA256, err = toHash(sum)
	return f, err
}
