package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

// authority signs certificates of tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.cert, a.key = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(10000 * time.Hour),
	})
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	must(a.t, err)
	cert, err := x509.ParseCertificate(der)
	must(a.t, err)
	return cert, key
}

// leaf is a certificate of 127.0.0.1 or of another name.
func (a *authority) leaf(name string, from, until time.Duration) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if name == "" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	} else {
		template.DNSNames = []string{name}
	}
	cert, key := a.sign(template)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// serveTLS puts a handler behind a certificate and gives its origin.
func serveTLS(t *testing.T, cert tls.Certificate, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are refused on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestDoctorFindsThePublicURL(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	p := newPatient(t, func(*app.Options) {})
	ca := newAuthority(t)
	p.opts.Roots = ca.pool
	good := ca.leaf("", -day, 300*day)
	router := p.Handler()
	says := func(status int, header, value, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	alive := `{"status":"ok","version":"dev"}`
	for name, c := range map[string]struct {
		cert        tls.Certificate
		handler     http.Handler
		roots       *x509.CertPool
		check       string
		state       app.State
		found, mend string
	}{
		"all well":   {cert: good, handler: router, check: "public_url", state: app.StateOK, found: "a router of version"},
		"expired":    {cert: ca.leaf("", -9*day, -day), handler: router, check: "public_url", state: app.StateFailure, found: "expired on", mend: "Renew it"},
		"soon over":  {cert: ca.leaf("", -9*day, 3*day), handler: router, check: "public_url", state: app.StateWarning, found: "expires on", mend: "Renew it"},
		"too early":  {cert: ca.leaf("", day, 9*day), handler: router, check: "public_url", state: app.StateFailure, found: "only from", mend: "clock"},
		"other host": {cert: ca.leaf("sluice.example.com", -day, 300*day), handler: router, check: "public_url", state: app.StateFailure, found: "is for sluice.example.com, not for 127.0.0.1", mend: "public_url"},
		"nobody's":   {cert: good, handler: router, roots: x509.NewCertPool(), check: "public_url", state: app.StateFailure, found: "not trusted", mend: "SSL_CERT_FILE"},
		"not ours":   {cert: good, handler: says(200, "X-A", "b", "<html>"), check: "public_url", state: app.StateFailure, found: "no router", mend: "proxy"},
		"elsewhere":  {cert: good, handler: says(301, "Location", "https://other.example/x?secret=1", ""), check: "public_url", state: app.StateFailure, found: "https://other.example/x", mend: "proxy"},
		"skewed": {
			cert: good, handler: says(200, "Date", time.Now().Add(5*time.Minute).UTC().Format(http.TimeFormat), alive),
			check: "clock", state: app.StateWarning, found: "behind that of public_url", mend: "NTP",
		},
	} {
		p.opts.Config.PublicURL = serveTLS(t, c.cert, c.handler)
		p.opts.Roots = ca.pool
		if c.roots != nil {
			p.opts.Roots = c.roots
		}
		f := finds(t, p.examine(), c.check, c.state, c.found, c.mend)
		if name == "elsewhere" {
			leaks(t, name, f.Found, "secret=1")
		}
	}
	// Nobody there; without TLS; not set where it should be.
	gone := httptest.NewServer(router)
	gone.Close()
	p.opts.Config.PublicURL = gone.URL
	finds(t, p.examine(), "public_url", app.StateFailure, "is not reached", "Start the router")
	p.opts.Config.PublicURL = "https://" + gone.Listener.Addr().String()
	finds(t, p.examine(), "public_url", app.StateFailure, "is not reached", "Start the router")
	plain := httptest.NewServer(router)
	t.Cleanup(plain.Close)
	p.opts.Config.PublicURL = plain.URL
	finds(t, p.examine(), "public_url", app.StateOK, "answers at", "")
	p.opts.Config.PublicURL, p.opts.Config.Addr, p.opts.Config.AllowInsecureListen = "", "0.0.0.0:0", true
	finds(t, p.examine(), "public_url", app.StateWarning, "not set", "SLUICE_PUBLIC_URL")
}

// The files that the router itself serves TLS with.
func TestDoctorFindsTheCertificate(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	p := newPatient(t, func(*app.Options) {})
	ca := newAuthority(t)
	dir := t.TempDir()
	p.opts.Config.TLSCert, p.opts.Config.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	p.opts.Config.PublicURL = "https://127.0.0.1:1"
	write := func(cert tls.Certificate, mode os.FileMode) {
		t.Helper()
		must(t, os.WriteFile(p.opts.Config.TLSCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600))
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		must(t, err)
		must(t, os.WriteFile(p.opts.Config.TLSKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
		must(t, os.Chmod(p.opts.Config.TLSKey, mode))
	}
	finds(t, p.examine(), "certificate", app.StateFailure, "cannot be used", "tls_cert")
	write(ca.leaf("", -day, 300*day), 0o644)
	d := p.examine()
	finds(t, d, "certificate", app.StateOK, "good until", "")
	finds(t, d, "certificate", app.StateWarning, "has mode 0644", "chmod 0600")
	write(ca.leaf("", -9*day, -day), 0o600)
	finds(t, p.examine(), "certificate", app.StateFailure, "expired", "Renew")
	write(ca.leaf("else.example", -day, 300*day), 0o600)
	finds(t, p.examine(), "certificate", app.StateFailure, "is for else.example", "public_url")
}

func TestDoctorFindsRedirects(t *testing.T) {
	t.Parallel()
	p := newPatient(t, func(*app.Options) {})
	db := p.database()
	c := domain.AuthConfig{
		ID: domain.NewID(domain.PrefixAuthConfig), ProjectID: p.ProjectID(), Toolkit: "confluence", Name: "our app",
		Scheme: domain.SchemeOAuth2, Origin: domain.OriginProject, CreatedAt: time.Now(), UpdatedAt: time.Now(),
		Fields: map[string]string{"oauth_redirect_uri": "https://old.example.com/oauth/callback?x=secret"},
	}
	must(t, db.CreateAuthConfig(t.Context(), c))
	finds(t, p.examine(), "redirect", app.StateFailure, "sent back to https://old.example.com/oauth/callback", "http://"+p.Addr())
	p.opts.Config.Addr = "127.0.0.1:0"
	finds(t, p.examine(), "redirect", app.StateWarning, "our app (confluence): public_url is not set", "SLUICE_PUBLIC_URL")
	p.opts.Config.PublicURL = p.URL()
	f := finds(t, p.examine(), "redirect", app.StateFailure, "sent back to https://old.example.com/oauth/callback", p.URL())
	if f.About == nil || f.About.AuthConfig != c.ID {
		t.Errorf("about %+v", f.About)
	}
	c.Fields = map[string]string{"oauth_redirect_uri": p.URL() + "/oauth/callback"}
	must(t, db.UpdateAuthConfig(t.Context(), c.ProjectID, c))
	finds(t, p.examine(), "redirect", app.StateOK, "come back to "+p.URL(), "")
	c.Fields = map[string]string{"oauth_redirect_uri": p.URL() + "/elsewhere"}
	must(t, db.UpdateAuthConfig(t.Context(), c.ProjectID, c))
	finds(t, p.examine(), "redirect", app.StateFailure, "does not expect them", p.URL()+"/oauth/callback")
	c.Fields = nil
	must(t, db.UpdateAuthConfig(t.Context(), c.ProjectID, c))
	finds(t, p.examine(), "redirect", app.StateOK, "come back to "+p.URL()+"/oauth/callback", "")
}
