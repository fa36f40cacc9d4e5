package realtime

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// PathApp is where sockets of Pusher's protocol are opened: /app/{key}.
const PathApp = "/app/"

// The errors of the protocol. Clients do not come again after 40xx, wait after
// 41xx, and come at once after 42xx.
const (
	codeUnknownApp   = 4001
	codeOverQuota    = 4004
	codeVersion      = 4006
	codeOldVersion   = 4007
	codeNoVersion    = 4008
	codeUnauthorized = 4009
	codeOverCapacity = 4100
	codeReconnect    = 4200
	codeNoPong       = 4201
	codeRefused      = 4301
)

const (
	minProtocol, maxProtocol = 5, 7
	// maxFrames is how many messages a client may send in framesIn.
	maxFrames = 60
	framesIn  = 10 * time.Second
	// maxReason bounds why a connection is closed, in bytes: by WebSocket's rules.
	maxReason = 120
)

// Pusher serves sockets of Pusher's protocol at PathApp. Whoever opens one names
// an API key by its id, which tells nothing; a channel is told to whoever brings
// what Authorize has signed for it. Requests come from browsers' pages of any
// origin: no cookie counts here.
func (s *Server) Pusher() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.socketBegins() {
			http.Error(w, "the server is shutting down", http.StatusServiceUnavailable)
			return
		}
		defer s.sockets.Done()
		key, _ := strings.CutPrefix("/"+strings.TrimLeft(r.URL.Path, "/"), PathApp)
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return // it was answered
		}
		conn.SetReadLimit(maxFrame)
		defer func() { _ = conn.CloseNow() }()
		k := &socket{server: s, conn: conn, key: key, channels: map[string]context.CancelFunc{}}
		if code, why := k.run(context.WithoutCancel(r.Context()), r.URL.Query()); code != 0 {
			k.say(context.WithoutCancel(r.Context()), said{Event: "pusher:error", Data: problem{Code: code, Message: why}})
			_ = conn.Close(websocket.StatusCode(code), why[:min(len(why), maxReason)])
		}
	})
}

// socketBegins counts a socket, unless the server stops.
func (s *Server) socketBegins() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.sockets.Add(1)
	}
	return !s.closing
}

// problem is the data of an error; Code is left out where there is none.
type problem struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message"`
}

// socket is one connection.
type socket struct {
	server *Server
	conn   *websocket.Conn
	key    string // id of the API key
	id     string // socket_id

	mu       sync.Mutex
	channels map[string]context.CancelFunc
	tellers  sync.WaitGroup

	frames int // since window; of the reading goroutine
	window time.Time
}

// checkVersion says what is wrong with the protocol that a client speaks.
func checkVersion(q url.Values) (code int, why string) {
	text := q.Get("protocol")
	n, err := strconv.Atoi(text)
	switch {
	case text == "":
		return codeNoVersion, "no protocol version supplied: send protocol=7"
	case err != nil:
		return codeVersion, "the protocol version is not a number"
	case n < minProtocol || n > maxProtocol:
		return codeOldVersion, "the protocol version is not supported: send protocol=7"
	}
	return 0, ""
}

// run serves the socket to its end. A code means that the client is to be told.
func (k *socket) run(ctx context.Context, q url.Values) (code int, why string) {
	if code, why := checkVersion(q); code != 0 {
		return code, why
	}
	s := k.server
	if !domain.HasPrefix(k.key, domain.PrefixAPIKey) || len(k.key) > maxName {
		return codeUnknownApp, "there is no such key"
	}
	if err := s.opts.Identity.Good(ctx, k.key); err != nil {
		if domain.CodeOf(err) == domain.CodeUnauthenticated {
			return codeUnknownApp, "there is no such key"
		}
		return codeOverCapacity, "the server cannot look up the key now"
	}
	ctx, leave, err := s.enter(ctx, domain.Principal{KeyID: k.key})
	if err != nil {
		if domain.CodeOf(err) == domain.CodeRateLimited {
			return codeOverQuota, err.Error()
		}
		return codeOverCapacity, err.Error()
	}
	defer leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer k.tellers.Wait()
	defer cancel(context.Canceled)
	k.id = newSocketID()
	established, err := json.Marshal(map[string]any{"socket_id": k.id, "activity_timeout": int(s.opts.Activity.Seconds())})
	if err != nil || !k.say(ctx, said{Event: "pusher:connection_established", Data: string(established)}) {
		return 0, ""
	}
	heard := make(chan struct{}, 1)
	k.tellers.Go(func() { k.attend(ctx, cancel, heard) })
	return k.listen(ctx, heard)
}

func newSocketID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	return fmt.Sprintf("%d.%d", binary.BigEndian.Uint64(b[:8])>>12, binary.BigEndian.Uint64(b[8:])>>12)
}

// errNoPong ends a socket whose client is gone.
var errNoPong = errors.New("no answer to a ping")

// attend pings a client that says nothing, and ends the socket of one that stays
// silent.
func (k *socket) attend(ctx context.Context, cancel context.CancelCauseFunc, heard <-chan struct{}) {
	quiet := time.NewTimer(k.server.opts.Activity)
	defer quiet.Stop()
	pinged := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-heard:
			pinged = false
			quiet.Reset(k.server.opts.Activity)
		case <-quiet.C:
			if pinged {
				cancel(errNoPong)
				return
			}
			pinged = true
			k.say(ctx, said{Event: "pusher:ping", Data: "{}"})
			quiet.Reset(k.server.opts.Pong)
		}
	}
}

// listen reads until the socket ends.
func (k *socket) listen(ctx context.Context, heard chan<- struct{}) (code int, why string) {
	for {
		text, err := k.read(ctx)
		if err != nil {
			switch cause := context.Cause(ctx); {
			case errors.Is(cause, errClosing):
				return codeReconnect, "the server is shutting down"
			case errors.Is(cause, errNoPong):
				return codeNoPong, "no answer to a ping"
			case domain.CodeOf(cause) == domain.CodeUnauthenticated:
				return codeUnauthorized, "the API key was revoked"
			}
			return 0, ""
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		if k.tooMany() {
			return codeOverCapacity, "too many messages"
		}
		k.take(ctx, text)
	}
}

// read waits for a message. The library closes a connection whose reading is cut
// short, before it can be told why: so it is cut only when this is over.
func (k *socket) read(ctx context.Context) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	got := make(chan result, 1)
	go func() { // ends with the connection, which is closed when run returns
		_, text, err := k.conn.Read(context.WithoutCancel(ctx))
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		return r.text, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// tooMany counts the client's messages.
func (k *socket) tooMany() bool {
	now := time.Now()
	if now.Sub(k.window) > framesIn {
		k.window, k.frames = now, 0
	}
	k.frames++
	return k.frames > maxFrames
}

// take does what the client asks.
func (k *socket) take(ctx context.Context, text []byte) {
	f, err := parseFrame(text)
	if err != nil {
		k.complain(ctx, 0, err.Error())
		return
	}
	switch {
	case f.Event == "pusher:ping":
		k.say(ctx, said{Event: "pusher:pong", Data: "{}"})
	case f.Event == "pusher:pong":
	case f.Event == "pusher:subscribe":
		c, err := parseSubscription(f.Data)
		if err != nil {
			k.complain(ctx, 0, err.Error())
			return
		}
		k.subscribe(ctx, c)
	case f.Event == "pusher:unsubscribe":
		if c, err := parseSubscription(f.Data); err == nil {
			k.unsubscribe(c.Channel)
		}
	case strings.HasPrefix(f.Event, "client-"):
		k.complain(ctx, codeRefused, "clients may not send events here")
	default:
		k.complain(ctx, 0, "there is no such event for clients to send")
	}
}

func (k *socket) complain(ctx context.Context, code int, why string) {
	k.say(ctx, said{Event: "pusher:error", Data: problem{Code: code, Message: why}})
}

// refusal is the data of pusher:subscription_error.
type refusal struct {
	Type   string `json:"type"`
	Error  string `json:"error"`
	Status int    `json:"status"`
}

func (k *socket) refuse(ctx context.Context, channel string, status int, why string) {
	data, err := json.Marshal(refusal{Type: "AuthError", Error: why, Status: status})
	if err == nil {
		k.say(ctx, said{Event: "pusher:subscription_error", Channel: channel, Data: string(data)})
	}
}

// subscribe begins to tell a channel what happens from now on.
func (k *socket) subscribe(ctx context.Context, c subscription) {
	s := k.server
	project := projectOf(c.Channel)
	ok, err := s.allowed(ctx, k.key, k.id, c.Channel, c.Auth)
	switch {
	case err != nil:
		s.log.WarnContext(ctx, "a subscription could not be checked", "error", err)
		k.refuse(ctx, c.Channel, http.StatusServiceUnavailable, "the server cannot check this now; try again")
		return
	case !ok:
		k.refuse(ctx, c.Channel, http.StatusForbidden, "the channel is not open to this socket: get a signature for both from the router's realtime/auth")
		return
	}
	if k.has(c.Channel) {
		k.complain(ctx, 0, "the socket has subscribed to the channel already")
		return
	}
	w, head, stop, err := s.watch(ctx, project)
	if err != nil {
		s.log.WarnContext(ctx, "a subscription could not begin", "error", err)
		k.refuse(ctx, c.Channel, http.StatusServiceUnavailable, "the server cannot look for events now; try again")
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	k.mu.Lock()
	k.channels[c.Channel] = cancel
	k.mu.Unlock()
	k.say(ctx, said{Event: "pusher_internal:subscription_succeeded", Channel: c.Channel, Data: "{}"})
	k.tellers.Go(func() {
		defer stop()
		defer cancel()
		k.follow(ctx, w, head, project, c.Channel)
	})
}

func (k *socket) has(channel string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.channels[channel] != nil
}

func (k *socket) unsubscribe(channel string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if cancel := k.channels[channel]; cancel != nil {
		cancel()
		delete(k.channels, channel)
	}
}

// follow tells a channel the messages of triggers behind place.
func (k *socket) follow(ctx context.Context, w *watcher, place int64, project, channel string) {
	f := store.FeedFilter{Types: []domain.EventType{domain.EventTriggerMessage}}
	for {
		var head int64
		select {
		case <-ctx.Done():
			return
		case head = <-w.news:
		}
		for place < head {
			events, err := k.server.opts.Events.After(ctx, project, f, place, head, batch)
			if err != nil {
				if ctx.Err() != nil {
					return
				}
				k.server.log.WarnContext(ctx, "a socket could not read events; it tries again", "error", err)
				if !wait(ctx, time.Second) {
					return
				}
				continue
			}
			for i := range events {
				if place = events[i].Seq; !k.tell(ctx, channel, &events[i]) {
					return
				}
			}
			if len(events) < batch {
				place = head
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tell sends one event, in pieces when it is long.
func (k *socket) tell(ctx context.Context, channel string, e *domain.Event) bool {
	data, err := legacyOf(e, k.server.opts.Detail(ctx, e))
	if err != nil {
		k.server.log.ErrorContext(ctx, "an event could not be written", "event", e.ID, "error", err)
		return true
	}
	const name = "trigger_to_client"
	if len(data) <= maxWhole {
		return k.say(ctx, said{Event: name, Channel: channel, Data: string(data)})
	}
	for _, p := range cut(e.ID, string(data)) {
		part, err := json.Marshal(p)
		if err != nil || !k.say(ctx, said{Event: "chunked-" + name, Channel: channel, Data: string(part)}) {
			return false
		}
	}
	return true
}

// say sends a message. One that takes too long ends the connection.
func (k *socket) say(ctx context.Context, m said) bool {
	if ctx.Err() != nil {
		return false
	}
	text, err := json.Marshal(m)
	if err != nil {
		return false
	}
	// Not ctx: a write that is cut short breaks the connection, and what ends ctx
	// is to be told.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(k.server.opts.WriteTime, time.Second))
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, text) == nil
}
