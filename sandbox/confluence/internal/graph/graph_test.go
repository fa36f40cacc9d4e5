package graph_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/graph"
)

type inner struct {
	name string
	at   time.Time
	next *inner
}

type outer struct {
	inner
	n      int64
	yes    bool
	list   []inner
	byID   map[int64]*inner
	byName map[string][]string
	raw    json.RawMessage
	data   []byte
	cache  func() `dump:"-"`
}

// TestRoundTrip: what is written is read back, always in the same words.
func TestRoundTrip(t *testing.T) {
	text := rapid.String()
	one := rapid.Custom(func(t *rapid.T) inner {
		in := inner{name: text.Draw(t, "name"), at: time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).UTC()}
		if rapid.Bool().Draw(t, "next") {
			in.next = &inner{name: text.Draw(t, "below")}
		}
		return in
	})
	rapid.Check(t, func(t *rapid.T) {
		in := outer{inner: one.Draw(t, "inner"), n: rapid.Int64().Draw(t, "n"), yes: rapid.Bool().Draw(t, "yes"), list: rapid.SliceOfN(one, 1, 4).Draw(t, "list"), byID: map[int64]*inner{}, byName: map[string][]string{text.Draw(t, "key"): {"a", ""}}, raw: json.RawMessage(`{"a":[1,null]}`), data: []byte{0, 255}}
		for _, k := range rapid.SliceOf(rapid.Int64()).Draw(t, "ids") {
			x := one.Draw(t, "value")
			in.byID[k] = &x
		}
		in.cache = func() {} // is left out, and not refused as functions are
		data, err := graph.Marshal(&in)
		in.cache = nil
		if err != nil {
			t.Fatal(err)
		}
		var out outer
		if err := graph.Unmarshal(data, &out); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(in, out) {
			t.Fatalf("read back\n%+v\nwant\n%+v", out, in)
		}
		again, err := graph.Marshal(&out)
		if err != nil || string(again) != string(data) {
			t.Fatalf("written twice: %v\n%s\n%s", err, data, again)
		}
	})
}

func TestWhatCannotBeDumped(t *testing.T) {
	for _, ptr := range []any{&struct{ f func() }{func() {}}, &struct{ x any }{1}, &struct{ m map[bool]int }{map[bool]int{true: 1}}} {
		if data, err := graph.Marshal(ptr); err == nil {
			t.Errorf("%T became %s", ptr, data)
		}
	}
	loop := &inner{}
	loop.next = loop
	if _, err := graph.Marshal(loop); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Errorf("a loop: %v", err)
	}
}

func TestBadDumps(t *testing.T) {
	for _, text := range []string{`{"unknown":1}`, `{"cache":1}`, `{"n":"x"}`, `{"byID":{"x":{}}}`, `[]`, `{"list":{}}`, `{"inner":{"at":"yesterday"}}`, `{`} {
		var out outer
		if err := graph.Unmarshal([]byte(text), &out); err == nil {
			t.Errorf("%s was read as %+v", text, out)
		}
	}
}
