package vault_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/internal/vault/vaulttest"
)

func writeCA(t *testing.T, s *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func transitKey(t *testing.T, s *vaulttest.Transit, key string, edit func(*vault.TransitOptions)) vault.KeyProvider {
	t.Helper()
	o := vault.TransitOptions{
		URL: s.URL + "/" + key, CAFile: writeCA(t, s.Server), Namespace: s.Namespace,
		Token: func() (string, error) { return s.Token, nil },
	}
	if edit != nil {
		edit(&o)
	}
	keys, err := vault.TransitKey(o)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func execKey(t *testing.T, how string) vault.KeyProvider {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plugin-key")
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := vault.ExecKey([]string{self, vaulttest.PluginArg, how, file})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// providers are one of each kind.
func providers(t *testing.T) map[string]vault.KeyProvider {
	return map[string]vault.KeyProvider{
		"file":    vault.FileKey(filepath.Join(t.TempDir(), "kek")),
		"env":     vault.EnvKey(envKey(7)),
		"transit": transitKey(t, vaulttest.NewTransit(t, "transit/sluice"), "transit/sluice", nil),
		"exec":    execKey(t, "ok"),
	}
}

func TestEveryProviderSealsAndOpens(t *testing.T) {
	t.Parallel()
	for name, keys := range providers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := new(row)
			sealed, err := mustOpen(t, r, keys).Seal(t.Context(), ref, []byte("s3cret"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := mustOpen(t, r, keys).Open(t.Context(), ref, sealed)
			if err != nil || string(got) != "s3cret" {
				t.Errorf("after a restart: %q, %v", got, err)
			}
			for other, wrong := range providers(t) {
				before := bytes.Clone(r.sealed)
				_, err := r.open(t, wrong)
				var e *domain.Error
				if name == other && name == "env" {
					continue // the same key
				}
				if !errors.As(err, &e) || e.Fix == "" {
					t.Errorf("%s opened what %s sealed: %v", other, name, err)
				}
				if !bytes.Equal(before, r.sealed) {
					t.Errorf("%s changed the keyset of %s", other, name)
				}
				if e != nil && name != other && !strings.Contains(e.Message+e.Fix, keys.Name()) {
					t.Errorf("%s does not say whose the keyset is: %s; %s", other, e.Message, e.Fix)
				}
			}
		})
	}
}

func TestTransitErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	s := vaulttest.NewTransit(t, "transit/sluice", "kv/deep/sluice")
	s.Namespace = "team/a"
	r := new(row)
	v := mustOpen(t, r, transitKey(t, s, "kv/deep/sluice", nil))
	if _, err := v.Seal(t.Context(), ref, nil); err != nil {
		t.Fatal(err)
	}
	asked := s.Requests()
	if len(asked) == 0 || asked[0] != "/v1/kv/deep/encrypt/sluice" {
		t.Errorf("asked %q", asked)
	}
	tests := map[string]struct {
		before func()
		key    string
		edit   func(*vault.TransitOptions)
		want   string
	}{
		"bad token": {nil, "kv/deep/sluice", func(o *vault.TransitOptions) {
			o.Token = func() (string, error) { return "hvs.wrong-token-wrong-token", nil }
		}, "may update kv/deep/encrypt/sluice"},
		"no token": {nil, "kv/deep/sluice", func(o *vault.TransitOptions) {
			o.Token = func() (string, error) { return "", nil }
		}, "SLUICE_VAULT_TOKEN"},
		"bad namespace": {nil, "kv/deep/sluice", func(o *vault.TransitOptions) { o.Namespace = "" }, "refuses the token"},
		"sealed":        {func() { s.Seal(true) }, "kv/deep/sluice", nil, "unseal Vault"},
		"unknown authority": {nil, "kv/deep/sluice", func(o *vault.TransitOptions) {
			o.CAFile = ""
		}, "vault_ca_file"},
		"too old": {func() { s.Forget("kv/deep/sluice", 2) }, "kv/deep/sluice", nil, "min_decryption_version"},
	}
	for name, tt := range tests {
		s.Seal(false)
		if tt.before != nil {
			tt.before()
		}
		_, err := r.open(t, transitKey(t, s, tt.key, tt.edit))
		var e *domain.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message+" "+e.Fix, tt.want) {
			t.Errorf("%s: %v (%+v), want %q", name, err, e, tt.want)
		}
		if e != nil && (strings.Contains(e.Message+e.Fix, s.Token) || strings.Contains(e.Message+e.Fix, "hvs.wrong")) {
			t.Errorf("%s shows a token: %s %s", name, e.Message, e.Fix)
		}
	}
}

func TestTransitIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := vaulttest.NewTransit(t, "transit/sluice")
	r := new(row)
	s.Fail(http.StatusInternalServerError, http.StatusTooManyRequests)
	mustOpen(t, r, transitKey(t, s, "transit/sluice", nil))
	if n := len(s.Requests()); n < 4 {
		t.Errorf("%d requests", n)
	}
}

func TestTransitAddresses(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://vault.example:8200/transit/sluice": true,
		"https://10.0.0.7:8200/a/b/sluice":          true,
		"http://127.0.0.1:8200/transit/sluice":      true,
		"http://10.0.0.7:8200/transit/sluice":       false,
		"https://vault.example:8200/sluice":         false,
		"https://vault.example:8200":                false,
		"https://user:pw@vault.example/transit/x":   false,
		"https://vault.example/transit/../sys/x":    false,
		"ftp://vault.example/transit/x":             false,
		"":                                          false,
	} {
		_, err := vault.TransitKey(vault.TransitOptions{URL: url, Token: func() (string, error) { return "", nil }})
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%s shows the password", url)
		}
	}
}

func TestExecErrors(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{
		"code":    "ended with code 7; it said: denied for key [hidden]",
		"error":   "the key is disabled",
		"flood":   "wrote more than",
		"chatter": "did not answer with one JSON object",
		"echo":    "the plaintext itself",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := new(row)
			_, err := r.open(t, execKey(t, how))
			var e *domain.Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, want) || e.Fix == "" {
				t.Errorf("%v, want %q", err, want)
			}
			if r.sealed != nil {
				t.Error("a keyset was stored")
			}
		})
	}
	if _, err := vault.ExecKey([]string{"kms"}); domain.CodeOf(err) != domain.CodeInvalid {
		t.Errorf("a program by its name alone: %v", err)
	}
	keys, err := vault.ExecKey([]string{filepath.Join(t.TempDir(), "none")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(row).open(t, keys); domain.CodeOf(err) != domain.CodeUnavailable || !strings.Contains(err.Error(), "cannot be run") {
		t.Errorf("no program: %v", err)
	}
}

// A program that hangs is ended with the request that waits for it.
func TestExecHangEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	kek, err := execKey(t, "hang").KEK(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := kek.EncryptWithContext(ctx, []byte("x"), nil)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
