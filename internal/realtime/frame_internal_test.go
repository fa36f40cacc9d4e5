package realtime

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Whatever a client sends is a message within bounds or refused.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"event":"pusher:subscribe","data":{"channel":"private-pr_a_triggers","auth":"key_a:00"}}`,
		`{"event":"pusher:subscribe","data":"{\"channel\":\"x\"}"}`, `{"event":"pusher:ping","data":""}`, `{`, `[]`, `null`, `{"event":1}`,
		`{"event":"x","data":null}`, `{"event":"pusher:subscribe","data":"\"\\\"\""}`, strings.Repeat("[", 5000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseFrame(text)
		if err != nil {
			return
		}
		if m.Event == "" || len(m.Event) > maxName {
			t.Errorf("an event of %d bytes", len(m.Event))
		}
		if s, err := parseSubscription(m.Data); err == nil {
			if s.Channel == "" || len(s.Channel) > maxName {
				t.Errorf("a channel of %d bytes", len(s.Channel))
			}
			if p := projectOf(s.Channel); p != "" && !strings.Contains(s.Channel, p) {
				t.Errorf("the channel %q is of %q", s.Channel, p)
			}
		}
	})
}

// Pieces make the text again, split no character, and each fits into a message.
func TestCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(rapid.StringMatching(`[a-zé"\\日🙂]{1,9}`).Draw(t, "text"), rapid.IntRange(1, 2000).Draw(t, "times"))
		var whole strings.Builder
		pieces := cut("evt_1", text)
		for i, p := range pieces {
			whole.WriteString(p.Chunk)
			if p.Index != i || p.Final != (i == len(pieces)-1) || !utf8.ValidString(p.Chunk) {
				t.Fatalf("piece %d of %d: %d, final %v", i, len(pieces), p.Index, p.Final)
			}
			if data, err := json.Marshal(p); err != nil || len(data) > 10<<10 {
				t.Fatalf("piece %d has %d bytes, %v", i, len(data), err)
			}
		}
		if whole.String() != text {
			t.Fatal("the pieces do not make the text")
		}
	})
	if cut("x", "") != nil {
		t.Error("pieces of nothing")
	}
}
