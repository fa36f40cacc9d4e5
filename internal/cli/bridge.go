package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sluice-run/sluice/client"
)

// Bounds of the bridge.
const (
	maxMessage  = 16 << 20         // bytes of one message, in either direction
	maxInFlight = 128              // requests at a time
	drainTime   = 10 * time.Second // for running requests once standard input has ended
	handshake   = 30 * time.Second // for initialize, which all later messages wait for
)

// Codes of JSON-RPC 2.0 §5.1 that the bridge answers with itself.
const (
	codeParse    = -32700
	codeRequest  = -32600
	codeInternal = -32603
)

// bridge carries MCP messages between standard streams and a session's URL:
// one line in, one POST out; what comes back, JSON or an event stream, is
// written a message a line (MCP "stdio" of every revision). Each message says
// its era by itself: with a protocol version in _meta it is modern, otherwise it
// belongs to the legacy session that initialize opened.
type bridge struct {
	session *client.Session
	streams Streams
	http    *http.Client
	drain   time.Duration

	out     sync.Mutex // one writer of standard output at a time
	reopens sync.Mutex // one renewal of the legacy session at a time
	running sync.WaitGroup

	mu       sync.Mutex
	legacy   legacySession
	inFlight map[string]*flight // requests by their id as written
}

// legacySession is what initialize agreed on.
type legacySession struct {
	id, version string
	initialize  []byte // the client's own message, to open the session again
}

// flight is a request that waits for its answer.
type flight struct {
	cancel context.CancelFunc
	modern bool
	stream bool          // subscriptions/listen: open until somebody ends it
	sent   chan struct{} // closed when the router has it
	once   sync.Once
}

func (f *flight) markSent() { f.once.Do(func() { close(f.sent) }) }

func newBridge(session *client.Session, streams Streams) *bridge {
	transport := http.DefaultTransport.(*http.Transport).Clone() // its documented type
	transport.MaxIdleConnsPerHost = 32
	return &bridge{
		session: session, streams: streams, drain: drainTime, inFlight: map[string]*flight{},
		http: &http.Client{
			Transport: transport,
			// A redirect would carry the API key to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// rpc is what the bridge needs to know of a message.
type rpc struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		URI       string          `json:"uri"`
		RequestID json.RawMessage `json:"requestId"`
		Meta      map[string]any  `json:"_meta"`
	} `json:"params"`
}

const versionMeta = "io.modelcontextprotocol/protocolVersion"

// modern gives the protocol version that a modern message names.
func (m *rpc) modern() string {
	v, _ := m.Params.Meta[versionMeta].(string)
	return v
}

// isRequest says whether the message must be answered.
func (m *rpc) isRequest() bool {
	return m.Method != "" && len(m.ID) > 0 && string(m.ID) != "null"
}

// run passes messages on until standard input ends or ctx does.
func (b *bridge) run(ctx context.Context) error {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := b.read(work)
	for {
		select {
		case <-ctx.Done():
			b.running.Wait()
			b.end(ctx)
			return nil
		case l, ok := <-lines:
			switch {
			case !ok:
				b.finish(cancel)
				b.end(ctx)
				return nil
			case errors.Is(l.err, errLong):
				b.fail(nil, codeRequest, fmt.Sprintf("a message may have at most %d MiB", maxMessage>>20))
			case l.err != nil:
				b.finish(cancel)
				return fmt.Errorf("reading standard input: %w", l.err)
			case len(bytes.TrimSpace(l.text)) > 0:
				b.take(work, l.text)
			}
		}
	}
}

// finish waits for running requests, but not for ever: streams end at once, the
// rest when the time to drain is over.
func (b *bridge) finish(cancel context.CancelFunc) {
	b.mu.Lock()
	for _, f := range b.inFlight {
		if f.stream {
			f.cancel()
		}
	}
	b.mu.Unlock()
	defer time.AfterFunc(b.drain, cancel).Stop()
	b.running.Wait()
}

type rawLine struct {
	text []byte
	err  error
}

var errLong = errors.New("line too long")

// read gives the lines of standard input. Reading it cannot be cancelled: the
// goroutine ends with the input or the process.
func (b *bridge) read(ctx context.Context) <-chan rawLine {
	lines := make(chan rawLine)
	go func() {
		defer close(lines)
		in := bufio.NewReaderSize(b.streams.In, 64<<10)
		for {
			text, err := readLine(in, maxMessage)
			if errors.Is(err, io.EOF) && len(text) == 0 {
				return
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			select {
			case lines <- rawLine{text, err}:
			case <-ctx.Done():
				return
			}
			if err != nil && !errors.Is(err, errLong) {
				return
			}
		}
	}()
	return lines
}

// readLine reads a line of at most limit bytes; of a longer one nothing is kept,
// and the next call reads the line after it.
func readLine(in *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if !long {
			line = append(line, part...)
			if len(line) > limit {
				long, line = true, nil
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLong
		default:
			return line, err
		}
	}
}

// take starts on one line. The handshake is waited for, so that the messages
// after it know the session; the rest run side by side.
func (b *bridge) take(ctx context.Context, line []byte) {
	x, err := newExchange(line)
	if err != nil {
		b.fail(nil, codeParse, "parse error: one JSON-RPC message a line was expected")
		return
	}
	switch m := &x.rpc; {
	case m.Method == "notifications/cancelled" && b.cancelModern(m.Params.RequestID):
		return // over HTTP the modern era cancels by closing the request
	case m.Method == "notifications/cancelled":
		b.running.Go(func() {
			b.awaitSent(ctx, m.Params.RequestID)
			b.post(ctx, x)
		})
		return
	case m.Method == "initialize" || m.Method == "notifications/initialized":
		ctx, cancel := context.WithTimeout(ctx, handshake)
		defer cancel()
		b.post(ctx, x)
		return
	case !m.isRequest():
		b.running.Go(func() { b.post(ctx, x) })
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &flight{cancel: cancel, modern: x.rpc.modern() != "", stream: x.rpc.Method == "subscriptions/listen", sent: make(chan struct{})}
	id := string(x.rpc.ID)
	if why := b.admit(id, f); why != "" {
		cancel()
		b.fail(x.rpc.ID, codeRequest, why)
		return
	}
	x.sent = f.markSent
	b.running.Go(func() {
		defer cancel()
		defer f.markSent()
		b.post(ctx, x)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.inFlight, id)
	})
}

// admit enters a request; otherwise it says why not.
func (b *bridge) admit(id string, f *flight) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.inFlight[id] != nil:
		return "a request with this id is still running"
	case len(b.inFlight) >= maxInFlight:
		return fmt.Sprintf("%d requests are running; wait for an answer before sending another", maxInFlight)
	}
	b.inFlight[id] = f
	return ""
}

// cancelModern ends a modern request; false when id is not one's.
func (b *bridge) cancelModern(id json.RawMessage) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.inFlight[string(id)]
	if f == nil || !f.modern {
		return f == nil && b.legacy.id == ""
	}
	f.cancel()
	return true
}

// awaitSent waits until the router has the request: a cancellation that
// overtakes it would be lost.
func (b *bridge) awaitSent(ctx context.Context, id json.RawMessage) {
	b.mu.Lock()
	f := b.inFlight[string(id)]
	b.mu.Unlock()
	if f == nil {
		return
	}
	select {
	case <-f.sent:
	case <-ctx.Done():
	}
}

// write puts one message on a line of its own.
func (b *bridge) write(message []byte) {
	var line bytes.Buffer
	if json.Compact(&line, message) != nil || line.Len() == 0 {
		return
	}
	line.WriteByte('\n')
	b.out.Lock()
	defer b.out.Unlock()
	_, _ = b.streams.Out.Write(line.Bytes()) // a client that is gone closes standard input as well
}

// fail answers a request that could not be passed on.
func (b *bridge) fail(id json.RawMessage, code int, message string) {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	answer, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": code, "message": message},
	})
	if err == nil {
		b.write(answer)
	}
}

// exchange is one line of the client and the answers it waits for.
type exchange struct {
	rpc     rpc // zero for a batch
	line    []byte
	waiting []json.RawMessage // ids without an answer yet
	sent    func()            // called when the router has the message
}

// newExchange reads a line: a message, or a batch of them (revision 2025-03-26).
func newExchange(line []byte) (*exchange, error) {
	x := &exchange{line: line, sent: func() {}}
	if bytes.TrimSpace(line)[0] != '[' {
		if err := json.Unmarshal(line, &x.rpc); err != nil {
			return nil, err
		}
		if x.rpc.isRequest() {
			x.waiting = append(x.waiting, x.rpc.ID)
		}
		return x, nil
	}
	var batch []rpc
	if err := json.Unmarshal(line, &batch); err != nil {
		return nil, err
	}
	for i := range batch {
		if batch[i].isRequest() {
			x.waiting = append(x.waiting, batch[i].ID)
		}
	}
	return x, nil
}

// answered takes note of the answers in a message of the router.
func (x *exchange) answered(message []byte) {
	var one rpc
	if json.Unmarshal(message, &one) == nil {
		if one.Method == "" {
			x.waiting = slices.DeleteFunc(x.waiting, func(id json.RawMessage) bool { return sameID(id, one.ID) })
		}
		return
	}
	var batch []json.RawMessage
	if json.Unmarshal(message, &batch) == nil {
		for _, m := range batch {
			x.answered(m)
		}
	}
}

// sameID compares ids as values: the router may escape a text differently.
func sameID(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y string
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}
