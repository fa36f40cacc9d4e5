package httpx

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/sluice-run/sluice/internal/domain"
)

type controlFunc = func(network, address string, _ syscall.RawConn) error

// guard decides which addresses may be reached.
type guard struct {
	addrs     []netip.AddrPort
	prefixes  []netip.Prefix
	allowHTTP bool
	proxied   bool // so that no socket is opened to what a name leads to
	only      *url.URL
}

func newGuard(o Options) guard {
	g := guard{prefixes: slices.Clone(o.AllowPrefixes), allowHTTP: o.AllowHTTP, proxied: o.Proxy != nil, only: o.Only}
	for _, a := range o.AllowAddrs {
		g.addrs = append(g.addrs, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	return g
}

// blockedRanges are the special ranges of IANA's registries that are inside
// the otherwise reachable space, with the word that a message uses. Order
// matters only for the word.
var blockedRanges = []struct {
	kind   string
	prefix netip.Prefix
}{
	{"cloud metadata", netip.MustParsePrefix("169.254.169.254/32")},
	{"cloud metadata", netip.MustParsePrefix("168.63.129.16/32")}, // Azure's, in a public range
	{"cloud metadata", netip.MustParsePrefix("100.100.100.200/32")},
	{"cloud metadata", netip.MustParsePrefix("192.0.0.192/32")},
	{"cloud metadata", netip.MustParsePrefix("fd00:ec2::254/128")},
	{"unspecified", netip.MustParsePrefix("0.0.0.0/8")},
	{"private", netip.MustParsePrefix("10.0.0.0/8")},
	{"carrier-grade NAT", netip.MustParsePrefix("100.64.0.0/10")},
	{"loopback", netip.MustParsePrefix("127.0.0.0/8")},
	{"link-local", netip.MustParsePrefix("169.254.0.0/16")},
	{"private", netip.MustParsePrefix("172.16.0.0/12")},
	{"reserved", netip.MustParsePrefix("192.0.0.0/24")},
	{"documentation", netip.MustParsePrefix("192.0.2.0/24")},
	{"reserved", netip.MustParsePrefix("192.88.99.0/24")},
	{"private", netip.MustParsePrefix("192.168.0.0/16")},
	{"benchmarking", netip.MustParsePrefix("198.18.0.0/15")},
	{"documentation", netip.MustParsePrefix("198.51.100.0/24")},
	{"documentation", netip.MustParsePrefix("203.0.113.0/24")},
	{"multicast", netip.MustParsePrefix("224.0.0.0/4")},
	{"reserved", netip.MustParsePrefix("240.0.0.0/4")},
	{"unspecified", netip.MustParsePrefix("::/128")},
	{"loopback", netip.MustParsePrefix("::1/128")},
	{"IPv4-mapped", netip.MustParsePrefix("::ffff:0:0/96")},
	{"NAT64", nat64},
	{"NAT64", netip.MustParsePrefix("64:ff9b:1::/48")},
	{"private", netip.MustParsePrefix("fc00::/7")},
	{"link-local", netip.MustParsePrefix("fe80::/10")},
	{"multicast", netip.MustParsePrefix("ff00::/8")},
	{"reserved", netip.MustParsePrefix("2001::/23")}, // Teredo, ORCHID, benchmarking
	{"documentation", netip.MustParsePrefix("2001:db8::/32")},
	{"6to4", netip.MustParsePrefix("2002::/16")},
	{"documentation", netip.MustParsePrefix("3fff::/20")},
}

var (
	globalUnicast6 = netip.MustParsePrefix("2000::/3")
	nat64          = netip.MustParsePrefix("64:ff9b::/96")
)

// blockedKind names the special range that addr lies in, or "" for a public
// address.
func blockedKind(addr netip.Addr) string {
	if addr.Zone() != "" {
		return "link-local"
	}
	for _, r := range blockedRanges {
		// A 4-in-6 address is in no IPv4 prefix, and in no IPv6 one for
		// netip: it is judged by its own entry.
		if r.prefix.Contains(addr) {
			return r.kind
		}
	}
	if addr.Is4In6() {
		return "IPv4-mapped"
	}
	if addr.Is6() && !globalUnicast6.Contains(addr) {
		return "reserved" // IPv6 outside 2000::/3 is not the Internet
	}
	return ""
}

// opened says whether the configuration opens the address.
func (g *guard) opened(ap netip.AddrPort) bool {
	if slices.Contains(g.addrs, ap) {
		return true
	}
	for _, p := range g.prefixes {
		if !p.Contains(ap.Addr()) {
			continue
		}
		if nat64.Contains(ap.Addr()) {
			// Opening the translator does not open what lies behind it.
			b := ap.Addr().As16()
			return blockedKind(netip.AddrFrom4([4]byte(b[12:]))) == ""
		}
		return true
	}
	return false
}

// judge says whether a socket to ap may be opened.
func (g *guard) judge(ap netip.AddrPort, plain bool) error {
	if g.only != nil || g.opened(ap) { // a request to anything else gets no socket, see checkURL
		return nil
	}
	if kind := blockedKind(ap.Addr()); kind != "" {
		return &BlockedError{Kind: kind}
	}
	if plain && !g.allowHTTP {
		return &BlockedError{Kind: kindPlain}
	}
	return nil
}

func (g *guard) control(network, address string, _ syscall.RawConn) error {
	return g.judgeText(network, address, false)
}

func (g *guard) controlPlain(network, address string, _ syscall.RawConn) error {
	return g.judgeText(network, address, true)
}

func (g *guard) judgeText(network, address string, plain bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return &BlockedError{Kind: "unknown"}
	}
	return g.judge(ap, plain)
}

// checkURL refuses what needs no DNS to be refused: other schemes, no host,
// a user in the URL, and literal addresses.
func (g *guard) checkURL(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" {
		return domain.Errorf(domain.CodeInvalid, "an upstream URL must begin with https://, not %q", u.Scheme+"://")
	}
	if u.Hostname() == "" {
		return domain.Errorf(domain.CodeInvalid, "an upstream URL needs a host")
	}
	if u.User != nil {
		return domain.Errorf(domain.CodeInvalid, "an upstream URL must not hold a user or password").
			WithFix("leave out the part before the @; credentials belong to the connected account")
	}
	if g.only != nil {
		if !sameOrigin(u, g.only) {
			return withHost(&BlockedError{Kind: kindOther}, u)
		}
		return nil
	}
	if ap, ok := literal(u); ok {
		if err := g.judge(ap, u.Scheme == "http"); err != nil {
			return withHost(err, u)
		}
	} else if g.proxied {
		if kind := g.unfitForProxy(u); kind != "" {
			return withHost(&BlockedError{Kind: kind}, u)
		}
	}
	return nil
}

// unfitForProxy names what is wrong with a name that a proxy would resolve: what
// can be seen of it without, since no socket to it is judged here.
func (g *guard) unfitForProxy(u *url.URL) string {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case last == "localhost":
		return "loopback"
	case last == "" || last == "local" || last == "internal":
		return "private"
	case last[0] >= '0' && last[0] <= '9': // 127.1, 0x7f000001: no name, and some read an address in it
		return "unspecified"
	case u.Scheme == "http" && !g.allowHTTP:
		return kindPlain
	}
	return ""
}

// isAllowedAddr says whether u names one of AllowAddrs by its literal address.
func (g *guard) isAllowedAddr(u *url.URL) bool {
	ap, ok := literal(u)
	return ok && slices.Contains(g.addrs, ap)
}

func literal(u *url.URL) (netip.AddrPort, bool) {
	// A first byte that no address has spares the common case a parse.
	host := u.Hostname()
	if c := host[0]; (c < '0' || c > '9') && c != ':' && u.Host[0] != '[' {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	var port uint16
	for _, c := range []byte(portOf(u)) {
		port = port*10 + uint16(c-'0')
	}
	return netip.AddrPortFrom(addr, port), true
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}
