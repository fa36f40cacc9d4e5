package toolkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

type bellConfig struct {
	DoorID string `json:"doorId" jsonschema:"minLength=1" jsonschema_description:"Which door."`
	Loud   bool   `json:"loud,omitempty" jsonschema_description:"Only loud rings."`
}

type bellCursor struct {
	Count int `json:"count"`
}

type ring struct {
	DoorID string `json:"doorId" jsonschema_description:"Which door."`
	Number int    `json:"number" jsonschema_description:"Which ring."`
}

type door struct{ rings int }

var rung = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func ringPoll(_ context.Context, d *door, cfg bellConfig, cur *bellCursor) (toolkit.Step[bellCursor, ring], error) {
	step := toolkit.Step[bellCursor, ring]{Cursor: bellCursor{Count: d.rings}}
	if cur == nil {
		return step, nil
	}
	for n := cur.Count + 1; n <= d.rings; n++ {
		step.Events = append(step.Events, toolkit.Event[ring]{
			Key: "ring:" + string(rune('0'+n)), OccurredAt: rung, Payload: ring{DoorID: cfg.DoorID, Number: n},
		})
	}
	return step, nil
}

// bell binds one trigger to a door.
func bell(d *door, change func(*toolkit.Poller[*door, bellConfig, bellCursor, ring])) toolkit.Trigger {
	p := toolkit.Poller[*door, bellConfig, bellCursor, ring]{
		Poll: ringPoll, Example: ring{DoorID: "1", Number: 2},
		Check: func(_ context.Context, _ *door, cfg bellConfig) (bellConfig, error) {
			if cfg.DoorID == "none" {
				return cfg, toolkit.Invalid("doorId", "there is no such door")
			}
			cfg.DoorID = strings.ToLower(cfg.DoorID)
			return cfg, nil
		},
	}
	if change != nil {
		change(&p)
	}
	op := toolkit.Poll("HOUSE_BELL_TRIGGER", "Bell", "Somebody rang.", toolkit.TriggerAbout{}, p)
	return toolkit.BindTriggers(func(*toolkit.Call) (*door, error) { return d, nil }, op)[0]
}

func TestTriggerPolls(t *testing.T) {
	t.Parallel()
	d := &door{rings: 3}
	trigger := bell(d, nil)
	config := json.RawMessage(`{"doorId":"front"}`)
	first, err := trigger.Poll(t.Context(), &toolkit.Call{}, config, nil)
	if err != nil || len(first.Events) != 0 {
		t.Fatalf("the first poll: %+v, %v", first, err)
	}
	d.rings = 5
	for range 2 { // the same cursor gives the same events
		next, err := trigger.Poll(t.Context(), &toolkit.Call{}, config, first.Cursor)
		if err != nil {
			t.Fatal(err)
		}
		want := []toolkit.RawEvent{
			{Key: "ring:4", OccurredAt: rung, Payload: json.RawMessage(`{"doorId":"front","number":4}`)},
			{Key: "ring:5", OccurredAt: rung, Payload: json.RawMessage(`{"doorId":"front","number":5}`)},
		}
		if diff := cmp.Diff(want, next.Events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if got := string(next.Cursor); got != `{"v":1,"state":{"count":5}}` {
			t.Errorf("cursor %s", got)
		}
	}
	if trigger.Receives() {
		t.Error("it takes webhooks, and has no function for them")
	}
	if got := string(trigger.Example); got != `{"doorId":"1","number":2}` {
		t.Errorf("example %s", got)
	}
}

func TestTriggerConfig(t *testing.T) {
	t.Parallel()
	trigger := bell(&door{}, nil)
	for config, field := range map[string]string{`{}`: "doorId", `{"doorId":"a","laud":true}`: "laud", `{"doorId":""}`: "doorId"} {
		var e *toolkit.Error
		if _, err := trigger.Validate(json.RawMessage(config)); !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v, want a complaint about %s", config, err, field)
		}
	}
	var e *toolkit.Error
	if _, err := trigger.Check(t.Context(), &toolkit.Call{}, json.RawMessage(`{"doorId":"none"}`)); !errors.As(err, &e) || e.Field != "doorId" {
		t.Errorf("check: %v", err)
	}
	// The configuration to keep is the checked one; equal ones watch the same.
	keys := map[string]string{}
	for _, config := range []string{`{"doorId":"Front"}`, `{"loud":false,"doorId":"front"}`, `{"doorId":"front","loud":true}`} {
		kept, err := trigger.Check(t.Context(), &toolkit.Call{}, json.RawMessage(config))
		if err != nil {
			t.Fatal(err)
		}
		key, err := trigger.WatchKey(kept)
		if err != nil {
			t.Fatal(err)
		}
		keys[key] = config
	}
	want := map[string]string{
		`HOUSE_BELL_TRIGGER {"doorId":"front"}`:             `{"loud":false,"doorId":"front"}`,
		`HOUSE_BELL_TRIGGER {"doorId":"front","loud":true}`: `{"doorId":"front","loud":true}`,
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("watch keys (-want +got):\n%s", diff)
	}
}

// TestTriggerCursorVersions: a state of before an upgrade is read, one of after
// it is refused rather than misread.
func TestTriggerCursorVersions(t *testing.T) {
	t.Parallel()
	config := json.RawMessage(`{"doorId":"front"}`)
	old := bell(&door{rings: 2}, nil)
	kept, err := old.Poll(t.Context(), &toolkit.Call{}, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	upgraded := bell(&door{rings: 4}, func(p *toolkit.Poller[*door, bellConfig, bellCursor, ring]) {
		p.Version = 2
		p.Upgrade = func(version int, state json.RawMessage) (bellCursor, error) {
			var c bellCursor
			err := json.Unmarshal(state, &c)
			return bellCursor{Count: c.Count + version}, err
		}
	})
	got, err := upgraded.Poll(t.Context(), &toolkit.Call{}, config, kept.Cursor)
	if err != nil || len(got.Events) != 1 || string(got.Cursor) != `{"v":2,"state":{"count":4}}` {
		t.Errorf("after the upgrade: %+v, %v", got, err)
	}
	if _, err := old.Poll(t.Context(), &toolkit.Call{}, config, got.Cursor); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a cursor of a later version: %v", err)
	}
	for _, bad := range []string{`{}`, `[]`, `{"v":0,"state":{}}`, `{"v":1}`, `{"v":1,"state":[]}`, `x`, `{"v":1,"state":"` + strings.Repeat("x", toolkit.MaxCursor) + `"}`} {
		if _, err := old.Poll(t.Context(), &toolkit.Call{}, config, json.RawMessage(bad)); err == nil {
			t.Errorf("took the cursor %.40s", bad)
		}
	}
}

// TestTriggerBounds: what a poll function gives is held to the promises.
func TestTriggerBounds(t *testing.T) {
	t.Parallel()
	ok := toolkit.Event[ring]{Key: "a", OccurredAt: rung}
	for name, events := range map[string][]toolkit.Event[ring]{
		"no key":   {{OccurredAt: rung}},
		"long key": {{Key: strings.Repeat("k", toolkit.MaxEventKey+1), OccurredAt: rung}},
		"twice":    {ok, ok},
		"no time":  {{Key: "a"}},
		"too many": make([]toolkit.Event[ring], toolkit.MaxEvents+1),
	} {
		trigger := bell(&door{}, func(p *toolkit.Poller[*door, bellConfig, bellCursor, ring]) {
			p.Poll = func(context.Context, *door, bellConfig, *bellCursor) (toolkit.Step[bellCursor, ring], error) {
				return toolkit.Step[bellCursor, ring]{Events: events}, nil
			}
		})
		if got, err := trigger.Poll(t.Context(), &toolkit.Call{}, json.RawMessage(`{}`), nil); err == nil {
			t.Errorf("%s: %d events pass", name, len(got.Events))
		}
	}
	type hoard struct {
		All string `json:"all"`
	}
	op := toolkit.Poll("HOUSE_HOARD_TRIGGER", "Hoard", "Keeps too much.", toolkit.TriggerAbout{}, toolkit.Poller[*door, bellConfig, hoard, ring]{
		Poll: func(context.Context, *door, bellConfig, *hoard) (toolkit.Step[hoard, ring], error) {
			return toolkit.Step[hoard, ring]{Cursor: hoard{strings.Repeat("x", toolkit.MaxCursor)}}, nil
		},
	})
	trigger := toolkit.BindTriggers(func(*toolkit.Call) (*door, error) { return &door{}, nil }, op)[0]
	var e *toolkit.Error
	if _, err := trigger.Poll(t.Context(), &toolkit.Call{}, nil, nil); !errors.As(err, &e) || e.Kind != toolkit.KindTooLarge {
		t.Errorf("a cursor beyond the bound: %v", err)
	}
}

func TestTriggerReceives(t *testing.T) {
	t.Parallel()
	trigger := bell(&door{}, func(p *toolkit.Poller[*door, bellConfig, bellCursor, ring]) {
		p.Receive = func(_ context.Context, _ *door, cfg bellConfig, in toolkit.Inbound) ([]toolkit.Event[ring], error) {
			if string(in.Body) != cfg.DoorID {
				return nil, nil
			}
			return []toolkit.Event[ring]{{Key: "ring:1", OccurredAt: rung, Payload: ring{DoorID: cfg.DoorID, Number: 1}}}, nil
		}
	})
	if !trigger.Receives() {
		t.Fatal("it does not take webhooks")
	}
	for body, want := range map[string]int{"front": 1, "back": 0} {
		got, err := trigger.Receive(t.Context(), &toolkit.Call{}, json.RawMessage(`{"doorId":"front"}`), toolkit.Inbound{Body: []byte(body)})
		if err != nil || len(got) != want {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
}

// A sample is a copy of the example, shaped to a configuration.
func TestTriggerSample(t *testing.T) {
	t.Parallel()
	plain := bell(&door{}, nil)
	if got, err := plain.Sample(json.RawMessage(`{"doorId":"front"}`), rung); err != nil || string(got) != `{"doorId":"1","number":2}` {
		t.Errorf("without Sample: %s, %v", got, err)
	}
	shaped := bell(&door{}, func(p *toolkit.Poller[*door, bellConfig, bellCursor, ring]) {
		p.Sample = func(cfg bellConfig, example ring, at time.Time) ring {
			example.DoorID, example.Number = cfg.DoorID, example.Number+at.Year()
			return example
		}
	})
	for range 2 { // the second is made of the example, not of the first
		if got, err := shaped.Sample(json.RawMessage(`{"doorId":"front"}`), rung); err != nil || string(got) != `{"doorId":"front","number":2028}` {
			t.Errorf("shaped: %s, %v", got, err)
		}
	}
	if _, err := shaped.Sample(json.RawMessage(`{"doorId":1}`), rung); err == nil {
		t.Error("a configuration of another type was taken")
	}
}

// No poll may give the key of a test.
func TestTriggerKeysOfTests(t *testing.T) {
	t.Parallel()
	trigger := bell(&door{}, func(p *toolkit.Poller[*door, bellConfig, bellCursor, ring]) {
		p.Poll = func(context.Context, *door, bellConfig, *bellCursor) (toolkit.Step[bellCursor, ring], error) {
			return toolkit.Step[bellCursor, ring]{Events: []toolkit.Event[ring]{{Key: toolkit.TestKey + "1", OccurredAt: rung}}}, nil
		}
	})
	if _, err := trigger.Poll(t.Context(), &toolkit.Call{}, json.RawMessage(`{"doorId":"front"}`), nil); err == nil {
		t.Error("it was taken")
	}
}
