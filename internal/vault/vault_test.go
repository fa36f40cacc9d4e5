package vault_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault"
	"pgregory.net/rapid"
)

// row is one stored keyset with the insert-if-absent that Options.Save asks for.
type row struct {
	mu     sync.Mutex
	sealed []byte
	saves  int
}

func (r *row) load(context.Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.sealed), nil
}

func (r *row) save(_ context.Context, sealed []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saves++
	if r.sealed == nil {
		r.sealed = bytes.Clone(sealed)
	}
	return bytes.Clone(r.sealed), nil
}

func (r *row) open(t testing.TB, keys vault.KeyProvider) (*vault.Vault, error) {
	return vault.Open(t.Context(), vault.Options{Keys: keys, Load: r.load, Save: r.save})
}

func mustOpen(t testing.TB, r *row, keys vault.KeyProvider) *vault.Vault {
	t.Helper()
	v, err := r.open(t, keys)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func envKey(seed byte) string {
	key := make([]byte, 32)
	for i := range key {
		key[i] = seed + byte(i)
	}
	return base64.StdEncoding.EncodeToString(key)
}

var ref = vault.Ref{ProjectID: "pr_1", AccountID: "ca_1", Field: "api_token"}

func TestSealedSecretOpensAfterRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "kek")
	for name, keys := range map[string]vault.KeyProvider{"file": vault.FileKey(path), "env": vault.EnvKey(envKey(1))} {
		t.Run(name, func(t *testing.T) {
			r := new(row)
			sealed, err := mustOpen(t, r, keys).Seal(t.Context(), ref, []byte("s3cret"))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(sealed, []byte("s3cret")) || bytes.Contains(sealed, []byte("pr_1")) {
				t.Error("the sealed bytes show the secret or its ref")
			}
			got, err := mustOpen(t, r, keys).Open(t.Context(), ref, sealed)
			if err != nil || string(got) != "s3cret" {
				t.Fatalf("Open = %q, %v", got, err)
			}
			if r.saves != 1 {
				t.Errorf("the keyset was saved %d times, want once", r.saves)
			}
		})
	}
}

func TestOpenRefusesAnotherRef(t *testing.T) {
	t.Parallel()
	v := mustOpen(t, new(row), vault.EnvKey(envKey(1)))
	sealed, err := v.Seal(t.Context(), vault.Ref{ProjectID: "ab", AccountID: "c", Field: "de"}, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []vault.Ref{
		{ProjectID: "zz", AccountID: "c", Field: "de"},
		{ProjectID: "ab", AccountID: "z", Field: "de"},
		{ProjectID: "ab", AccountID: "c", Field: "zz"},
		{ProjectID: "a", AccountID: "bc", Field: "de"}, // the same letters, cut elsewhere
		{ProjectID: "ab", AccountID: "cd", Field: "e"},
		{ProjectID: "ab", Field: "cde"},
	} {
		if got, err := v.Open(t.Context(), other, sealed); err == nil {
			t.Errorf("%+v opened %q", other, got)
		} else if domain.CodeOf(err) != domain.CodeInternal {
			t.Errorf("%+v: code %s", other, domain.CodeOf(err))
		}
	}
	if _, err := v.Seal(t.Context(), vault.Ref{AccountID: "c", Field: "de"}, nil); err == nil {
		t.Error("a ref without a project was sealed")
	}
}

func TestOpenRefusesAnyChange(t *testing.T) {
	t.Parallel()
	v := mustOpen(t, new(row), vault.EnvKey(envKey(1)))
	sealed, err := v.Seal(t.Context(), ref, []byte("token"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := v.Open(t.Context(), ref, bad); err == nil {
			t.Fatalf("opened with byte %d changed", i)
		}
		if _, err := v.Open(t.Context(), ref, sealed[:i]); err == nil {
			t.Fatalf("opened %d of %d bytes", i, len(sealed))
		}
	}
	other := mustOpen(t, new(row), vault.EnvKey(envKey(1)))
	if _, err := other.Open(t.Context(), ref, sealed); err == nil {
		t.Error("another home opened the secret")
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	v := mustOpen(t, new(row), vault.EnvKey(envKey(1)))
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.StringN(1, 20, 40)
		a := vault.Ref{ProjectID: part.Draw(rt, "project"), AccountID: rapid.StringN(0, 20, 40).Draw(rt, "account"), Field: part.Draw(rt, "field")}
		b := vault.Ref{ProjectID: part.Draw(rt, "project2"), AccountID: rapid.StringN(0, 20, 40).Draw(rt, "account2"), Field: part.Draw(rt, "field2")}
		plain := rapid.SliceOf(rapid.Byte()).Draw(rt, "plain")
		sealed, err := v.Seal(context.Background(), a, plain)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := v.Open(context.Background(), a, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			rt.Fatalf("got %x, %v", got, err)
		}
		if _, err := v.Open(context.Background(), b, sealed); err == nil && a != b {
			rt.Fatalf("%+v opened what %+v sealed", b, a)
		}
	})
}

func TestWrongKeyIsRefusedAndNothingIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	right := write("right", envKey(1), 0o600)
	r := new(row)
	mustOpen(t, r, vault.FileKey(right))
	before := bytes.Clone(r.sealed)

	missing := filepath.Join(dir, "missing")
	tests := map[string]struct {
		keys vault.KeyProvider
		want string
	}{
		"missing file":     {vault.FileKey(missing), "is missing"},
		"wrong file":       {vault.FileKey(write("wrong", envKey(9), 0o600)), "does not open this home's secrets"},
		"short file":       {vault.FileKey(write("short", "c2hvcnQ=", 0o600)), "expected 32 bytes in base64"},
		"empty file":       {vault.FileKey(write("empty", "", 0o600)), "expected 32 bytes in base64"},
		"folder":           {vault.FileKey(dir), "not a regular file"},
		"group may read":   {vault.FileKey(write("group", envKey(1), 0o640)), "mode 0640"},
		"everybody writes": {vault.FileKey(write("world", envKey(1), 0o602)), "mode 0602"},
		"wrong env":        {vault.EnvKey(envKey(9)), "does not open this home's secrets"},
		"env not base64":   {vault.EnvKey("?" + envKey(1)), "expected 32 bytes in base64"},
		"env of one byte":  {vault.EnvKey(strings.Repeat("A", 43)), "expected 32 bytes in base64"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(tt.want, "mode") {
				t.Skip("no modes on Windows")
			}
			_, err := r.open(t, tt.keys)
			var e *domain.Error
			if !errors.As(err, &e) || e.Code != domain.CodeInvalid || !strings.Contains(e.Message, tt.want) {
				t.Fatalf("error %v, want an invalid that says %q", err, tt.want)
			}
			if strings.Contains(e.Message+e.Fix, envKey(1)[:10]) || strings.Contains(e.Message+e.Fix, envKey(9)[:10]) {
				t.Errorf("the message shows the key: %s %s", e.Message, e.Fix)
			}
		})
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a missing key file was made anew")
	}
	if diff := cmp.Diff(before, r.sealed); diff != "" || r.saves != 1 {
		t.Errorf("the stored keyset changed (%d saves)", r.saves)
	}
	mustOpen(t, r, vault.EnvKey(envKey(1))) // the same key from elsewhere is the same key
}

func TestFirstStartUsesAKeyFileThatIsThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kek")
	if err := os.WriteFile(path, []byte(envKey(3)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := new(row)
	mustOpen(t, r, vault.FileKey(path))
	mustOpen(t, r, vault.EnvKey(envKey(3)))
}

func TestKeyFileMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kek")
	mustOpen(t, new(row), vault.FileKey(path))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestStartsAtOnceShareOneKeyset(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(t.TempDir(), "kek")
		r := new(row)
		const n = 8
		vaults := make([]*vault.Vault, n)
		errs := make([]error, n)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range n {
			wg.Go(func() {
				<-start
				vaults[i], errs[i] = r.open(t, vault.FileKey(path))
			})
		}
		close(start)
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for i, v := range vaults {
			sealed, err := v.Seal(t.Context(), ref, []byte{byte(i)})
			if err != nil {
				t.Fatal(err)
			}
			for j, w := range vaults {
				if _, err := w.Open(t.Context(), ref, sealed); err != nil {
					t.Fatalf("process %d cannot open what %d sealed: %v", j, i, err)
				}
			}
		}
	}
}

func TestLoserOfTheRaceWithAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	r := new(row)
	mustOpen(t, r, vault.EnvKey(envKey(1)))
	empty := func(context.Context) ([]byte, error) { return nil, nil } // loaded just before the winner saved
	_, err := vault.Open(t.Context(), vault.Options{Keys: vault.EnvKey(envKey(9)), Load: empty, Save: r.save})
	if domain.CodeOf(err) != domain.CodeInvalid || !strings.Contains(err.Error(), "does not open") {
		t.Fatalf("got %v", err)
	}
}

func TestDamagedKeyset(t *testing.T) {
	t.Parallel()
	r := new(row)
	mustOpen(t, r, vault.EnvKey(envKey(1)))
	for i := range r.sealed {
		bad := &row{sealed: bytes.Clone(r.sealed)}
		bad.sealed[i] ^= 0x10
		v, err := bad.open(t, vault.EnvKey(envKey(1)))
		if err != nil {
			continue // refused, as it should be
		}
		// The public description of the keys is outside the seal. A change
		// there must not change what the vault does.
		good := mustOpen(t, r, vault.EnvKey(envKey(1)))
		sealed, err := v.Seal(t.Context(), ref, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := good.Open(t.Context(), ref, sealed); err != nil {
			t.Errorf("byte %d: opened to another keyset", i)
		}
	}
}

func TestStoreErrorsAreKept(t *testing.T) {
	t.Parallel()
	down := errors.New("store is down")
	_, err := vault.Open(t.Context(), vault.Options{
		Keys: vault.EnvKey(envKey(1)),
		Load: func(context.Context) ([]byte, error) { return nil, down },
		Save: func(context.Context, []byte) ([]byte, error) { return nil, nil },
	})
	if !errors.Is(err, down) {
		t.Errorf("load: %v", err)
	}
	_, err = vault.Open(t.Context(), vault.Options{
		Keys: vault.EnvKey(envKey(1)),
		Load: func(context.Context) ([]byte, error) { return nil, nil },
		Save: func(context.Context, []byte) ([]byte, error) { return nil, down },
	})
	if !errors.Is(err, down) {
		t.Errorf("save: %v", err)
	}
}

func TestTooLargeAndCanceled(t *testing.T) {
	t.Parallel()
	v := mustOpen(t, new(row), vault.EnvKey(envKey(1)))
	if _, err := v.Seal(t.Context(), ref, make([]byte, vault.MaxSecret+1)); domain.CodeOf(err) != domain.CodeTooLarge {
		t.Errorf("too large: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Seal(ctx, ref, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func BenchmarkSeal(b *testing.B) {
	v := mustOpen(b, new(row), vault.EnvKey(envKey(1)))
	secret := make([]byte, 192)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Seal(b.Context(), ref, secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	v := mustOpen(b, new(row), vault.EnvKey(envKey(1)))
	sealed, err := v.Seal(b.Context(), ref, make([]byte, 192))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Open(b.Context(), ref, sealed); err != nil {
			b.Fatal(err)
		}
	}
}
