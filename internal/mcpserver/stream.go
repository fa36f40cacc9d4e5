package mcpserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// writeTimeout bounds one write to a client that does not read. A stream as a
// whole has no time limit.
const writeTimeout = 30 * time.Second

var (
	comment  = []byte(": keep-alive\n\n")
	eventEnd = []byte("\n\n")
)

// stream is the response writer that the SDK gets. It
//   - sends the headers of an event stream although no event has come yet,
//   - writes comments between events, never within one, so that proxies and
//     clients see that the connection lives,
//   - turns the SDK's plain-text refusals into JSON,
//   - frames a late refusal as an event once an event stream has begun.
//
// The SDK has a header map of its own: only the side that commits touches the
// real one.
type stream struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	keepAlive time.Duration
	onBeat    func()          // with each comment; may be nil
	id        json.RawMessage // of the request, for refusals; may be nil

	header http.Header // the SDK's

	mu        sync.Mutex
	early     http.Header // what to commit when the answer is late; nil until arm
	timer     *time.Timer
	committed bool
	events    bool // text/event-stream
	boundary  bool // between two events
	asText    bool // a plain-text error, to be written as JSON
	asEvent   bool // a JSON response that came after events began
	closed    bool
	status    int
}

func newStream(w http.ResponseWriter, keepAlive time.Duration) *stream {
	s := &stream{
		w: w, control: http.NewResponseController(w), keepAlive: keepAlive,
		header: w.Header().Clone(), boundary: true,
	}
	// Recorders and HTTP/2 may not support deadlines; then there are none to clear.
	_ = s.control.SetReadDeadline(time.Time{})
	_ = s.control.SetWriteDeadline(time.Time{})
	return s
}

// Header gives the SDK's map.
func (s *stream) Header() http.Header { return s.header }

// Unwrap is deliberately absent: http.ResponseController must find Flush here.

// arm makes the headers go out after the given time although nothing was
// written, if the answer is to be an event stream. It must be called while
// nobody else touches Header.
func (s *stream) arm(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.committed || s.closed || s.timer != nil || !isEventStream(s.header) {
		return
	}
	s.early = s.header.Clone()
	s.timer = time.AfterFunc(after, s.beat)
}

// beat shows life.
func (s *stream) beat() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	if !s.committed {
		s.commit(s.early, http.StatusOK)
	}
	if s.events && s.boundary {
		_, _ = s.write(comment)
		_ = s.control.Flush()
	}
	s.timer.Reset(s.keepAlive)
	s.mu.Unlock()
	if s.onBeat != nil {
		s.onBeat()
	}
}

// commit sends status and headers. s.mu is held.
func (s *stream) commit(header http.Header, status int) {
	to := s.w.Header()
	for k, v := range header {
		to[k] = v
	}
	s.committed, s.status = true, status
	s.events = isEventStream(header)
	if s.events {
		to.Set("X-Accel-Buffering", "no")
		if s.timer == nil {
			s.timer = time.AfterFunc(s.keepAlive, s.beat)
		}
	}
	to.Set("X-Content-Type-Options", "nosniff")
	s.w.WriteHeader(status)
}

// WriteHeader implements http.ResponseWriter.
func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.committed {
		s.asEvent = s.events && status >= 400
		return
	}
	if status >= 400 && strings.HasPrefix(s.header.Get("Content-Type"), "text/plain") {
		s.asText, s.status = true, status // committed with the text
		s.header.Set("Content-Type", "application/json")
		return
	}
	s.commit(s.header, status)
}

// refusal gives status and body for a refusal that the SDK put in words. A
// method that it does not know is an answer like any other in the handshake
// era, where clients take other statuses for a broken connection.
func (s *stream) refusal(text string) (status int, body []byte) {
	code := codeOfStatus(s.status)
	status = s.status
	if strings.HasPrefix(text, "JSON RPC not handled") && s.id != nil {
		status, code, text = http.StatusOK, codeNoMethod, "method not found"
	}
	return status, append(errorBody(s.id, code, text), '\n')
}

// Write implements http.ResponseWriter. The SDK writes each event, each JSON
// response and each refusal in one piece.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, http.ErrHandlerTimeout
	}
	out := p
	if s.asText && !s.committed {
		status, body := s.refusal(string(bytes.TrimSpace(p)))
		s.commit(s.header, status)
		out = body
	}
	if !s.committed {
		s.commit(s.header, http.StatusOK)
	}
	if s.asEvent {
		out = append(append([]byte("event: message\ndata: "), bytes.TrimSpace(p)...), eventEnd...)
	}
	if _, err := s.write(out); err != nil {
		return 0, err
	}
	if s.events {
		s.boundary = bytes.HasSuffix(out, eventEnd)
	}
	return len(p), nil
}

// write passes bytes on within the time that one write may take. s.mu is held.
func (s *stream) write(p []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := s.w.Write(p)
	_ = s.control.SetWriteDeadline(time.Time{})
	return n, err
}

// FlushError lets http.ResponseController flush.
func (s *stream) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return http.ErrHandlerTimeout
	}
	if s.asText && !s.committed {
		return nil // its text comes first
	}
	if !s.committed {
		s.commit(s.header, http.StatusOK)
	}
	return s.control.Flush()
}

// begun says whether status and headers have gone out.
func (s *stream) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committed
}

// finish ends the stream: nothing is written after it returns.
func (s *stream) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

func isEventStream(h http.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/event-stream")
}

// codeOfStatus gives the JSON-RPC code of a refusal that the SDK stated in
// words only.
func codeOfStatus(status int) int {
	switch status {
	case http.StatusBadRequest:
		return codeInvalidRequest
	case http.StatusNotFound:
		return codeNoSession
	case http.StatusInternalServerError:
		return codeInternal
	}
	return codeRefused
}
