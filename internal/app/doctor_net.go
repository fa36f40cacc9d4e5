package app

import (
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
	"slices"
	"strings"
	"time"
)

// soon is how long before its end a certificate or token is told.
const soon = 21 * 24 * time.Hour

// address says whether the router's address is free or a router answers there.
func (d *doctor) address(ctx context.Context) {
	d.begin("the address")
	addr := d.cfg.Addr
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		d.skip("address", "%q is not an address", addr)
		return
	}
	if port == "0" {
		d.ok("address", "any free port is taken")
		return
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		_ = ln.Close()
		d.ok("address", "%s is free: no router runs there", addr)
		return
	}
	if ip, perr := netip.ParseAddr(host); host == "" || perr == nil && ip.IsUnspecified() {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	scheme := "http"
	if d.cfg.TLS() {
		scheme = "https"
	}
	h, herr := d.health(ctx, scheme+"://"+addr, true)
	switch {
	case herr != nil:
		d.fail("address", "Stop that program, or choose another address with --addr or SLUICE_ADDR.",
			"%s cannot be listened on, and no router answers there: %v", d.cfg.Addr, errors.Unwrap(errTaken(d.cfg.Addr, err)))
	case h.Version != Version():
		d.warn("address", "Restart the router to run this version.", "a router of version %s answers on %s; this program is %s", h.Version, addr, Version())
	default:
		d.ok("address", "a router answers on %s, of this version", addr)
	}
}

// health is what /healthz says.
type health struct {
	Status, Version string
	date            string
}

// health asks a router whether it lives. trust leaves its certificate to other
// checks.
func (d *doctor) health(ctx context.Context, origin string, trust bool) (health, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: trust, RootCAs: d.Roots}, //nolint:gosec // see trust
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(origin, "/")+"/healthz", nil)
	if err != nil {
		return health{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return health{}, err
	}
	defer res.Body.Close()
	h := health{date: res.Header.Get("Date")}
	if to := res.Header.Get("Location"); to != "" {
		return h, fmt.Errorf("it sends to another address, %s", clean(to))
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&h); err != nil || h.Status != "ok" || h.Version == "" {
		return h, fmt.Errorf("what answers there is no router (status %d)", res.StatusCode)
	}
	return h, nil
}

// clean is an address without what may be secret in it.
func clean(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "which is not readable"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// certificate looks at the files of a router that speaks TLS itself.
func (d *doctor) certificate() {
	if !d.cfg.TLS() {
		return
	}
	d.begin("the certificate")
	pair, err := tls.LoadX509KeyPair(d.cfg.TLSCert, d.cfg.TLSKey)
	if err != nil {
		d.fail("certificate", "Set tls_cert and tls_key to PEM files that belong together.", "it cannot be used: %v", err)
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		d.fail("certificate", "Set tls_cert to a PEM file, the router's own certificate first.", "it cannot be read: %v", err)
		return
	}
	if info, err := os.Stat(d.cfg.TLSKey); err == nil && info.Mode().Perm()&0o077 != 0 {
		d.warn("certificate", "chmod 0600 "+d.cfg.TLSKey, "its key file %s has mode %s: others on this machine may read it", d.cfg.TLSKey, octal(info.Mode().Perm()))
	}
	host := ""
	if u, err := url.Parse(d.cfg.PublicURL); err == nil {
		host = u.Hostname()
	}
	d.judge("certificate", leaf, host)
}

// judge says whether a certificate is in its time and for the host.
func (d *doctor) judge(check string, leaf *x509.Certificate, host string) bool {
	now, day := d.Now(), func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	const mend = "Renew it; the router takes up changed files of tls_cert and tls_key by itself."
	switch {
	case now.After(leaf.NotAfter):
		d.fail(check, mend, "the certificate expired on %s", day(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		d.fail(check, "Wait, or check this machine's clock.", "the certificate is good only from %s on", day(leaf.NotBefore))
	case host != "" && leaf.VerifyHostname(host) != nil:
		d.fail(check, "Get a certificate for "+host+", or correct public_url.", "the certificate is for %s, not for %s", names(leaf), host)
	case leaf.NotAfter.Sub(now) < soon:
		d.warn(check, mend, "the certificate expires on %s", day(leaf.NotAfter))
	default:
		d.ok(check, "the certificate is good until %s", day(leaf.NotAfter))
		return true
	}
	return false
}

func names(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return strings.Join(all, ", ")
}

// publicURL reaches the router as its clients do.
func (d *doctor) publicURL(ctx context.Context) {
	d.begin("the public URL")
	public := strings.TrimRight(d.cfg.PublicURL, "/")
	u, err := url.Parse(public)
	if public == "" || err != nil {
		host, _, _ := net.SplitHostPort(d.cfg.Addr)
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			d.warn("public_url", "Set public_url (SLUICE_PUBLIC_URL) to the origin by which clients reach the router.",
				"it is not set, and the router is reached from elsewhere: links are built on whatever Host a request names")
			return
		}
		d.ok("public_url", "it is not needed on loopback")
		return
	}
	if u.Scheme == "https" && !d.publicCertificate(ctx, u) {
		return
	}
	h, err := d.health(ctx, public, false)
	switch {
	case err != nil && h.date == "":
		d.fail("public_url", "Start the router and its proxy; check DNS and firewall. The name must reach it from this machine too, or this check cannot tell.",
			"%s is not reached: %v", public, err)
	case err != nil:
		d.fail("public_url", "Have the proxy pass everything below "+public+"/ on to the router.", "%s: %v", public, err)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		d.warn("public_url", "Put TLS in front, and set public_url to the https address.", "%s is reached, and keys travel in the clear", public)
	default:
		d.ok("public_url", "a router of version %s answers at %s", h.Version, public)
	}
	d.clock("public_url", h.date)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// publicCertificate looks at the certificate that clients see.
func (d *doctor) publicCertificate(ctx context.Context, u *url.URL) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	port := u.Port()
	if port == "" {
		port = "443"
	}
	dialer := &tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true}} //nolint:gosec // it is judged below
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		d.fail("public_url", "Start the router and its proxy; check DNS, firewall and whether TLS is spoken there.", "%s is not reached: %v", clean(u.String()), err)
		return false
	}
	defer func() { _ = conn.Close() }()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates //nolint:forcetypeassert // tls.Dialer gives nothing else
	good := d.judge("public_url", chain[0], u.Hostname())
	now := d.Now()
	if now.After(chain[0].NotAfter) || chain[0].VerifyHostname(u.Hostname()) != nil {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: d.Roots, Intermediates: between, CurrentTime: now}); err != nil {
		d.fail("public_url", "Serve the whole chain of a public authority, or make clients trust yours (SSL_CERT_FILE).",
			"the certificate is not trusted here: %v", err)
		return false
	}
	return good || now.Before(chain[0].NotAfter)
}

// maxSkew is how far two clocks may be apart: signatures and tokens have times.
const maxSkew = time.Minute

// clock compares this machine's clock with a Date header.
func (d *doctor) clock(whose, date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	if skew := d.Now().Sub(at); skew.Abs() > maxSkew {
		d.warn("clock", "Set the clock by the network (NTP).", "this machine's clock is %s", apart(skew, whose))
	}
}

func apart(skew time.Duration, whose string) string {
	if skew < 0 {
		return fmt.Sprintf("%s behind that of %s", (-skew).Round(time.Second), whose)
	}
	return fmt.Sprintf("%s ahead of that of %s", skew.Round(time.Second), whose)
}

// variable gives a variable of the examined environment.
func (d *doctor) variable(name string) string {
	for _, v := range d.Environ {
		if k, value, _ := strings.Cut(v, "="); k == name {
			return value
		}
	}
	return ""
}

// proxy tells of settings for proxies that do not do what they seem to.
func (d *doctor) proxy() {
	d.begin("proxies")
	good := true
	if u := d.cfg.Proxy(); u != nil {
		good = false
		d.ok("proxy", "calls go out through the proxy %s (from %s); keeping them from private addresses behind names is its duty", u.Host, d.cfg.Source("upstream_proxy"))
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if d.cfg.UpstreamProxy == "" && d.variable(name) != "" {
			good = false
			d.warn("proxy", "Set upstream_proxy (SLUICE_UPSTREAM_PROXY) when calls must go through a proxy; else nothing is to be done.",
				"%s is set, and calls of tools do not use it", name)
			break
		}
	}
	if len(d.cfg.TrustedProxies) > 0 && d.cfg.PublicURL != "" {
		d.ok("proxy", "X-Forwarded-* of %s is believed, and public_url comes before it", d.cfg.TrustedProxies)
		return
	}
	if good {
		d.ok("proxy", "calls go out directly, as they should")
	}
}

// model asks the provider that the environment names.
func (d *doctor) model(ctx context.Context) {
	d.begin("the model provider")
	base, key := openAIBase(d.variable), d.variable("OPENAI_API_KEY")
	switch {
	case base == "" && key == "":
		d.skip("model", "none is set: sluice chat uses the offline model (OPENAI_API_KEY, OPENAI_BASE_URL or OLLAMA_HOST name another)")
		return
	case base == "" && !d.Online:
		d.skip("model", "OPENAI_API_KEY is set; --online asks OpenAI whether it is good")
		return
	case base == "":
		base = "https://api.openai.com/v1"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/models", nil)
	if err != nil {
		d.fail("model", "Set OPENAI_BASE_URL to an address such as http://127.0.0.1:11434/v1.", "the address of the model server cannot be used")
		return
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.fail("model", "Start it, or correct OPENAI_BASE_URL or OLLAMA_HOST.", "the model server at %s does not answer", clean(base))
		return
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		d.fail("model", "Set OPENAI_API_KEY to a key of that provider.", "%s refuses the key (status %d)", clean(base), res.StatusCode)
	case res.StatusCode != http.StatusOK:
		d.warn("model", "Check OPENAI_BASE_URL: it ends with /v1 for most servers.", "%s/models answers with status %d", clean(base), res.StatusCode)
	default:
		d.ok("model", "%s answers", clean(base))
	}
}
