package files_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
)

const (
	mine   = "pr_mine"
	theirs = "pr_theirs"
	limit  = 1000
)

// world is a file store over a real database and vault.
type world struct {
	*files.Service
	t    *testing.T
	opts files.Options
	db   *sqlstore.DB
	dir  string
	now  time.Time
}

// onBoth runs a test with contents in a directory and with contents in the
// store, on PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, makeWorld(t, sqlstore.Options{URL: pgtest.URL(t)}))
	})
}

// newWorld is a world on a directory.
func newWorld(t *testing.T) *world {
	t.Helper()
	return makeWorld(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
}

func makeWorld(t *testing.T, where sqlstore.Options) *world {
	t.Helper()
	ctx, home := t.Context(), t.TempDir()
	db, err := sqlstore.Open(ctx, where)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	v, err := vault.Open(ctx, vault.Options{Keys: vault.FileKey(filepath.Join(home, "key")), Load: db.LoadKeyset, Save: db.SaveKeyset})
	must(t, err)
	w := &world{t: t, db: db, dir: filepath.Join(home, "files"), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	for _, id := range []string{mine, theirs} {
		must(t, db.CreateProject(ctx, domain.Project{ID: id, Name: id, CreatedAt: w.now}))
	}
	w.opts = files.Options{
		Dir: w.dir, Store: db, Sealer: execute.NewSealer(v), MaxFile: limit, Quota: 3 * limit, TTL: time.Hour,
		Now: func() time.Time { return w.now }, InStore: where.URL != "",
	}
	w.Service, err = files.New(w.opts)
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) put(name, content string) domain.File {
	w.t.Helper()
	f, err := w.Put(w.t.Context(), mine, files.Meta{Name: name, MIME: "text/plain"}, strings.NewReader(content))
	must(w.t, err)
	return f
}

func (w *world) read(project, key string) (string, error) {
	c, err := w.Open(w.t.Context(), project, key)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	b, err := io.ReadAll(c)
	return string(b), err
}

// onDisk gives the sizes of the files under the directory, by path.
func (w *world) onDisk() map[string]int64 {
	w.t.Helper()
	found := map[string]int64{}
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			rel, _ := filepath.Rel(w.dir, path)
			found[rel] = info.Size()
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return found
}

// wantContents checks how many contents are kept, wherever, and that nothing is
// left of what was arriving.
func (w *world) wantContents(n int) {
	w.t.Helper()
	got := w.onDisk()
	if w.opts.InStore {
		var inStore int
		must(w.t, w.db.Postgres().QueryRow(w.t.Context(), `SELECT count(DISTINCT sha256) FROM file_chunks`).Scan(&inStore))
		if inStore != n || len(got) != 0 {
			w.t.Errorf("%d contents are in the store, want %d; on disk there are %v", inStore, n, got)
		}
		return
	}
	if len(got) != n {
		w.t.Errorf("%d files lie in the directory, want %d: %v", len(got), n, got)
	}
}

func wantCode(t *testing.T, err error, want domain.Code) {
	t.Helper()
	if domain.CodeOf(err) != want {
		t.Errorf("got %v of code %q, want %q", err, domain.CodeOf(err), want)
	}
}

func TestPutAndOpen(t *testing.T) { onBoth(t, testPutAndOpen) }

func testPutAndOpen(t *testing.T, w *world) {
	f := w.put("report.txt", "hello")
	if f.Size != 5 || f.MD5 != sum("hello") || f.Name != "report.txt" || f.MIME != "text/plain" || !f.ExpiresAt.Equal(w.now.Add(time.Hour)) {
		t.Errorf("put: %+v", f)
	}
	if got, err := w.read(mine, f.Key); err != nil || got != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	again := w.put("copy.txt", "hello")
	if again.Key == f.Key {
		t.Error("two files have one key")
	}
	w.wantContents(1)
	if got, err := w.read(mine, again.Key); err != nil || got != "hello" {
		t.Errorf("the copy: %q, %v", got, err)
	}
	if got, err := w.read(mine, w.put("empty", "").Key); err != nil || got != "" {
		t.Errorf("an empty file: %q, %v", got, err)
	}
	list, total, err := w.List(t.Context(), mine, "", "", store.Page{})
	if err != nil || total != 3 || len(list) != 3 {
		t.Errorf("list: %v of %d, %v", list, total, err)
	}
	must(t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		info, ierr := d.Info()
		if err == nil && ierr == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %s", path, info.Mode())
		}
		return errors.Join(err, ierr)
	}))
}

func TestProjectsAreApart(t *testing.T) { onBoth(t, testProjectsAreApart) }

func testProjectsAreApart(t *testing.T, w *world) {
	f := w.put("a", "secret")
	for _, project := range []string{theirs, "", "pr_none"} {
		_, err := w.read(project, f.Key)
		wantCode(t, err, domain.CodeNotFound)
	}
	if list, total, err := w.List(t.Context(), theirs, "", "", store.Page{}); err != nil || total != 0 || len(list) != 0 {
		t.Errorf("the other project lists %v, %v", list, err)
	}
	for _, key := range []string{"", "../../sluice.db", "/etc/passwd", "file_nope", f.Key + "/..", strings.Repeat("x", 10_000), "a\x00b"} {
		if _, err := w.read(mine, key); err == nil || domain.CodeOf(err) == domain.CodeInternal {
			t.Errorf("key %.20q: %v", key, err)
		}
	}
}

func TestLimits(t *testing.T) { onBoth(t, testLimits) }

func testLimits(t *testing.T, w *world) {
	put := func(n int) error {
		_, err := w.Put(t.Context(), mine, files.Meta{}, bytes.NewReader(bytes.Repeat([]byte{byte(n)}, n)))
		return err
	}
	must(t, put(limit))
	wantCode(t, put(limit+1), domain.CodeTooLarge)
	w.wantContents(1)
	must(t, put(limit-1))
	must(t, put(limit-2))
	err := put(4) // 2997 + 4 > 3000
	wantCode(t, err, domain.CodeTooLarge)
	if !strings.Contains(err.Error(), "together") {
		t.Errorf("the quota is not named: %v", err)
	}
	w.wantContents(3)
	must(t, put(3))
	w.now = w.now.Add(time.Hour) // all expire
	must(t, put(limit))
	w.wantContents(1)
}

func TestFailuresKeepNothing(t *testing.T) { onBoth(t, testFailuresKeepNothing) }

func testFailuresKeepNothing(t *testing.T, w *world) {
	cut := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("hello"))) // fails at the second read
	_, err := w.Put(t.Context(), mine, files.Meta{}, cut)
	var broken *files.ReadError
	if !errors.As(err, &broken) || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a reader that fails: %v", err)
	}
	_, err = w.Put(t.Context(), mine, files.Meta{MD5: sum("other")}, strings.NewReader("hello"))
	wantCode(t, err, domain.CodeInvalid)
	_, err = w.Put(t.Context(), mine, files.Meta{MD5: "nonsense"}, strings.NewReader("hello"))
	wantCode(t, err, domain.CodeInvalid)
	_, err = w.Put(t.Context(), "pr_none", files.Meta{}, strings.NewReader("hello"))
	wantCode(t, err, domain.CodeNotFound)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = w.Put(ctx, mine, files.Meta{}, readerFunc(func(p []byte) (int, error) { cancel(); return copy(p, "x"), nil }))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that went away: %v", err)
	}
	w.wantContents(0)
	if _, total, err := w.List(t.Context(), mine, "", "", store.Page{}); err != nil || total != 0 {
		t.Errorf("%d files are left, %v", total, err)
	}
	_, err = w.Put(t.Context(), mine, files.Meta{MD5: strings.ToUpper(sum("hello"))}, strings.NewReader("hello"))
	must(t, err)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func sum(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

func TestExpiry(t *testing.T) { onBoth(t, testExpiry) }

func testExpiry(t *testing.T, w *world) {
	old := w.put("old", "old")
	shared := w.put("shared 1", "shared")
	w.now = w.now.Add(30 * time.Minute)
	younger := w.put("shared 2", "shared")
	w.now = w.now.Add(30*time.Minute - time.Microsecond)
	if _, err := w.read(mine, old.Key); err != nil {
		t.Errorf("just before its time: %v", err)
	}
	w.now = w.now.Add(time.Microsecond)
	for _, f := range []domain.File{old, shared} {
		_, err := w.read(mine, f.Key)
		wantCode(t, err, domain.CodeNotFound)
	}
	w.wantContents(1) // the content that another file has stays
	if got, err := w.read(mine, younger.Key); err != nil || got != "shared" {
		t.Errorf("the younger file: %q, %v", got, err)
	}
	if _, total, err := w.List(t.Context(), mine, "", "", store.Page{}); err != nil || total != 1 {
		t.Errorf("%d files are listed, %v", total, err)
	}
	w.now = w.now.Add(time.Hour)
	must(t, w.Prune(t.Context()))
	w.wantContents(0)
}

func TestSameContentAtOnce(t *testing.T) { onBoth(t, testSameContentAtOnce) }

func testSameContentAtOnce(t *testing.T, w *world) {
	var wg sync.WaitGroup
	keys := make([]string, 16)
	for i := range keys {
		wg.Go(func() {
			project := []string{mine, theirs}[i%2]
			f, err := w.Put(t.Context(), project, files.Meta{Name: fmt.Sprint(i)}, strings.NewReader("the same"))
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = f.Key
			if got, err := w.read(project, f.Key); err != nil || got != "the same" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	w.wantContents(1)
}

// What expires while the same content is put again must not take it away.
func TestPutAgainstPrune(t *testing.T) { onBoth(t, testPutAgainstPrune) }

func testPutAgainstPrune(t *testing.T, w *world) {
	other, err := files.New(w.opts) // another process on the home
	must(t, err)
	for range 20 {
		w.put("old", "the same")
		w.now = w.now.Add(time.Hour)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := other.Prune(t.Context()); err != nil {
				t.Error(err)
			}
		})
		f := w.put("new", "the same")
		wg.Wait()
		if got, err := w.read(mine, f.Key); err != nil || got != "the same" {
			t.Fatalf("the content went: %q, %v", got, err)
		}
		w.now = w.now.Add(time.Hour)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.Sweep(t.Context())) // nothing is there yet
	f := w.put("a", "kept")
	orphan := filepath.Join(w.dir, "ab", "ab"+strings.Repeat("0", 62))
	stale, fresh := filepath.Join(w.dir, "tmp", "arriving-1"), filepath.Join(w.dir, "tmp", "arriving-2")
	foreign := filepath.Join(w.dir, "ab", "notes.txt")
	must(t, os.MkdirAll(filepath.Dir(orphan), 0o700))
	for _, path := range []string{orphan, stale, fresh, foreign} {
		must(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	must(t, os.Chtimes(stale, time.Time{}, time.Now().Add(-2*time.Hour)))
	must(t, w.Sweep(t.Context()))
	for path, stays := range map[string]bool{orphan: false, stale: false, fresh: true, foreign: true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	if got, err := w.read(mine, f.Key); err != nil || got != "kept" {
		t.Errorf("the file: %q, %v", got, err)
	}
}

func TestLostContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.put("a", "kept")
	must(t, os.RemoveAll(w.dir))
	_, err := w.read(mine, f.Key)
	wantCode(t, err, domain.CodeNotFound)
}

func TestNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, want := range map[string]string{
		"a.txt": "a.txt", "../../etc/passwd": "passwd", `C:\temp\evil.exe`: "evil.exe", "/": "file", "..": "file", "": "file", " . ": "file",
		"a\r\nSet-Cookie: x": "aSet-Cookie: x", "x\x00y": "xy", "Größe 日本.pdf": "Größe 日本.pdf", "gpj\u202eexe.txt": "gpjexe.txt",
		"bad\xffutf8": "badutf8", strings.Repeat("ü", 200) + ".pdf": strings.Repeat("ü", 125) + ".pdf",
	} {
		if got := w.put(name, "x").Name; got != want {
			t.Errorf("%.40q became %.40q, want %.40q", name, got, want)
		}
	}
	for mime, want := range map[string]string{
		"": files.AnyType, "text/plain": "text/plain", "TEXT/HTML; Charset=utf-8": "text/html; charset=utf-8", "nonsense": files.AnyType,
		"a/b\r\nx: y": files.AnyType, strings.Repeat("x", 200) + "/y": files.AnyType,
	} {
		f, err := w.Put(t.Context(), mine, files.Meta{MIME: mime}, strings.NewReader("x"))
		if must(t, err); f.MIME != want {
			t.Errorf("%.40q became %q, want %q", mime, f.MIME, want)
		}
	}
	for _, m := range []files.Meta{{Toolkit: "a\nb"}, {Tool: strings.Repeat("x", 129)}} {
		_, err := w.Put(t.Context(), mine, m, strings.NewReader("x"))
		wantCode(t, err, domain.CodeInvalid)
	}
}

// TestAnyName: whatever the name, what is kept of it names one file in one folder.
func TestAnyName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		f, err := w.Put(t.Context(), mine, files.Meta{Name: rapid.String().Draw(rt, "name")}, strings.NewReader(""))
		if err != nil {
			rt.Fatal(err)
		}
		if f.Name == "" || f.Name == "." || f.Name == ".." || len(f.Name) > 255 || strings.ContainsAny(f.Name, `/\`) || strings.ContainsFunc(f.Name, unicode.IsControl) {
			rt.Fatalf("kept as %q", f.Name)
		}
	})
}

func TestOptionsAreRequired(t *testing.T) {
	t.Parallel()
	if _, err := files.New(files.Options{}); err == nil {
		t.Error("New takes empty options")
	}
}

// A file of several pieces comes back as it was, from any place on.
func TestLongFile(t *testing.T) { onBoth(t, testLongFile) }

func testLongFile(t *testing.T, w *world) {
	const piece = 256 << 10
	w.opts.MaxFile, w.opts.Quota = 4*piece, 20*piece
	long, err := files.New(w.opts)
	must(t, err)
	for _, size := range []int{1, piece - 1, piece, piece + 1, 3 * piece, 3*piece + 17} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 31 >> 3)
		}
		f, err := long.Put(t.Context(), mine, files.Meta{Name: "long"}, bytes.NewReader(want))
		must(t, err)
		c, err := long.Open(t.Context(), mine, f.Key)
		must(t, err)
		if err := iotest.TestReader(struct{ io.ReadSeeker }{c}, want); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		must(t, c.Close())
	}
}

// Several that keep the same long content at once end with one of it.
func TestSameLongContentAtOnce(t *testing.T) { onBoth(t, testSameLongContentAtOnce) }

func testSameLongContentAtOnce(t *testing.T, w *world) {
	w.opts.MaxFile, w.opts.Quota = 1<<20, 10<<20
	long, err := files.New(w.opts)
	must(t, err)
	content := strings.Repeat("0123456789abcdef", 40_000)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := long.Put(t.Context(), mine, files.Meta{}, strings.NewReader(content)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.wantContents(1)
}
