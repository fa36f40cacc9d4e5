// Package vaulttest has the other side of the vault's key providers: a server
// that speaks HashiCorp Vault's transit API as it is documented, and a plugin.
package vaulttest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Transit is a transit engine with keys of type aes256-gcm96.
type Transit struct {
	*httptest.Server
	// Token is what it takes, Namespace what it wants to be asked for.
	Token, Namespace string

	mu       sync.Mutex
	keys     map[string][]cipher.AEAD // by mount/key; versions from 1
	minOpen  map[string]int           // min_decryption_version
	sealed   bool
	requests []string
	failures []int
}

// NewTransit serves over TLS until the test ends, with a key at each path.
func NewTransit(t testing.TB, keys ...string) *Transit {
	t.Helper()
	s := &Transit{Token: "hvs." + rand.Text(), keys: map[string][]cipher.AEAD{}, minOpen: map[string]int{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, k := range keys {
		s.Rotate(k)
	}
	return s
}

// Rotate adds a version to the key, as vault write -f KEY/rotate does.
func (s *Transit) Rotate(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = append(s.keys[key], newAEAD())
}

// Forget refuses versions below min.
func (s *Transit) Forget(key string, minVersion int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.minOpen[key] = minVersion
}

// Seal makes Vault sealed, or not.
func (s *Transit) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// Fail answers the next requests with these codes.
func (s *Transit) Fail(codes ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = codes
}

// Requests gives the paths asked for so far.
func (s *Transit) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func newAEAD() cipher.AEAD {
	var key [32]byte
	_, _ = rand.Read(key[:])
	block, _ := aes.NewCipher(key[:]) // 32 bytes are a key
	gcm, _ := cipher.NewGCM(block)
	return gcm
}

func (s *Transit) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.Path)
	fail := func(code int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
	}
	if len(s.failures) > 0 {
		code := s.failures[0]
		s.failures = s.failures[1:]
		fail(code, "internal error")
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	parts := strings.Split(path, "/")
	switch {
	case s.sealed:
		fail(http.StatusServiceUnavailable, "Vault is sealed")
		return
	case r.Method != http.MethodPost || !ok || len(parts) < 3:
		fail(http.StatusNotFound, "unsupported path")
		return
	case r.Header.Get("X-Vault-Token") != s.Token || r.Header.Get("X-Vault-Namespace") != s.Namespace:
		fail(http.StatusForbidden, "permission denied")
		return
	}
	n := len(parts)
	name, op := strings.Join(parts[:n-2], "/")+"/"+parts[n-1], parts[n-2]
	versions := s.keys[name]
	if len(versions) == 0 {
		fail(http.StatusBadRequest, "encryption key not found")
		return
	}
	var in struct {
		Plaintext      *string `json:"plaintext"`
		Ciphertext     string  `json:"ciphertext"`
		AssociatedData string  `json:"associated_data"`
	}
	ad, err := []byte(nil), json.NewDecoder(r.Body).Decode(&in)
	if err == nil {
		ad, err = base64.StdEncoding.DecodeString(in.AssociatedData)
	}
	if err != nil {
		fail(http.StatusBadRequest, "failed to decode")
		return
	}
	data, err := s.do(op, name, in.Plaintext, in.Ciphertext, ad)
	if err != nil {
		fail(http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "x", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data})
}

func (s *Transit) do(op, name string, plaintext *string, ciphertext string, ad []byte) (map[string]any, error) {
	versions := s.keys[name]
	switch {
	case op == "encrypt" && plaintext != nil:
		plain, err := base64.StdEncoding.DecodeString(*plaintext)
		if err != nil {
			return nil, errors.New("failed to base64-decode plaintext")
		}
		return map[string]any{
			"ciphertext":  fmt.Sprintf("vault:v%d:%s", len(versions), base64.StdEncoding.EncodeToString(sealWith(versions[len(versions)-1], plain, ad))),
			"key_version": len(versions),
		}, nil
	case op == "decrypt":
		parts := strings.SplitN(ciphertext, ":", 3)
		if len(parts) != 3 || parts[0] != "vault" {
			return nil, errors.New("invalid ciphertext: no prefix")
		}
		version, err := strconv.Atoi(strings.TrimPrefix(parts[1], "v"))
		if err != nil || version < 1 || version > len(versions) {
			return nil, errors.New("invalid ciphertext: version")
		}
		if version < s.minOpen[name] {
			return nil, errors.New("ciphertext or signature version is disallowed by policy (too old)")
		}
		b, err := base64.StdEncoding.DecodeString(parts[2])
		if err != nil {
			return nil, errors.New("invalid ciphertext: could not decode base64")
		}
		plain, err := openWith(versions[version-1], b, ad)
		if err != nil {
			return nil, errors.New("cipher: message authentication failed")
		}
		return map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain)}, nil
	}
	return nil, errors.New("missing plaintext to encrypt")
}

func sealWith(a cipher.AEAD, plain, ad []byte) []byte {
	nonce := make([]byte, a.NonceSize())
	_, _ = rand.Read(nonce)
	return a.Seal(nonce, nonce, plain, ad)
}

func openWith(a cipher.AEAD, b, ad []byte) ([]byte, error) {
	if len(b) < a.NonceSize() {
		return nil, errors.New("short")
	}
	return a.Open(nil, b[:a.NonceSize()], b[a.NonceSize():], ad)
}

// PluginArg as a test binary's first argument makes it the plugin; Plugin then
// is its main.
const PluginArg = "kek-plugin"

// Plugin is a program for exec:, with a key in the file of its last argument. It
// gives the exit code. The other argument says how it misbehaves: ok, code,
// error, hang, flood, chatter, echo.
func Plugin(args []string, in io.Reader, out, errs io.Writer) int {
	how, file := args[0], args[1]
	var req struct {
		Version               int
		Operation             string
		Plaintext, Ciphertext []byte
		AssociatedData        []byte `json:"associated_data"`
	}
	if err := json.NewDecoder(in).Decode(&req); err != nil || req.Version != 1 {
		fmt.Fprintln(errs, "no request")
		return 3
	}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "SLUICE_") {
			fmt.Fprintln(errs, "a setting of the router's reached the plugin")
			return 3
		}
	}
	switch how {
	case "code":
		fmt.Fprintln(errs, "denied for key AKIAIOSFODNN7EXAMPLEAKIAIOSFODNN7EXAMPLE")
		return 7
	case "error":
		_ = json.NewEncoder(out).Encode(map[string]string{"error": "the key is disabled"})
		return 0
	case "hang":
		select {}
	case "flood":
		for {
			if _, err := out.Write(make([]byte, 1<<16)); err != nil {
				return 1
			}
		}
	case "chatter":
		fmt.Fprintln(out, "hello")
		return 0
	case "echo":
		_ = json.NewEncoder(out).Encode(map[string][]byte{"ciphertext": req.Plaintext, "plaintext": req.Ciphertext})
		return 0
	}
	key, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(errs, "no key")
		return 4
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return 4
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return 4
	}
	answer := map[string][]byte{}
	if req.Operation == "wrap" {
		answer["ciphertext"] = sealWith(gcm, req.Plaintext, req.AssociatedData)
	} else if answer["plaintext"], err = openWith(gcm, req.Ciphertext, req.AssociatedData); err != nil {
		_ = json.NewEncoder(out).Encode(map[string]string{"error": "it is sealed with another key"})
		return 0
	}
	_ = json.NewEncoder(out).Encode(answer)
	return 0
}
