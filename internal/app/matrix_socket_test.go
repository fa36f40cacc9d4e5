package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// socketDoor: a socket of Pusher's protocol hears what the router signed for it, to
// the project of the key with which it was opened.
func (m *matrix) socketDoor(string) {
	m.t.Helper()
	for _, n := range m.all {
		for _, token := range m.guesses(n, m.realtimeKey(n)) {
			s := m.dial(token)
			if s == nil {
				continue // no socket at all
			}
			if got := s.next(); !strings.Contains(got, "4001") {
				m.t.Errorf("CROSSING: the socket of %s opens with %s", n, got)
			}
			m.wrong++
		}
		for _, other := range m.except(n, false) {
			s := m.established(n)
			for _, auth := range []string{
				m.signature(n, s.id, n.project), m.signature(other, s.id, other.project), m.realtimeKey(n) + ":" + strings.Repeat("0", 64),
			} {
				s.subscribe(other.project, auth)
				got := s.next()
				m.hidden("a socket", other.project, answer{body: got}, n, m.except(n, false))
				if !strings.Contains(got, "subscription_error") || !strings.Contains(got, "403") {
					m.t.Errorf("CROSSING: the socket of %s on the channel of %s: %s", n, other, got)
				}
				m.wrong++
			}
			a := m.send(http.MethodPost, "/api/v3/internal/sdk/realtime/auth", fmt.Sprintf("socket_id=%s&channel_name=private-%s_triggers", s.id, other.project),
				"X-Api-Key", n.things["key"], "Content-Type", "application/x-www-form-urlencoded")
			if a.status != http.StatusForbidden {
				m.t.Errorf("CROSSING: %s may have a signature for %s: %v", n, other, a)
			}
			m.wrong++
		}
		s := m.established(n)
		s.subscribe(n.project, m.signature(n, s.id, n.project))
		if got := s.next(); !strings.Contains(got, "subscription_succeeded") {
			m.t.Errorf("the socket of %s on its own channel: %s", n, got)
		}
		m.right++
	}
}

// rawSocket is a client of the door that knows no better.
type rawSocket struct {
	m    *matrix
	conn *websocket.Conn
	id   string
}

func (m *matrix) dial(key string) *rawSocket {
	m.t.Helper()
	conn, res, err := websocket.Dial(m.t.Context(), m.URL()+"/app/"+key+"?protocol=7", &websocket.DialOptions{HTTPClient: m.http})
	if res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	if err != nil {
		return nil
	}
	m.t.Cleanup(func() { _ = conn.CloseNow() })
	return &rawSocket{m: m, conn: conn}
}

func (m *matrix) established(n *identityOf) *rawSocket {
	m.t.Helper()
	s := m.dial(m.realtimeKey(n))
	if s == nil {
		m.t.Fatalf("no socket for %s", n)
	}
	var hello struct{ Data string }
	var data struct {
		ID string `json:"socket_id"`
	}
	got := s.next()
	if json.Unmarshal([]byte(got), &hello) != nil || json.Unmarshal([]byte(hello.Data), &data) != nil || data.ID == "" {
		m.t.Fatalf("the socket of %s begins with %s", n, got)
	}
	s.id = data.ID
	return s
}

func (s *rawSocket) next() string {
	s.m.t.Helper()
	ctx, cancel := context.WithTimeout(s.m.t.Context(), time.Minute)
	defer cancel()
	_, text, err := s.conn.Read(ctx)
	must(s.m.t, err)
	return string(text)
}

func (s *rawSocket) subscribe(project, auth string) {
	s.m.t.Helper()
	text := fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"private-%s_triggers","auth":%q}}`, project, auth)
	must(s.m.t, s.conn.Write(s.m.t.Context(), websocket.MessageText, []byte(text)))
}

// realtimeKey is with what the identity's clients open sockets.
func (m *matrix) realtimeKey(n *identityOf) string {
	m.t.Helper()
	return m.ask(n, http.StatusOK, http.MethodGet, "/api/v3/internal/sdk/realtime/credentials", "", "pusher_key")[0]
}

func (m *matrix) signature(n *identityOf, socket, project string) string {
	m.t.Helper()
	return m.ask(n, http.StatusOK, http.MethodPost, "/api/v3/internal/sdk/realtime/auth",
		fmt.Sprintf(`{"socket_id":%q,"channel_name":"private-%s_triggers"}`, socket, project), "auth")[0]
}
