package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// TransitOptions say where a HashiCorp Vault's transit engine keeps the key.
type TransitOptions struct {
	// URL is the address with mount and key: https://vault.example:8200/transit/sluice.
	// It may be private: the operator gives it. Plain http only on loopback.
	URL string
	// Token gives the token of the moment; it is asked before each request.
	Token func() (string, error)
	// Namespace is Vault Enterprise's; optional.
	Namespace string
	// CAFile is a PEM file of authorities to trust instead of the system's.
	CAFile string
}

const (
	transitTimeout = 10 * time.Second
	transitTries   = 3
	transitPause   = 200 * time.Millisecond
	transitMax     = 1 << 20
)

// transit seals the keyset by Vault's documented transit API: the key-encryption
// key never leaves Vault.
type transit struct {
	base, mount, key, namespace string
	token                       func() (string, error)
	client                      *http.Client
}

var _ Rewrapper = (*transit)(nil)

// TransitKey is a key in the transit engine of a HashiCorp Vault. The token's
// policy needs update on MOUNT/encrypt/KEY and MOUNT/decrypt/KEY.
func TransitKey(o TransitOptions) (KeyProvider, error) {
	u, err := url.Parse(o.URL)
	bad := domain.Invalid("key_provider", "vault-transit needs an address with mount and key, such as vault-transit:https://vault.example:8200/transit/sluice")
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, bad
	}
	path := strings.Trim(u.Path, "/")
	cut := strings.LastIndexByte(path, '/')
	if cut <= 0 || strings.Contains(path, "..") {
		return nil, bad
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !onLoopback(u.Hostname())) {
		return nil, domain.Invalid("key_provider", "vault-transit needs https: the token and the keyset would travel in the clear").
			WithFix("Use an https address; plain http is taken on loopback only.")
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		// A handful of requests in a process's life: nothing stays open, and no
		// buffer keeps what was sent.
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			return nil, domain.Invalid("vault_ca_file", "vault_ca_file %s holds no certificate that can be read", o.CAFile)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	if o.Token == nil {
		return nil, errors.New("vault: TransitOptions needs Token")
	}
	return &transit{
		base: u.Scheme + "://" + u.Host, mount: path[:cut], key: path[cut+1:], namespace: o.Namespace, token: o.Token,
		client: &http.Client{
			Transport: transport, Timeout: transitTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func onLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}

// Name gives the address without anything that could be a credential.
func (t *transit) Name() string {
	return fmt.Sprintf("the Vault Transit key %s/%s at %s", t.mount, t.key, t.base)
}

// Rewraps says that sealing again uses the newest version of Vault's key.
func (t *transit) Rewraps() bool { return true }

func (t *transit) KEK(context.Context, bool) (KEK, error) { return t, nil }

// transitMessage is the part of requests and answers that is used. Byte slices
// are base64 on the wire, as Vault has it.
type transitMessage struct {
	Plaintext      []byte `json:"plaintext,omitempty"`
	Ciphertext     string `json:"ciphertext,omitempty"`
	AssociatedData []byte `json:"associated_data,omitempty"`
}

func (t *transit) EncryptWithContext(ctx context.Context, plaintext, ad []byte) ([]byte, error) {
	out, err := t.post(ctx, "encrypt", transitMessage{Plaintext: plaintext, AssociatedData: ad})
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(out.Ciphertext, "vault:v") {
		return nil, t.odd()
	}
	return []byte(out.Ciphertext), nil
}

func (t *transit) DecryptWithContext(ctx context.Context, ciphertext, ad []byte) ([]byte, error) {
	if !bytes.HasPrefix(ciphertext, []byte("vault:v")) {
		return nil, errors.New("not sealed by a transit engine") // by another provider
	}
	out, err := t.post(ctx, "decrypt", transitMessage{Ciphertext: string(ciphertext), AssociatedData: ad})
	if err != nil {
		return nil, err
	}
	if len(out.Plaintext) == 0 {
		return nil, t.odd()
	}
	return out.Plaintext, nil
}

func (t *transit) odd() error {
	return domain.Errorf(domain.CodeUnavailable, "%s answered what a transit engine does not", t.Name()).
		WithFix("check the address in key_provider, its mount and key")
}

// post asks Vault, and again when it may be well in a moment: both operations
// can be repeated.
func (t *transit) post(ctx context.Context, op string, in transitMessage) (*transitMessage, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	for try := 1; ; try++ {
		out, again, err := t.once(ctx, op, body)
		if err == nil || !again || try == transitTries {
			return out, err
		}
		timer := time.NewTimer(time.Duration(try) * transitPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

func (t *transit) once(ctx context.Context, op string, body []byte) (out *transitMessage, again bool, err error) {
	token, err := t.token()
	if err != nil {
		return nil, false, err
	}
	if token == "" {
		return nil, false, domain.Invalid("vault_token", "%s needs a token, and vault_token is not set", t.Name()).
			WithFix("Set SLUICE_VAULT_TOKEN, or SLUICE_VAULT_TOKEN_FILE to a file that Vault's agent keeps fresh.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.base+"/v1/"+t.mount+"/"+op+"/"+t.key, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true")
	if t.namespace != "" {
		req.Header.Set("X-Vault-Namespace", t.namespace)
	}
	res, err := t.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		return nil, true, domain.Errorf(domain.CodeUnavailable, "%s does not answer", t.Name()).
			WithFix("check that Vault runs, its address, and its certificate (vault_ca_file)").WithCause(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, transitMax))
	if err != nil {
		return nil, true, domain.Errorf(domain.CodeUnavailable, "%s broke off its answer", t.Name()).WithCause(err)
	}
	defer clear(answer)
	if res.StatusCode != http.StatusOK {
		return nil, res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500, t.refused(op, res.StatusCode, answer, token)
	}
	var reply struct {
		Data transitMessage `json:"data"`
	}
	if err := json.Unmarshal(answer, &reply); err != nil {
		return nil, false, t.odd()
	}
	return &reply.Data, false, nil
}

// refused says what Vault said and what to do.
func (t *transit) refused(op string, status int, answer []byte, token string) error {
	var said struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(answer, &said) // without it the status tells
	text := clip(strings.Join(said.Errors, "; "), 200)
	if token != "" {
		text = strings.ReplaceAll(text, token, "[hidden]")
	}
	if text != "" {
		text = ": " + text
	}
	switch {
	case status == http.StatusForbidden:
		return domain.Errorf(domain.CodeInvalid, "%s refuses the token%s", t.Name(), text).
			WithFix("give a token that is valid and may update %s/encrypt/%s and %s/decrypt/%s", t.mount, t.key, t.mount, t.key)
	case status == http.StatusNotFound:
		return domain.Errorf(domain.CodeInvalid, "%s is not there%s", t.Name(), text).
			WithFix("check mount and key in key_provider; make the key with: vault write -f %s/keys/%s", t.mount, t.key)
	case status == http.StatusServiceUnavailable:
		return domain.Errorf(domain.CodeUnavailable, "%s is sealed or in standby%s", t.Name(), text).WithFix("unseal Vault")
	case status == http.StatusBadRequest && op == "decrypt":
		return domain.Errorf(domain.CodeInvalid, "%s does not open this home's secrets%s", t.Name(), text).
			WithFix("name the key that this home was made with, in a version that Vault still decrypts (min_decryption_version); no new key is made, since every stored secret would be lost")
	case status >= 500 || status == http.StatusTooManyRequests:
		return domain.Errorf(domain.CodeUnavailable, "%s answered %d%s", t.Name(), status, text).WithFix("look into Vault's log, and try again")
	}
	return domain.Errorf(domain.CodeInvalid, "%s answered %d%s", t.Name(), status, text).WithFix("check the address in key_provider, its mount and key")
}

// clip bounds foreign text in a message.
func clip(text string, limit int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
