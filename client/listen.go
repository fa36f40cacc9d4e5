package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ListenQuery says which events are listened for; empty fields do not narrow.
type ListenQuery struct {
	Types      []string // of event, such as composio.trigger.message
	Toolkits   []string // slugs
	Triggers   []string // slugs of trigger types
	Sources    []string // ids of trigger instances, connected accounts, subscriptions
	UserIDs    []string
	AccountIDs []string
	// After is where to begin: the Cursor of the last event that was dealt with, or
	// FromOldest. Empty is what happens from now on.
	After string
	// Message asks for Event.Message.
	Message bool
	// Notice, when set, is told how the stream fares, from the goroutine that
	// listens.
	Notice func(Notice)
}

// FromOldest is the cursor before the oldest event that is kept.
const FromOldest = "0"

// Notice is news of a stream itself.
type Notice struct {
	// Connected says that the stream is open.
	Connected bool
	// Cursor is how far the stream is, when it says so without an event.
	Cursor string
	// Err is why it broke off, or could not be opened again; Retry is how long it
	// waits before the next try.
	Err   error
	Retry time.Duration
	// Missed is how many events between the cursor and the oldest one that is kept
	// are gone.
	Missed int64
}

const (
	// silence is how long a stream may give no sign of life: the server gives one
	// each 15 s.
	silence = 45 * time.Second
	// maxLine bounds one line of a stream.
	maxLine  = 4 << 20
	minRetry = 200 * time.Millisecond
	maxRetry = 15 * time.Second
)

// Listen gives events with their payload while they happen, in the order in which
// they are kept. It connects again by itself and goes on where it was: no event is
// missed, and none told twice. It ends when ctx does, without an error, and with
// the error when the server refuses (an *Error with a status such as 401) or
// cannot be reached at the first try.
//
// Keep the Cursor of what was dealt with, and begin there after a restart.
func (c *Client) Listen(ctx context.Context, q ListenQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		l := &listener{client: c, q: q, cursor: q.After}
		if l.q.Notice == nil {
			l.q.Notice = func(Notice) {}
		}
		for tries := 0; ; {
			before := l.opened
			err := l.once(ctx, yield)
			switch {
			case errors.Is(err, errEnough) || ctx.Err() != nil:
				return
			case l.opened == 0 || final(err):
				yield(Event{}, err)
				return
			}
			if l.opened > before {
				tries = 0
			}
			wait := backoff(tries, err)
			tries++
			l.q.Notice(Notice{Err: err, Retry: wait})
			if !sleep(ctx, wait) {
				return
			}
		}
	}
}

// errEnough ends a stream that its reader has left.
var errEnough = errors.New("client: enough")

// final says whether the server refused for good.
func final(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

// backoff gives the pause before the next try, with jitter.
func backoff(tries int, err error) time.Duration {
	wait := min(minRetry<<min(tries, 10), maxRetry)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusTooManyRequests {
		wait = max(maxRetry, 2*min(e.RetryAfter, time.Minute))
	}
	return wait/2 + rand.N(wait/2+1)
}

type listener struct {
	client *Client
	q      ListenQuery
	cursor string
	opened int // how often the stream was
}

// once reads one connection to its end.
func (l *listener) once(ctx context.Context, yield func(Event, error) bool) error {
	ctx, quiet := newPulse(ctx, silence)
	defer quiet.stop()
	res, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	l.opened++
	l.q.Notice(Notice{Connected: true})
	lines := bufio.NewReaderSize(res.Body, 64<<10)
	var m message
	for {
		line, err := readLine(lines)
		if err != nil {
			return broken(0, "the stream of events broke off", quiet.why(ctx, err), "")
		}
		quiet.beat()
		if !m.take(line) {
			continue
		}
		quiet.rest()
		if err := l.tell(&m, yield); err != nil {
			return err
		}
		quiet.beat()
		m = message{}
	}
}

func (l *listener) open(ctx context.Context) (*http.Response, error) {
	v := values(nil, map[string][]string{
		"types": l.q.Types, "toolkits": l.q.Toolkits, "trigger_slugs": l.q.Triggers, "sources": l.q.Sources,
		"user_ids": l.q.UserIDs, "connected_account_ids": l.q.AccountIDs,
	})
	if l.q.Message {
		v.Set("message", "true")
	}
	c := l.client
	req, err := c.request(ctx, http.MethodGet, "/sluice/events/stream", v, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if l.cursor != "" {
		req.Header.Set("Last-Event-ID", l.cursor)
	}
	res, err := c.patient().Do(req)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return nil, broken(0, "no answer from "+c.base, err, "Is the server running there?")
	}
	if res.StatusCode == http.StatusOK && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res, nil
	}
	defer res.Body.Close()
	if err := decode(ctx, res, nil); err != nil {
		return nil, err
	}
	return nil, &Error{Status: http.StatusNotFound, Message: "the answer of " + c.base + " is no stream of events"}
}

// message is one of a stream, while its lines come in.
type message struct {
	id, name string
	data     []byte
}

// take adds a line and says whether the message is complete.
func (m *message) take(line []byte) bool {
	if len(line) == 0 {
		return true
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "id":
		m.id = string(value)
	case "event":
		m.name = string(value)
	case "data":
		if m.data != nil {
			m.data = append(m.data, '\n')
		}
		m.data = append(m.data, value...)
	}
	return false
}

func (l *listener) tell(m *message, yield func(Event, error) bool) error {
	switch {
	case m.data == nil:
		if m.id != "" && !l.behind(m.id) {
			l.cursor = m.id
			l.q.Notice(Notice{Cursor: m.id})
		}
		return nil
	case m.name == "gap":
		var gap struct {
			Missed int64 `json:"missed"`
		}
		if json.Unmarshal(m.data, &gap) == nil && gap.Missed > 0 {
			l.q.Notice(Notice{Missed: gap.Missed})
		}
	case m.name == "" || m.name == "message":
		if l.behind(m.id) {
			return nil // a proxy that repeats
		}
		e := Event{Cursor: m.id}
		if err := json.Unmarshal(m.data, &e); err != nil {
			return &Error{Message: "an event of the stream is not the JSON that was expected: " + err.Error()}
		}
		l.cursor = m.id
		if !yield(e, nil) {
			return errEnough
		}
		return nil
	}
	if m.id != "" {
		l.cursor = m.id
	}
	return nil
}

// behind says whether the stream has passed the place already.
func (l *listener) behind(id string) bool {
	have, err1 := strconv.ParseInt(l.cursor, 10, 64)
	got, err2 := strconv.ParseInt(id, 10, 64)
	return err1 == nil && err2 == nil && got <= have
}

// readLine reads a line without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, errors.New("a line is longer than 4 MiB")
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) {
				err = errors.New("the server ended it")
			}
			return nil, err
		}
	}
}
