package httpx

import (
	"context"
	"net"
)

// SetDial puts an in-memory network under the factory. It bypasses the guard
// on the socket, which tests of time do not need; checks on the URL stay.
func (f *Factory) SetDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	f.secure.DialContext = dial
	f.plain.DialContext = dial
}
