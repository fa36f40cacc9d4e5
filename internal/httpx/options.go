package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"
)

// The defaults of Options.
const (
	DefaultTimeout          = 60 * time.Second
	DefaultMaxResponseBytes = 20 << 20
	DefaultMaxRequestBytes  = 20 << 20
	DefaultMaxTries         = 3
	DefaultMaxRetryAfter    = 10 * time.Second
	maxRedirects            = 5
	maxIdlePerHost          = 64
	maxConnsPerHost         = 256
	maxHeaderBytes          = 256 << 10
)

// Options configures a Factory. The zero value is safe: https to public
// addresses only.
type Options struct {
	// Version follows "Sluice/" in the User-Agent.
	Version string
	// AllowAddrs opens exact addresses that the guard would refuse, for http
	// and https: the embedded sandbox's listener. Ports count.
	AllowAddrs []netip.AddrPort
	// AllowPrefixes opens ranges on every port, for http and https: upstreams
	// on the operator's own network.
	AllowPrefixes []netip.Prefix
	// AllowHTTP permits plain http to public addresses.
	AllowHTTP bool
	// Only, when set, is the one origin that is reached: what the operator named,
	// wherever its name leads, with http too. Everything else is refused, public or
	// not, and where it redirects to.
	Only *url.URL
	// Proxy is used for all but AllowAddrs. Nothing is read from the
	// environment. With a proxy, names are resolved by the proxy: keeping
	// private ranges away from names is then its duty. Literal addresses, names
	// of this machine and plain http are still judged here.
	Proxy *url.URL
	// RootCAs verifies upstreams; nil means the system's.
	RootCAs *x509.CertPool
	// Resolver answers names; nil means the system's.
	Resolver *net.Resolver

	// Timeout bounds one call with its redirects, retries and the reading of
	// the body. 0 means DefaultTimeout, negative none.
	Timeout time.Duration
	// MaxResponseBytes bounds each response body after decompression, and
	// MaxRequestBytes each request body. 0 means the default, negative none.
	MaxResponseBytes int64
	MaxRequestBytes  int64
	// MaxTries bounds the tries of one request; 0 means DefaultMaxTries.
	MaxTries int
	// MaxRetryAfter is the longest Retry-After that is waited for; a longer
	// one hands the answer to the caller. 0 means DefaultMaxRetryAfter.
	MaxRetryAfter time.Duration
	// Observe hears of each try, when it has answered or failed. It must be
	// quick and safe for concurrent use. Optional.
	Observe func(ctx context.Context, try Try)
}

// Try is one request on the wire. It holds no URL: those may hold secrets.
type Try struct {
	Label    string // of the call
	Method   string
	Host     string
	Number   int // from 1
	Status   int // 0 when there was no answer
	Err      error
	Duration time.Duration // until the header of the answer
}

// CallOptions is what one call brings.
type CallOptions struct {
	// BaseURL is where Authorize applies: its scheme, host and port must all
	// match. nil means nowhere.
	BaseURL *url.URL
	// Authorize puts credentials on a request about to be sent to BaseURL's
	// origin; it may change headers and query. It is called once a try, never
	// for a request that a redirect from elsewhere caused, and its work never
	// shows in the request that the caller holds. It must be safe for
	// concurrent use.
	Authorize func(*http.Request) error
	// Idempotent says that every request of this call may be repeated.
	Idempotent bool
	// Count, when set, is raised by one with each try.
	Count *atomic.Int64
	// Label says in Try what the call was for, in few distinct words.
	Label string
	// Timeout and MaxResponseBytes take the place of the factory's when not 0;
	// negative means none, for streams that the caller bounds itself.
	Timeout          time.Duration
	MaxResponseBytes int64
}

// Factory makes clients over one guarded connection pool. It is safe for
// concurrent use.
type Factory struct {
	guard     guard
	secure    *http.Transport // https
	plain     *http.Transport // http: a pool of its own, since its guard is stricter
	userAgent string

	timeout       time.Duration
	maxResponse   int64
	maxRequest    int64
	maxTries      int
	maxRetryAfter time.Duration
	observe       func(context.Context, Try)
}

// New makes a Factory. It opens no connection.
func New(o Options) (*Factory, error) {
	if o.Proxy != nil && (o.Proxy.Host == "" || (o.Proxy.Scheme != "http" && o.Proxy.Scheme != "https")) {
		return nil, errors.New("httpx: Proxy must be an http or https URL with a host")
	}
	for _, p := range o.AllowPrefixes {
		if !p.IsValid() {
			return nil, fmt.Errorf("httpx: AllowPrefixes: %v is not a range", p)
		}
	}
	f := &Factory{
		guard:         newGuard(o),
		userAgent:     "Sluice/" + orDefault(o.Version, "dev"),
		timeout:       max(0, orDefault(o.Timeout, DefaultTimeout)),
		maxResponse:   orDefault(o.MaxResponseBytes, DefaultMaxResponseBytes),
		maxRequest:    orDefault(o.MaxRequestBytes, DefaultMaxRequestBytes),
		maxTries:      max(1, orDefault(o.MaxTries, DefaultMaxTries)),
		maxRetryAfter: orDefault(o.MaxRetryAfter, DefaultMaxRetryAfter),
		observe:       o.Observe,
	}
	f.secure = f.newTransport(o, f.guard.control)
	f.plain = f.newTransport(o, f.guard.controlPlain)
	return f, nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (f *Factory) newTransport(o Options, control controlFunc) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: o.Resolver, Control: control}
	dial := dialer.DialContext
	var proxy func(*http.Request) (*url.URL, error)
	if o.Proxy != nil {
		proxy = func(req *http.Request) (*url.URL, error) {
			if f.guard.isAllowedAddr(req.URL) {
				return nil, nil
			}
			return o.Proxy, nil
		}
		// The operator named the proxy, so its own address is not judged.
		// Everything but AllowAddrs goes through it: no upstream can gain by
		// spelling the proxy's address.
		toProxy := &net.Dialer{Timeout: dialer.Timeout, KeepAlive: dialer.KeepAlive, Resolver: o.Resolver}
		proxyAddr := net.JoinHostPort(o.Proxy.Hostname(), portOf(o.Proxy))
		dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == proxyAddr {
				return toProxy.DialContext(ctx, network, addr)
			}
			return dialer.DialContext(ctx, network, addr)
		}
	}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:           4 * maxIdlePerHost,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxConnsPerHost:        maxConnsPerHost,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// For gives the client of one call. It costs one allocation and shares the
// factory's connections; it needs no closing.
func (f *Factory) For(o CallOptions) *http.Client {
	c := &call{f: f, o: o}
	timeout := f.timeout
	if o.Timeout != 0 {
		timeout = max(0, o.Timeout)
	}
	c.client = http.Client{Transport: c, CheckRedirect: checkRedirect, Timeout: timeout}
	return &c.client
}

// Check judges an address before anything is sent there: its form, a literal
// address in it, and plain http where nothing is open to it. A name is judged by
// what it resolves to, when it is called.
func (f *Factory) Check(u *url.URL) error {
	if err := f.guard.checkURL(u); err != nil {
		return err
	}
	if _, isLiteral := literal(u); u.Scheme == "http" && !isLiteral && !f.guard.allowHTTP && len(f.guard.prefixes) == 0 {
		return withHost(&BlockedError{Kind: kindPlain}, u)
	}
	return nil
}

// Close closes idle connections; those in use live until their call ends.
func (f *Factory) Close() {
	f.secure.CloseIdleConnections()
	f.plain.CloseIdleConnections()
}
