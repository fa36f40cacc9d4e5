// Package httpx is the only way out for upstream traffic.
//
// A Factory owns one guarded connection pool. For gives the *http.Client of
// one call: it is cheap, puts the call's credentials only on requests to the
// call's own origin, and bounds time, sizes and retries.
//
// What the guard holds to:
//
//   - Addresses are judged after DNS resolution, on the socket about to be
//     opened, so a name that changes its mind between check and use gains
//     nothing. Private, loopback, link-local, multicast, carrier-grade NAT,
//     documentation, tunnel and cloud metadata addresses are refused. Open are
//     exact addresses (AllowAddrs) and configured ranges (AllowPrefixes).
//   - Plain http goes only to those open addresses, unless AllowHTTP is set.
//   - A factory with Only reaches one origin, by the operator's word, and nothing
//     else.
//   - Every redirect passes the same checks; at most five are followed. Off the
//     first origin (scheme, host, port) no credential travels, and none comes
//     back when a later redirect returns to it.
//   - Only requests that may be repeated are repeated: GET, HEAD, OPTIONS and
//     what the caller marks.
package httpx
