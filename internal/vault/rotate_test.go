package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault"
)

func (r *row) swap(_ context.Context, was, sealed []byte) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !bytes.Equal(r.sealed, was) {
		return false, nil
	}
	r.sealed = bytes.Clone(sealed)
	return true, nil
}

// home is a keyset and secrets, as processes share them.
type home struct {
	row
	mu      sync.Mutex
	secrets map[vault.Ref][]byte
	clock   time.Time
	failing error // of Swap, after its changes: the process is killed
	loads   int
}

func newHome() *home {
	return &home{secrets: map[vault.Ref][]byte{}, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (h *home) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *home) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// process opens the home as another process does.
func (h *home) process(t testing.TB, keys vault.KeyProvider) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.Context(), h.options(keys))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (h *home) options(keys vault.KeyProvider) vault.Options {
	load := func(ctx context.Context) ([]byte, error) {
		h.mu.Lock()
		h.loads++
		h.mu.Unlock()
		return h.load(ctx)
	}
	return vault.Options{Keys: keys, Load: load, Save: h.save, Swap: h.swap, Now: h.now}
}

func (h *home) put(t testing.TB, v *vault.Vault, ref vault.Ref, plain string) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), ref, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets[ref] = sealed
	return sealed
}

func (h *home) get(ref vault.Ref) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.secrets[ref]
}

func less(a, b vault.Ref) int { return strings.Compare(a.AccountID, b.AccountID) }

func (h *home) Stale(_ context.Context, mark []byte, after vault.Ref, limit int) ([]vault.Item, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []vault.Item
	for ref, sealed := range h.secrets {
		if !bytes.HasPrefix(sealed, mark) && less(ref, after) > 0 {
			out = append(out, vault.Item{Ref: ref, Sealed: sealed})
		}
	}
	slices.SortFunc(out, func(a, b vault.Item) int { return less(a.Ref, b.Ref) })
	return out[:min(limit, len(out))], nil
}

func (h *home) Count(_ context.Context, mark []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, sealed := range h.secrets {
		if bytes.HasPrefix(sealed, mark) {
			n++
		}
	}
	return n, nil
}

func (h *home) Swap(_ context.Context, changes []vault.Change) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		if bytes.Equal(h.secrets[c.Ref], c.Sealed) {
			h.secrets[c.Ref] = c.New
			n++
		}
	}
	return n, h.failing
}

func (h *home) SwapKeysetIfUnused(ctx context.Context, mark, was, sealed []byte) (bool, error) {
	if n, _ := h.Count(ctx, mark); n > 0 {
		return false, vault.ErrUsed
	}
	return h.swap(ctx, was, sealed)
}

func account(i int) vault.Ref {
	return vault.Ref{ProjectID: "pr_1", AccountID: fmt.Sprintf("ca_%04d", i), Field: "token"}
}

func opens(t testing.TB, v *vault.Vault, h *home, ref vault.Ref, want string) {
	t.Helper()
	got, err := v.Open(t.Context(), ref, h.get(ref))
	if err != nil || string(got) != want {
		t.Errorf("%s opens to %q, %v (cause %v); want %q", ref.AccountID, got, err, errors.Unwrap(err), want)
	}
}

// The whole life of a key, with a process that runs through it unaware.
func TestRotation(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	running, rotator := h.process(t, keys), h.process(t, keys)
	const n = 173
	for i := range n {
		h.put(t, running, account(i), fmt.Sprint("secret ", i))
	}
	first := running.Primary()
	id, err := rotator.Rotate(t.Context(), time.Hour)
	if err != nil || id == first || rotator.Primary() != id {
		t.Fatalf("rotated to %d (was %d), %v", id, first, err)
	}
	// What the new key sealed opens at once in the process that has the old ring.
	h.put(t, rotator, account(n), "by the new key")
	if running.Primary() != first {
		t.Fatal("the running process knows of the new key before it could")
	}
	opens(t, running, h, account(n), "by the new key")
	if running.Primary() != id {
		t.Error("meeting the new key did not make it known")
	}
	var reports []vault.Progress
	p, err := rotator.Reseal(t.Context(), h, func(p vault.Progress) { reports = append(reports, p) })
	if err != nil || p.Done != n || p.Newer+p.Bad != 0 || len(reports) != 4 {
		t.Fatalf("%+v, %v, %d reports", p, err, len(reports))
	}
	for i := range n {
		opens(t, running, h, account(i), fmt.Sprint("secret ", i))
		if got, _ := vault.KeyID(h.get(account(i))); got != id {
			t.Fatalf("%d is under key %d, want %d", i, got, id)
		}
	}
	states := func() string {
		var out []string
		for _, k := range rotator.Keys() {
			out = append(out, k.State)
		}
		return strings.Join(out, " ")
	}
	for _, step := range []struct {
		wait time.Duration
		want string
	}{
		{0, "primary old"},
		{time.Hour - time.Second, "primary old"},
		{time.Second, "primary disabled"},
		{vault.InFlight - time.Second, "primary disabled"},
		{time.Second, "primary"},
	} {
		h.advance(step.wait)
		if err := rotator.Tidy(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if got := states(); got != step.want {
			t.Errorf("after another %v: %s, want %s", step.wait, got, step.want)
		}
	}
	opens(t, h.process(t, keys), h, account(3), "secret 3")
}

// A process that seals soon after a rotation uses the new key without meeting it.
func TestSealFindsTheNewKey(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	running, rotator := h.process(t, keys), h.process(t, keys)
	id, err := rotator.Rotate(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := vault.KeyID(h.put(t, running, ref, "x")); got == id {
		t.Error("the store is asked at every seal")
	}
	h.advance(time.Second)
	if got, _ := vault.KeyID(h.put(t, running, ref, "x")); got != id {
		t.Errorf("after a second it seals with %d, want %d", got, id)
	}
}

// What is stored late under a disabled key is found and rescued.
func TestLateSecretBringsItsKeyBack(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	v := h.process(t, keys)
	late, err := v.Seal(t.Context(), ref, []byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Rotate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := v.Tidy(t.Context(), h); err != nil || v.Keys()[1].State != "disabled" {
		t.Fatalf("%+v, %v", v.Keys(), err)
	}
	if _, err := v.Open(t.Context(), ref, late); err == nil {
		t.Error("a disabled key opens")
	}
	h.secrets[ref] = late
	h.advance(vault.InFlight)
	if err := v.Tidy(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	opens(t, v, h, ref, "late")
	if id, _ := vault.KeyID(h.get(ref)); id != v.Primary() {
		t.Error("it was not sealed anew")
	}
}

func TestResealGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	v := h.process(t, keys)
	const n = 120
	for i := range n {
		h.put(t, v, account(i), fmt.Sprint(i))
	}
	if _, err := v.Rotate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	h.failing = errors.New("killed") // after the first transaction
	if _, err := v.Reseal(t.Context(), h, nil); !errors.Is(err, h.failing) {
		t.Fatalf("%v", err)
	}
	h.failing = nil
	p, err := h.process(t, keys).Reseal(t.Context(), h, nil)
	if err != nil || p.Done != n-50 {
		t.Errorf("%+v, %v: the first 50 were done", p, err)
	}
	for i := range n {
		opens(t, v, h, account(i), fmt.Sprint(i))
	}
}

// A token that is refreshed between reading and storing stays.
func TestRefreshedTokenWins(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	v := h.process(t, keys)
	h.put(t, v, ref, "old token")
	if _, err := v.Rotate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	p, err := v.Reseal(t.Context(), &meanwhile{home: h, do: func() { h.put(t, v, ref, "refreshed") }}, nil)
	if err != nil || p.Done != 0 || p.Newer != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	opens(t, v, h, ref, "refreshed")
}

// meanwhile does something before each swap.
type meanwhile struct {
	*home
	do func()
}

func (m *meanwhile) Swap(ctx context.Context, c []vault.Change) (int, error) {
	m.do()
	return m.home.Swap(ctx, c)
}

func TestUnreadableSecretsAreToldAndLeft(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	v := h.process(t, keys)
	h.put(t, v, account(1), "one")
	h.secrets[account(2)] = h.secrets[account(1)] // another account's
	h.secrets[account(3)] = []byte("noise")
	if _, err := v.Rotate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	p, err := v.Reseal(t.Context(), h, nil)
	if err != nil || p.Done != 1 || p.Bad != 2 || len(p.BadRefs) != 2 || p.BadRefs[0] != account(2) {
		t.Errorf("%+v, %v", p, err)
	}
	h.advance(time.Hour)
	if err := v.Retire(t.Context(), h); err != nil || len(v.Keys()) != 2 || v.Keys()[1].State != "old" {
		t.Errorf("a key that something is sealed with was retired: %+v, %v", v.Keys(), err)
	}
}

func TestUnknownKeysAreBounded(t *testing.T) {
	t.Parallel()
	h := newHome()
	v := h.process(t, vault.EnvKey(envKey(1)))
	forged := append(vault.Mark(12345), make([]byte, 60)...)
	before := h.loads
	for range 10 {
		if _, err := v.Open(t.Context(), ref, forged); domain.CodeOf(err) != domain.CodeInternal {
			t.Fatal(err)
		}
	}
	if got := h.loads - before; got > 10 {
		t.Errorf("%d reads of the store for 10 forged secrets", got)
	}
	for range 40 { // rotations without end
		if _, err := v.Rotate(t.Context(), time.Hour); err != nil {
			if domain.CodeOf(err) != domain.CodeConflict || len(v.Keys()) > 20 {
				t.Errorf("%d keys, %v", len(v.Keys()), err)
			}
			return
		}
	}
	t.Error("the keyset grows without end")
}

func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	h.put(t, h.process(t, keys), ref, "x")
	var wg sync.WaitGroup
	for range 4 {
		v := h.process(t, keys)
		wg.Go(func() {
			if _, err := v.Rotate(t.Context(), 0); err != nil {
				t.Error(err)
			}
			if _, err := v.Reseal(t.Context(), h, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	v := h.process(t, keys)
	if n := len(v.Keys()); n != 5 {
		t.Errorf("%d keys", n)
	}
	opens(t, v, h, ref, "x")
}

// Rewrapping by every provider, to every other, with a process that runs on.
func TestRewrap(t *testing.T) {
	t.Parallel()
	names := []string{"file", "env", "transit", "exec"}
	for _, from := range names {
		for _, to := range names {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				all := providers(t)
				h := newHome()
				running, v := h.process(t, all[from]), h.process(t, all[from])
				h.put(t, running, ref, "s3cret")
				before := bytes.Clone(h.sealed)
				target := all[to]
				if from == to {
					target = nil
				}
				err := v.Rewrap(t.Context(), target)
				if from == to && from == "env" {
					if domain.CodeOf(err) != domain.CodeInvalid || !strings.Contains(fmt.Sprint(err), "where the new one is") {
						t.Errorf("%v", err)
					}
					return
				}
				if err != nil || bytes.Equal(before, h.sealed) {
					t.Fatalf("%v (changed: %v)", err, !bytes.Equal(before, h.sealed))
				}
				opens(t, running, h, ref, "s3cret")
				opens(t, h.process(t, all[to]), h, ref, "s3cret")
				if v.SealedBy() != all[to].Name() {
					t.Errorf("sealed by %q", v.SealedBy())
				}
				if from != to {
					_, err := vault.Open(t.Context(), h.options(all[from]))
					var e *domain.Error
					if !errors.As(err, &e) || !strings.Contains(e.Message+e.Fix, all[to].Name()) {
						t.Errorf("the old provider: %v", err)
					}
					// Once more, after a kill that left the command unfinished.
					if err := v.Rewrap(t.Context(), target); err != nil {
						t.Errorf("again: %v", err)
					}
				}
				// The running process still rotates and refreshes, where its
				// provider is that of the store.
				if from == to {
					if _, err := running.Rotate(t.Context(), 0); err != nil {
						t.Errorf("rotating afterwards: %v", err)
					}
				}
			})
		}
	}
}

// A key that is made shortly before the key-encryption key moves is found by a
// process that runs with the provider from before, for a while.
func TestMoveRightAfterARotation(t *testing.T) {
	t.Parallel()
	h := newHome()
	from, to := vault.EnvKey(envKey(1)), vault.NamedEnvKey("NEW", envKey(2))
	running, v := h.process(t, from), h.process(t, from)
	if _, err := v.Rotate(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := v.Rewrap(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	moved := h.process(t, to)
	h.put(t, moved, ref, "s3cret")
	opens(t, running, h, ref, "s3cret")
	if err := running.Tidy(t.Context(), h); err != nil {
		t.Error(err)
	}
	if _, err := vault.Open(t.Context(), h.options(from)); err == nil {
		t.Error("a start with the old provider succeeds")
	}
	size := len(h.sealed)
	for _, step := range []struct {
		wait time.Duration
		gone bool
	}{{14 * time.Minute, false}, {time.Minute, true}} {
		h.advance(step.wait)
		if err := moved.Tidy(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if gone := len(h.sealed) < size*3/4; gone != step.gone {
			t.Errorf("%d bytes of %d after another %v", len(h.sealed), size, step.wait)
		}
	}
	if err := running.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), to.Name()) {
		t.Errorf("the old provider goes on: %v", err)
	}
	opens(t, running, h, ref, "s3cret") // with what it has open
}

// Killed between any two steps of exchanging the file, the home opens, and the
// exchange can be made again.
func TestKilledKeyFileRotation(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprint("stored ", stored), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "kek")
			h, keys := newHome(), vault.FileKey(path)
			running := h.process(t, keys)
			h.put(t, running, ref, "s3cret")
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			killed := errors.New("killed")
			opts := h.options(keys)
			opts.Swap = func(ctx context.Context, was, sealed []byte) (bool, error) {
				if stored {
					if ok, err := h.swap(ctx, was, sealed); !ok || err != nil {
						t.Errorf("%v %v", ok, err)
					}
				}
				return false, killed
			}
			v, err := vault.Open(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Rewrap(t.Context(), nil); !errors.Is(err, killed) {
				t.Fatal(err)
			}
			if _, err := os.Stat(path + ".next"); err != nil {
				t.Fatalf("the next key is not there: %v", err)
			}
			// A running process and a new one go on; the new one finishes.
			if err := running.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			again := h.process(t, keys)
			opens(t, again, h, ref, "s3cret")
			now, err := os.ReadFile(path)
			if err != nil || bytes.Equal(now, old) == stored {
				t.Errorf("the key in the file: changed %v, %v; the store has the new one: %v", !bytes.Equal(now, old), err, stored)
			}
			if err := again.Rewrap(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			opens(t, h.process(t, keys), h, ref, "s3cret")
			if _, err := os.Stat(path + ".next"); err == nil {
				t.Error("the next key is left")
			}
			if _, err := running.Rotate(t.Context(), 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// Rotations of the file, of the keys, starts and reads, all at once.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kek")
	h, keys := newHome(), vault.FileKey(path)
	v := h.process(t, keys)
	for i := range 20 {
		h.put(t, v, account(i), fmt.Sprint(i))
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for range 5 {
				if err := h.process(t, keys).Rewrap(t.Context(), nil); err != nil && domain.CodeOf(err) != domain.CodeConflict {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			p := h.process(t, keys)
			for range 3 {
				if _, err := p.Rotate(t.Context(), 0); err != nil && domain.CodeOf(err) != domain.CodeConflict {
					t.Error(err)
				}
				if _, err := p.Reseal(t.Context(), h, nil); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for i := range 60 {
				ref := account((i + w) % 20)
				got, err := v.Open(t.Context(), ref, h.get(ref))
				if err != nil || string(got) != fmt.Sprint((i+w)%20) {
					t.Errorf("%q, %v: %v", got, err, errors.Unwrap(err))
				}
			}
		})
	}
	wg.Wait()
	fresh := h.process(t, keys)
	for i := range 20 {
		opens(t, fresh, h, account(i), fmt.Sprint(i))
	}
}

func TestHomesFromBeforeRotationOpen(t *testing.T) {
	t.Parallel()
	h, keys := newHome(), vault.EnvKey(envKey(1))
	v := h.process(t, keys)
	h.put(t, v, ref, "s3cret")
	_, rest, ok := bytes.Cut(h.sealed, []byte(`"keyset":"`))
	if !ok {
		t.Fatalf("the record looks otherwise: %s", h.sealed)
	}
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	h.sealed = unbase64(t, string(text)) // as it was stored then
	old := h.process(t, keys)
	opens(t, old, h, ref, "s3cret")
	if _, err := old.Rotate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	opens(t, h.process(t, keys), h, ref, "s3cret")
}
