package files

import (
	"context"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Mount is a folder of a session, in which files have paths.
type Mount struct{ ProjectID, SessionID, Name string }

const (
	// mountTTL is how long a file in a mount is kept after it was written.
	mountTTL = 30 * 24 * time.Hour
	// maxPath bounds a path in bytes.
	maxPath = 1024
)

// CleanPath gives a path in a mount as it is kept: relative, without . and empty
// parts. root, such as "/mnt/files", may lead it. Paths that lead out of the mount,
// or that a file system or a terminal would stumble over, are CodeInvalid.
func CleanPath(root, raw string) (string, error) {
	bad := func(why string) error {
		return domain.Invalid("mount_relative_path", "mount_relative_path: %s", why).
			WithFix("Give a path such as reports/2026.pdf.")
	}
	p := raw
	if rest, ok := strings.CutPrefix(p, root+"/"); ok {
		p = rest
	}
	p = strings.TrimLeft(p, "/")
	switch {
	case p == "":
		return "", bad("a path is required")
	case len(p) > maxPath:
		return "", bad("it is longer than 1024 bytes")
	case !utf8.ValidString(p):
		return "", bad("it is not UTF-8")
	case strings.ContainsFunc(p, func(r rune) bool { return r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return "", bad("it must not have backslashes or control characters")
	}
	for _, part := range strings.Split(p, "/") {
		if part == ".." {
			return "", bad("it must not have .. in it")
		}
	}
	if p = path.Clean(p); p == "." {
		return "", bad("a path is required")
	}
	return p, nil
}

func (m Mount) filter(at time.Time) store.MountFilter {
	return store.MountFilter{SessionID: m.SessionID, Mount: m.Name, At: at}
}

// AllowMount gives the token by which the content of the file at a clean path can
// be put until the time given. What lies there is replaced by then.
func (s *Service) AllowMount(ctx context.Context, m Mount, at, mime string) (token string, until time.Time, err error) {
	until = s.opts.Now().Add(uploadTime)
	token, err = s.seal(ctx, forUpload, grant{
		Project: m.ProjectID, Key: domain.NewSecret(domain.PrefixFile), Expires: until.Unix(),
		Name: cleanName(at), MIME: cleanType(mime), MaxSize: s.opts.MaxFile,
		Session: m.SessionID, Mount: m.Name, Path: at,
	})
	return token, until, err
}

// InMount gives the files of a mount, by path, and how many there are: all, or the
// one at a clean path, or those in that folder.
func (s *Service) InMount(ctx context.Context, m Mount, under string, page store.Page) ([]domain.File, int, error) {
	f := m.filter(s.opts.Now())
	f.Under = under
	return s.opts.Store.MountFiles(ctx, m.ProjectID, f, page)
}

// AtPath gives the file at a clean path.
func (s *Service) AtPath(ctx context.Context, m Mount, at string) (domain.File, error) {
	f := m.filter(s.opts.Now())
	f.Path = at
	list, _, err := s.opts.Store.MountFiles(ctx, m.ProjectID, f, store.Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = missing()
	}
	if err != nil {
		return domain.File{}, err
	}
	return list[0], nil
}

func missing() error {
	return domain.Errorf(domain.CodeNotFound, "there is no file at this path of the mount").
		WithFix("List the mount's items for the paths that there are.")
}

// Remove takes the file at a clean path, or all in that folder, out of the mount.
// Where there is none it is CodeNotFound.
func (s *Service) Remove(ctx context.Context, m Mount, under string) error {
	f := m.filter(s.opts.Now())
	f.Under = under
	n, err := s.opts.Store.LeaveMount(ctx, m.ProjectID, f, s.opts.Now())
	if err == nil && n == 0 {
		err = missing()
	}
	return err
}

// EndSession has all files of a session's mounts expire.
func (s *Service) EndSession(ctx context.Context, projectID, sessionID string) error {
	_, err := s.opts.Store.LeaveMount(ctx, projectID, store.MountFilter{SessionID: sessionID}, s.opts.Now())
	return err
}

// clear makes room for f at its path, in the transaction that adds it. A session
// that went meanwhile takes no more files.
func (s *Service) clear(ctx context.Context, tx store.Tx, f domain.File) error {
	if f.SessionID == "" {
		return nil
	}
	if _, err := tx.Session(ctx, f.ProjectID, f.SessionID); err != nil {
		if domain.CodeOf(err) == domain.CodeNotFound {
			return domain.Errorf(domain.CodeNotFound, "the session that the file was for is gone")
		}
		return err
	}
	_, err := tx.LeaveMount(ctx, f.ProjectID, store.MountFilter{SessionID: f.SessionID, Mount: f.Mount, Path: f.Path}, f.CreatedAt)
	return err
}
