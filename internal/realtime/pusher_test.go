package realtime_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/realtime"
)

// socket is a client of Pusher's protocol.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
	id   string
}

type told struct {
	Event, Channel string
	Data           any
}

// dial opens a socket without a word.
func (n *node) dial(path string) *socket {
	n.t.Helper()
	conn, res, err := websocket.Dial(n.t.Context(), n.server.URL+path, nil)
	must(n.t, err)
	if res.Body != nil {
		_ = res.Body.Close()
	}
	conn.SetReadLimit(1 << 20)
	n.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{t: n.t, conn: conn}
}

// socket opens one with a key's id and waits until it is established.
func (n *node) socket(keyID string) *socket {
	n.t.Helper()
	k := n.dial("/app/" + keyID + "?protocol=7&client=test&version=1")
	m := k.next()
	var data struct {
		SocketID string `json:"socket_id"`
		Activity int    `json:"activity_timeout"`
	}
	text, _ := m.Data.(string)
	if m.Event != "pusher:connection_established" || json.Unmarshal([]byte(text), &data) != nil || data.SocketID == "" {
		n.t.Fatalf("instead of being established: %+v", m)
	}
	k.id = data.SocketID
	return k
}

func (k *socket) say(text string) {
	k.t.Helper()
	must(k.t, k.conn.Write(k.t.Context(), websocket.MessageText, []byte(text)))
}

func (k *socket) read() (told, error) {
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	_, text, err := k.conn.Read(ctx)
	if err != nil {
		return told{}, err
	}
	var m told
	return m, json.Unmarshal(text, &m)
}

func (k *socket) next() told {
	k.t.Helper()
	m, err := k.read()
	must(k.t, err)
	return m
}

func (k *socket) want(event, channel string, data any) {
	k.t.Helper()
	if diff := cmp.Diff(told{event, channel, data}, k.next()); diff != "" {
		k.t.Fatalf("the next message (-want +got):\n%s", diff)
	}
}

// ended reads to the end, and gives the code of the last error and of the end.
func (k *socket) ended() (said float64, code websocket.StatusCode) {
	k.t.Helper()
	for {
		m, err := k.read()
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				k.t.Fatal("the socket does not end")
			}
			return said, websocket.CloseStatus(err)
		}
		if data, ok := m.Data.(map[string]any); ok && m.Event == "pusher:error" {
			said, _ = data["code"].(float64)
		}
	}
}

func subscribeTo(channel, auth string) string {
	return fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":%q,"auth":%q}}`, channel, auth)
}

func channelOf(project string) string { return "private-" + project + "_triggers" }

// sign asks for a signature with a key's principal.
func (n *node) sign(project, keyID, socket, channel string) string {
	n.t.Helper()
	auth, err := n.live.Authorize(n.t.Context(), domain.Principal{ProjectID: project, KeyID: keyID}, socket, channel)
	must(n.t, err)
	return auth
}

func (n *node) subscribed(project, keyID string) *socket {
	n.t.Helper()
	k := n.socket(keyID)
	k.say(subscribeTo(channelOf(project), n.sign(project, keyID, k.id, channelOf(project))))
	k.want("pusher_internal:subscription_succeeded", channelOf(project), "{}")
	return k
}

const (
	mine   = "pr_mine"
	theirs = "pr_theirs"
)

// The protocol, message by message.
func TestPusherTranscript(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		n := start(t, where)
		_, key := n.key(mine)
		n.publish(mine, "before")
		k := n.subscribed(mine, key)
		k.say(`{"event":"pusher:ping","data":""}`)
		k.want("pusher:pong", "", "{}")
		n.publish(mine, "1")
		const want = `{"appName":"confluence","clientId":"pr_mine","payload":{"key":"1"},"originalPayload":{"key":"1"},` +
			`"metadata":{"id":"TRIGGER","nanoId":"ti_1","triggerName":"CONFLUENCE_PAGE_CREATED_TRIGGER","triggerData":"",` +
			`"triggerConfig":{"space":"MKT"},"connection":{"id":"ACCOUNT","connectedAccountNanoId":"ca_1","integrationId":"CONFIG",` +
			`"authConfigNanoId":"ac_1","clientUniqueUserId":"user_1","status":"ACTIVE"}}}`
		k.want("trigger_to_client", channelOf(mine), wanted(want))
		// Only messages of triggers are for this channel.
		e := message(mine, "expired")
		e.Type = domain.EventAccountExpired
		must(t, n.keep(e))
		k.say(subscribeTo(channelOf(mine), n.sign(mine, key, k.id, channelOf(mine))))
		k.want("pusher:error", "", map[string]any{"message": "the socket has subscribed to the channel already"})
		k.say(`{"event":"client-hello","channel":"` + channelOf(mine) + `","data":"{}"}`)
		k.want("pusher:error", "", map[string]any{"code": 4301.0, "message": "clients may not send events here"})
		k.say(`{"event":"pusher:signin","data":{}}`)
		k.want("pusher:error", "", map[string]any{"message": "there is no such event for clients to send"})
		for _, broken := range []string{`[]`, `{"data":1}`, `{"event":""}`, `nonsense`, "{\"event\":\"\xff\"}"} {
			k.say(broken)
			k.want("pusher:error", "", map[string]any{"message": "expected a JSON object with an event"})
		}
		k.say(`{"event":"pusher:subscribe","data":"{}"}`)
		k.want("pusher:error", "", map[string]any{"message": "expected data with a channel"})
		k.say(`{"event":"pusher:unsubscribe","data":{"channel":"` + channelOf(mine) + `"}}`)
		k.say(`{"event":"pusher:ping"}`)
		k.want("pusher:pong", "", "{}")
		n.publish(mine, "2")
		// The data may be a string, as older clients send it.
		inner, err := json.Marshal(map[string]string{"channel": channelOf(mine), "auth": n.sign(mine, key, k.id, channelOf(mine))})
		must(t, err)
		outer, err := json.Marshal(map[string]string{"event": "pusher:subscribe", "data": string(inner)})
		must(t, err)
		k.say(string(outer))
		k.want("pusher_internal:subscription_succeeded", channelOf(mine), "{}")
		n.publish(mine, "3")
		if m := k.next(); !strings.Contains(fmt.Sprint(m.Data), `"payload":{"key":"3"}`) {
			t.Errorf("after a pause comes %+v", m)
		}
	})
}

// wanted puts in the derived ids.
func wanted(text string) string {
	for _, r := range [][2]string{
		{`"id":"TRIGGER"`, `"id":"` + domain.TwinID("trigger", "ti_1") + `"`},
		{"ACCOUNT", domain.TwinID("account", "ca_1")},
		{"CONFIG", domain.TwinID("auth_config", "ac_1")},
	} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}

// A long message comes in pieces, each short enough for Pusher's clients, which
// make the same message when put together.
func TestPusherChunks(t *testing.T) {
	t.Parallel()
	n := start(t, onSQLite(t))
	_, key := n.key(mine)
	k := n.subscribed(mine, key)
	text := strings.Repeat(`ü"\`, 15_000) + "🙂"
	e := message(mine, "long")
	payload, err := json.Marshal(map[string]string{"text": text})
	must(t, err)
	e.Payload = payload
	must(t, n.keep(e))
	var whole strings.Builder
	for i := 0; ; i++ {
		m := k.next()
		data, _ := m.Data.(string)
		var p struct {
			ID, Chunk string
			Index     int
			Final     bool
		}
		must(t, json.Unmarshal([]byte(data), &p))
		if m.Event != "chunked-trigger_to_client" || p.Index != i || !strings.HasPrefix(p.ID, domain.PrefixEvent) || len(data) > 10<<10 {
			t.Fatalf("piece %d of %d bytes: %s %+v", i, len(data), m.Event, p)
		}
		whole.WriteString(p.Chunk)
		if p.Final {
			break
		}
	}
	var got struct {
		Payload, OriginalPayload struct{ Text string }
	}
	must(t, json.Unmarshal([]byte(whole.String()), &got))
	if got.Payload.Text != text || got.OriginalPayload.Text != text {
		t.Error("the pieces do not make the message")
	}
}

// What was not signed for this socket, key and channel is refused; so is another
// project's channel, before and after signing.
func TestPusherWrongSignatures(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		n := start(t, where)
		_, key := n.key(mine)
		_, sibling := n.key(mine)
		_, other := n.key(theirs)
		k := n.socket(key)
		right := n.sign(mine, key, k.id, channelOf(mine))
		foreign := n.sign(theirs, other, k.id, channelOf(theirs))
		_, hash, _ := strings.Cut(right, ":")
		for _, tt := range []struct{ channel, auth string }{
			{channelOf(mine), ""},
			{channelOf(mine), key + ":"},
			{channelOf(mine), hash},
			{channelOf(mine), key + ":" + strings.Repeat("0", 64)},
			{channelOf(mine), right[:len(right)-1]},
			{channelOf(mine), right + "00"},
			{channelOf(mine), sibling + ":" + hash},
			{channelOf(mine), n.sign(mine, key, "1.2", channelOf(mine))}, // of another socket
			{channelOf(mine), n.sign(mine, sibling, k.id, channelOf(mine))},
			{channelOf(mine), n.sign(mine, key, k.id, "private-cli-"+mine)},
			{channelOf(theirs), right},
			{channelOf(theirs), foreign},
			{channelOf(theirs), key + strings.TrimPrefix(foreign, other)},
			{"private-pr_none_triggers", right},
			{"private-_triggers", right},
			{mine, right},
			{"presence-" + mine, right},
			{"public", ""},
		} {
			k.say(subscribeTo(tt.channel, tt.auth))
			m := k.next()
			if m.Event != "pusher:subscription_error" || m.Channel != tt.channel || !strings.Contains(fmt.Sprint(m.Data), `"status":403`) {
				t.Errorf("%s with %s: %+v", tt.channel, tt.auth, m)
			}
		}
		for _, p := range []domain.Principal{{ProjectID: theirs, KeyID: other}, {ProjectID: "pr_min", KeyID: other}, {}} {
			if _, err := n.live.Authorize(t.Context(), p, k.id, channelOf(mine)); domain.CodeOf(err) != domain.CodeForbidden {
				t.Errorf("%+v may have a signature: %v", p, err)
			}
		}
		for _, id := range []string{"", "1", "1.", "1.2:x", "1.2\n", strings.Repeat("1", 30) + ".1"} {
			if _, err := n.live.Authorize(t.Context(), domain.Principal{ProjectID: mine, KeyID: key}, id, channelOf(mine)); domain.CodeOf(err) != domain.CodeInvalid {
				t.Errorf("a signature for the socket %q: %v", id, err)
			}
		}
		n.publish(theirs, "secret")
		n.publish(mine, "known")
		k.say(subscribeTo(channelOf(mine), right))
		k.want("pusher_internal:subscription_succeeded", channelOf(mine), "{}")
	})
}

// Signatures hold at every replica, and so do events; a revoked key's sockets end
// wherever they are, and it opens no more.
func TestPusherReplicasAndRevocation(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		one := start(t, where)
		_, key := one.key(mine)
		two := start(t, where)
		k := two.socket(key)
		k.say(subscribeTo(channelOf(mine), one.sign(mine, key, k.id, channelOf(mine))))
		k.want("pusher_internal:subscription_succeeded", channelOf(mine), "{}")
		one.publish(mine, "1")
		if m := k.next(); !strings.Contains(fmt.Sprint(m.Data), `"payload":{"key":"1"}`) {
			t.Errorf("from the other replica comes %+v", m)
		}
		must(t, one.ids.Revoke(t.Context(), mine, key))
		if said, code := k.ended(); said != 4009 || code != 4009 {
			t.Errorf("it ended with %v, %v", said, code)
		}
		if said, code := two.dial("/app/" + key + "?protocol=7").ended(); said != 4001 || code != 4001 {
			t.Errorf("a revoked key's socket ended with %v, %v", said, code)
		}
	})
}

// Sockets that may not be are told why.
func TestPusherRefusals(t *testing.T) {
	t.Parallel()
	n := start(t, onSQLite(t), func(o *realtime.Options) { o.MaxStreams, o.MaxAllStreams = 1, 2 })
	_, key := n.key(mine)
	_, second := n.key(mine)
	_, third := n.key(mine)
	for path, want := range map[string]websocket.StatusCode{
		"/app/" + key: 4008, "/app/" + key + "?protocol=x": 4006, "/app/" + key + "?protocol=4": 4007, "/app/" + key + "?protocol=8": 4007,
		"/app/?protocol=7": 4001, "/app/key_none?protocol=7": 4001, "/app/" + key + "/x?protocol=7": 4001,
		"/app/" + strings.Repeat("key_", 100) + "?protocol=7": 4001,
	} {
		if said, code := n.dial(path).ended(); said != float64(want) || code != want {
			t.Errorf("%s ended with %v, %v; want %d", path, said, code, want)
		}
	}
	n.socket(key)
	if said, _ := n.dial("/app/" + key + "?protocol=7").ended(); said != 4004 {
		t.Errorf("a second of one ended with %v", said)
	}
	n.socket(second)
	if said, _ := n.dial("/app/" + third + "?protocol=7").ended(); said != 4100 {
		t.Errorf("a third of two ended with %v", said)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.server.URL+"/app/"+key, nil)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("without a WebSocket: %d", res.StatusCode)
	}
}

// A client that is gone, one that sends too much and one that sends too large
// messages are cut.
func TestPusherBounds(t *testing.T) {
	t.Parallel()
	n := start(t, onSQLite(t), func(o *realtime.Options) { o.Activity, o.Pong = 50*time.Millisecond, 50*time.Millisecond })
	_, key := n.key(mine)
	k := n.socket(key)
	k.want("pusher:ping", "", "{}")
	if said, code := k.ended(); said != 4201 || code != 4201 {
		t.Errorf("a silent one ended with %v, %v", said, code)
	}
	patient := start(t, onSQLite(t))
	_, key = patient.key(mine)
	k = patient.socket(key)
	k.say(`{"event":"` + strings.Repeat("x", 11<<10) + `"}`)
	if _, code := k.ended(); code != websocket.StatusMessageTooBig {
		t.Errorf("a large message ended it with %v", code)
	}
	k = patient.socket(key)
	for range 61 {
		if k.conn.Write(t.Context(), websocket.MessageText, []byte(`{"event":"pusher:pong"}`)) != nil {
			break
		}
	}
	if said, _ := k.ended(); said != 4100 {
		t.Errorf("many messages ended it with %v", said)
	}
	// The others are as before, also when what is said is not of the protocol.
	k = patient.subscribed(mine, key)
	noise := make([]byte, 200)
	for range 20 {
		_, _ = rand.Read(noise)
		must(t, k.conn.Write(t.Context(), websocket.MessageBinary, noise))
		if m := k.next(); m.Event != "pusher:error" {
			t.Fatalf("noise is answered with %+v", m)
		}
	}
	patient.live.Drain()
	if said, code := k.ended(); said != 4200 || code != 4200 {
		t.Errorf("the server's end is told as %v, %v", said, code)
	}
}

// A socket that does not read is cut, and holds up nobody.
func TestPusherSlowReader(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 10)
	n := start(t, onSQLite(t), func(o *realtime.Options) {
		o.WriteTime = 5 * time.Second // who reads never needs as long for one piece
		o.Opened = func() func() { return func() { gone <- struct{}{} } }
	})
	_, key := n.key(mine)
	n.subscribed(mine, key) // and never again
	k := n.subscribed(mine, key)
	finals := make(chan struct{}, 1000)
	go func() {
		for {
			m, err := k.read()
			if err != nil {
				close(finals)
				return
			}
			if strings.Contains(fmt.Sprint(m.Data), `"final":true`) {
				finals <- struct{}{}
			}
		}
	}()
	const many = 20 // more than the buffers on the way take
	for i := range many {
		e := message(mine, fmt.Sprint("big", i))
		e.Payload = []byte(`{"text":"` + strings.Repeat("x", 200<<10) + `"}`)
		must(t, n.keep(e))
	}
	for i := range many {
		select {
		case _, open := <-finals:
			if !open {
				t.Fatalf("the reader was cut behind %d of %d messages", i, many)
			}
		case <-time.After(patience):
			t.Fatalf("the reader has %d of %d messages", i, many)
		}
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the slow reader is not cut")
	}
}
