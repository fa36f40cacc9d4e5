package files

import (
	"context"
	"crypto/md5" //nolint:gosec // clients compare by it; what counts is the SHA-256
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// blobs is the directory of contents: dir/ab/abcd… by SHA-256, and dir/tmp for
// what is still arriving.
type blobs struct{ dir string }

const tempDir = "tmp"

func (b blobs) path(sum [32]byte) string {
	name := hex.EncodeToString(sum[:])
	return filepath.Join(b.dir, name[:2], name)
}

// arrived is content in a temporary file.
type arrived struct {
	temp   string
	size   int64
	sha256 [32]byte
	md5    string
	placed bool
}

// ReadError is that what was to be kept could not be read to its end.
type ReadError struct{ Cause error }

// Error says so, with the cause.
func (e *ReadError) Error() string { return "reading the file: " + e.Cause.Error() }

// Unwrap gives the cause.
func (e *ReadError) Unwrap() error { return e.Cause }

// watched remembers a failure of its reader, to tell it from one of the disk.
type watched struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		w.err = err
		return 0, err
	}
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// take reads r, at most limit bytes, into a temporary file that is on disk when
// it returns. The caller ends it with place or drop.
func (b blobs) take(ctx context.Context, r io.Reader, limit int64) (_ *arrived, err error) {
	if err := os.MkdirAll(filepath.Join(b.dir, tempDir), 0o700); err != nil {
		return nil, diskError(err)
	}
	f, err := os.CreateTemp(filepath.Join(b.dir, tempDir), "arriving-*")
	if err != nil {
		return nil, diskError(err)
	}
	a := &arrived{temp: f.Name()}
	defer func() {
		_ = f.Close() // after a failure; a success has closed it
		if err != nil {
			a.drop()
		}
	}()
	sum, check := sha256.New(), md5.New() //nolint:gosec // see the import
	src := &watched{ctx: ctx, r: r}
	a.size, err = io.Copy(io.MultiWriter(f, sum, check), io.LimitReader(src, limit+1))
	switch {
	case src.err != nil:
		return nil, &ReadError{Cause: src.err}
	case err != nil:
		return nil, diskError(err)
	case a.size > limit:
		return nil, tooLarge(limit)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, diskError(err)
	}
	sum.Sum(a.sha256[:0])
	a.md5 = hex.EncodeToString(check.Sum(nil))
	return a, nil
}

// place moves the content to where its hash says. The same content may be there
// already: it is replaced by itself, in one step, under its readers. It may be
// called again.
func (b blobs) place(_ context.Context, _ store.Tx, a *arrived) error {
	if a.placed {
		return nil
	}
	at := b.path(a.sha256)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return diskError(err)
	}
	if err := os.Rename(a.temp, at); err != nil {
		return diskError(err)
	}
	a.placed = true
	return syncDir(filepath.Dir(at))
}

// drop removes the temporary file, if it was not placed.
func (a *arrived) drop() {
	if !a.placed {
		_ = os.Remove(a.temp) // sweep removes what stays
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return diskError(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems do not know it
		return diskError(err)
	}
	return nil
}

func (b blobs) open(_ context.Context, of domain.File) (io.ReadSeekCloser, error) {
	f, err := os.Open(b.path(of.SHA256))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, diskError(err)
	}
	return f, nil
}

func (b blobs) remove(_ context.Context, _ store.Tx, sum [32]byte) error {
	if err := os.Remove(b.path(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(err)
	}
	return nil
}

// sweepMost bounds how many contents one sweep looks at.
const sweepMost = 10_000

// errEnough ends a walk.
var errEnough = errors.New("files: enough")

// each calls visit for contents, and clears away temporary files older than age.
func (b blobs) each(age time.Duration, visit func(sum [32]byte) error) error {
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	seen := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // went meanwhile
		case err != nil || d.IsDir():
			return err
		}
		if seen++; seen > sweepMost {
			return errEnough
		}
		if path.Dir(name) == tempDir {
			if info, err := d.Info(); err == nil && time.Since(info.ModTime()) > age {
				_ = root.Remove(name) // somebody else may have
			}
			return nil
		}
		if sum, ours := sumOf(name); ours {
			return visit(sum)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// sumOf reads the hash of a content out of its name, ab/abcd….
func sumOf(name string) (sum [32]byte, ok bool) {
	raw, err := hex.DecodeString(path.Base(name))
	if err != nil || len(raw) != len(sum) || name != path.Base(name)[:2]+"/"+path.Base(name) {
		return sum, false
	}
	return [32]byte(raw), true
}

func tooLarge(limit int64) *domain.Error {
	return domain.Errorf(domain.CodeTooLarge, "the file is larger than %d bytes, the most that is kept", limit)
}

// diskError is a failure of the directory, without its paths.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return domain.Errorf(domain.CodeUnavailable, "the disk that files are kept on is full").
			WithFix("Free space where the home lies.").WithCause(err)
	}
	return domain.Internal("keeping a file", fmt.Errorf("files: %w", err))
}
