package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
)

// certificate writes a new key pair for 127.0.0.1 and gives it as clients see it.
func certificate(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := certificate(t, certFile, keyFile, 1)
	r := testApp(t, func(o *app.Options) { o.Config.TLSCert, o.Config.TLSKey = certFile, keyFile })
	if !strings.HasPrefix(r.URL(), "https://127.0.0.1:") {
		t.Fatalf("URL %s", r.URL())
	}
	roots := x509.NewCertPool()
	roots.AddCert(first)
	transport := r.http.Transport.(*http.Transport)
	transport.TLSClientConfig, transport.ForceAttemptHTTP2 = &tls.Config{RootCAs: roots}, true

	// Both doors and streams work, over HTTP/2 too.
	if got := r.mcpURL(); !strings.HasPrefix(got, r.URL()+"/tool_router/") {
		t.Errorf("MCP address %s", got)
	}
	id := r.session("ann", "")
	if res := r.call(id, "CONFLUENCE_GET_SPACES", `{}`).result(t); !res.Successful {
		t.Errorf("a call: %+v", res)
	}
	res, err := r.openStream(id)
	must(t, err)
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusOK {
		t.Errorf("a stream over HTTP/%d: %d", res.ProtoMajor, res.StatusCode)
	}
	_ = res.Body.Close()
	if a, err := r.try(t.Context(), http.MethodGet, "/healthz", ""); err != nil || a.status != http.StatusOK {
		t.Errorf("%v, %v", a, err)
	}

	serial := func() int64 {
		c, err := tls.Dial("tcp", r.Addr(), &tls.Config{InsecureSkipVerify: true})
		must(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("certificate %d", got)
	}
	certificate(t, certFile, keyFile, 2)
	eventually(t, 5*time.Second, "the new certificate", func() bool { return serial() == 2 })

	// A pair that does not belong together keeps the old one in force.
	certificate(t, certFile, filepath.Join(dir, "other.pem"), 3)
	eventually(t, 5*time.Second, "the broken pair is noticed", func() bool {
		if got := serial(); got != 2 {
			t.Fatalf("certificate %d", got)
		}
		return strings.Contains(r.logs.String(), "the old one stays")
	})
	must(t, os.Rename(filepath.Join(dir, "other.pem"), keyFile))
	eventually(t, 5*time.Second, "the mended pair", func() bool { return serial() == 3 })
	must(t, os.Remove(certFile))
	if got := serial(); got != 3 {
		t.Errorf("certificate %d", got)
	}

	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		c, err := tls.Dial("tcp", r.Addr(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err == nil {
			_ = c.Close()
			t.Errorf("%s is spoken", tls.VersionName(version))
		}
	}
}

func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	r := newApp(t, func(o *app.Options) { o.Config.TLSCert, o.Config.TLSKey = certFile, keyFile })
	err := r.Start(t.Context())
	if err == nil || !strings.Contains(told(err), certFile) || !strings.Contains(told(err), "tls_cert") {
		t.Errorf("missing files: %v", err)
	}
	if c, err := net.Dial("tcp", r.Addr()); err == nil {
		_ = c.Close()
		t.Error("it listens all the same")
	}
}
