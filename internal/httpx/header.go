package httpx

import (
	"net/http"
	"slices"
	"strings"
)

// ValidHeader says whether name and value can be a header of HTTP: name is a
// token, and value has no control characters but tabs. Both are bounded.
func ValidHeader(name, value string) bool {
	const most = 8 << 10
	if name == "" || len(name) > 256 || len(value) > most {
		return false
	}
	for _, r := range name {
		if r > '~' || r <= ' ' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return false
		}
	}
	return strings.IndexFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

// connectionHeaders are about one connection, or about who speaks through it.
var connectionHeaders = []string{
	"Connection", "Content-Length", "Host", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Forwarded", "Via",
}

// CallersHeader says whether a header of a request is the caller's to choose:
// neither the connection's own, nor credentials, nor an address.
func CallersHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return name != "Authorization" && name != "Cookie" && !slices.Contains(connectionHeaders, name) &&
		!strings.HasPrefix(name, "Proxy-") && !strings.HasPrefix(name, "X-Forwarded-")
}
