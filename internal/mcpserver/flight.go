package mcpserver

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/session"
)

// flightHeader carries a flight's handle to the shared SDK server. Whatever a
// client sends under this name is overwritten.
const flightHeader = "Sluice-Flight"

// flight is an HTTP request that is being served:
// for whom, in which session, and where its answer goes.
type flight struct {
	handle    *session.Handle
	reopen    func(context.Context) error // fails when the session is no longer to be had
	requestID string
	out       *stream
	legacy    *legacySession // nil in the modern era
	cancel    context.CancelCauseFunc
}

// flights are the requests in progress by handle.
type flights struct {
	mu   sync.Mutex
	next uint64
	all  map[string]*flight
}

// add gives f a handle.
func (fs *flights) add(f *flight) string {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.all == nil {
		fs.all = map[string]*flight{}
	}
	fs.next++
	id := strconv.FormatUint(fs.next, 36)
	fs.all[id] = f
	return id
}

func (fs *flights) remove(id string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.all, id)
}

func (fs *flights) get(id string) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.all[id]
}

func (fs *flights) cancelAll(cause error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.all {
		f.cancel(cause)
	}
}

var errNoFlight = errors.New("the HTTP request of this message has ended")

// flightOf finds the HTTP request that brought a message.
func (s *Server) flightOf(_ context.Context, extra *mcp.RequestExtra) (*flight, error) {
	if extra == nil || extra.Header == nil {
		return nil, errNoFlight
	}
	if f := s.flights.get(extra.Header.Get(flightHeader)); f != nil {
		return f, nil
	}
	return nil, errNoFlight
}
