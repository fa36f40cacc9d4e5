package agent_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/scripted"
)

// list is a source that has all its events already, from after the cursor, and then
// waits unless it has an end.
type list struct {
	events []agent.TriggerEvent
	waits  bool
	asked  []string // cursors
	taken  []bool   // what yield gave
}

func (l *list) Events(ctx context.Context, cursor string) iter.Seq2[agent.TriggerEvent, error] {
	return func(yield func(agent.TriggerEvent, error) bool) {
		l.asked = append(l.asked, cursor)
		begin := slices.IndexFunc(l.events, func(e agent.TriggerEvent) bool { return e.Cursor == cursor }) + 1
		for _, e := range l.events[begin:] {
			ok := yield(e, nil)
			l.taken = append(l.taken, ok)
			if !ok {
				return
			}
		}
		if l.waits {
			<-ctx.Done()
		}
	}
}

// happened makes events 1 … n, of instances in turn.
func happened(n, instances int) []agent.TriggerEvent {
	var out []agent.TriggerEvent
	for i := 1; i <= n; i++ {
		out = append(out, agent.TriggerEvent{ID: fmt.Sprintf("evt_%d", i), Cursor: fmt.Sprint(i), Instance: fmt.Sprintf("ti_%d", i%instances)})
	}
	return out
}

func noPause(int) time.Duration { return 0 }

// handled notes what a handler was given.
type handled struct {
	mu  sync.Mutex
	ids []string
}

func (h *handled) note(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids = append(h.ids, id)
}

func (h *handled) sorted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(slices.Values(h.ids))
}

func openJournal(t *testing.T, dir string) *agent.FileJournal {
	t.Helper()
	j, err := agent.OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// Each event is handled once, however often and in whatever company it is told.
func TestOnHandlesEachOnce(t *testing.T) {
	t.Parallel()
	for name, journal := range map[string]agent.Journal{"memory": agent.NewMemoryJournal(), "folder": openJournal(t, t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := happened(20, 3)
			var h handled
			var ran, most int
			var mu sync.Mutex
			for range 2 {
				src := &list{events: slices.Concat(events, events[3:7], events)}
				err := agent.On(t.Context(), src, func(_ context.Context, e agent.TriggerEvent, _ *agent.Work) error {
					mu.Lock()
					ran++
					most = max(most, ran)
					mu.Unlock()
					h.note(e.ID)
					mu.Lock()
					ran--
					mu.Unlock()
					return nil
				}, agent.OnOptions{Journal: journal, Parallel: 3})
				if err != nil {
					t.Fatal(err)
				}
			}
			var want []string
			for _, e := range events {
				want = append(want, e.ID)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, h.sorted()); diff != "" || most > 3 {
				t.Errorf("at most %d at once (-want +handled):\n%s", most, diff)
			}
		})
	}
}

// With Ordered events of one trigger come one after the other, those of others beside
// them.
func TestOnOrder(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string][]string{}
	inWork := map[string]int{}
	tries := map[string]int{}
	err := agent.On(t.Context(), &list{events: happened(60, 4)}, func(_ context.Context, e agent.TriggerEvent, _ *agent.Work) error {
		mu.Lock()
		defer mu.Unlock()
		if inWork[e.Instance]++; inWork[e.Instance] > 1 {
			t.Errorf("two events of %s at once", e.Instance)
		}
		inWork[e.Instance]--
		if tries[e.ID]++; tries[e.ID] == 1 && strings.HasSuffix(e.ID, "3") {
			return errors.New("not this time")
		}
		seen[e.Instance] = append(seen[e.Instance], e.ID)
		return nil
	}, agent.OnOptions{Ordered: true, Parallel: 4, Pause: noPause})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, e := range happened(60, 4) {
		want[e.Instance] = append(want[e.Instance], e.ID)
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// What fails is tried again a bounded number of times; then it is told and passed
// over, and stays so after a restart.
func TestOnGivesUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tries, told, between := map[string]int{}, map[string]string{}, 0
	once := func() error {
		j := openJournal(t, dir)
		defer j.Close()
		return agent.On(t.Context(), &list{events: happened(5, 1)}, func(_ context.Context, e agent.TriggerEvent, w *agent.Work) error {
			if tries[e.ID]++; tries[e.ID] != w.Try {
				t.Errorf("%s: try %d is said to be %d", e.ID, tries[e.ID], w.Try)
			}
			switch {
			case e.ID == "evt_2":
				return errors.New("poison")
			case e.ID == "evt_3":
				panic("at the disco")
			case e.ID == "evt_4":
				return fmt.Errorf("%w: hopeless", agent.ErrGiveUp)
			case e.ID == "evt_5" && w.Try == 1:
				return errors.New("a hiccup")
			}
			return nil
		}, agent.OnOptions{
			Journal: j, Parallel: 1, Pause: noPause,
			GivenUp:   func(_ context.Context, e agent.TriggerEvent, err error) { told[e.ID] = err.Error() },
			TryFailed: func(context.Context, agent.TriggerEvent, error, time.Duration) { between++ },
		})
	}
	for range 2 {
		if err := once(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"evt_1": 1, "evt_2": 3, "evt_3": 3, "evt_4": 1, "evt_5": 2}, tries); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
	want := map[string]string{"evt_2": "poison", "evt_3": "the handler panicked: at the disco", "evt_4": "another try would end alike: hopeless"}
	if diff := cmp.Diff(want, told); diff != "" || between != 5 {
		t.Errorf("%d between; given up (-want +told):\n%s", between, diff)
	}
	err := agent.On(t.Context(), &list{events: happened(1, 1)}, func(context.Context, agent.TriggerEvent, *agent.Work) error {
		return errors.New("poison")
	}, agent.OnOptions{Pause: noPause})
	if err == nil || !strings.Contains(err.Error(), "evt_1 was given up: poison") {
		t.Errorf("with nobody to tell: %v", err)
	}
}

// A program that is stopped in the middle goes on with what it had begun, with its
// conversation, and then where the source was.
func TestOnGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	src := &list{events: happened(3, 1), waits: true}
	j := openJournal(t, dir)
	err := agent.On(ctx, src, func(ctx context.Context, e agent.TriggerEvent, w *agent.Work) error {
		if e.ID != "evt_2" {
			return nil
		}
		if err := w.Keep(agent.History{agent.UserMessage("half of it")}); err != nil {
			return err
		}
		cancel()
		return ctx.Err()
	}, agent.OnOptions{Journal: j, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agent.OpenJournal(dir); err == nil {
		t.Error("a journal was opened twice")
	}
	must(t, j.Close())
	var h handled
	src = &list{events: happened(5, 1)}
	err = agent.On(t.Context(), src, func(_ context.Context, e agent.TriggerEvent, w *agent.Work) error {
		h.note(fmt.Sprintf("%s %d %d", e.ID, w.Try, len(w.History)))
		return nil
	}, agent.OnOptions{Journal: openJournal(t, dir), Parallel: 1})
	if err != nil || len(src.asked) != 1 {
		t.Fatalf("asked from %v, %v", src.asked, err)
	}
	got := h.sorted()
	if !slices.Contains(got, "evt_2 1 1") || slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "evt_1 ") }) || !slices.Contains(got, "evt_5 1 0") {
		t.Errorf("handled after the restart: %v", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Wherever a crash cuts the journal off, what was settled stays settled, what was taken
// is pending, and a torn line hurts nobody.
func TestJournalCutAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openJournal(t, dir)
	for i, e := range happened(3, 1) {
		if ok, err := j.Take(t.Context(), e); !ok || err != nil {
			t.Fatal(ok, err)
		}
		must(t, j.Begin(t.Context(), e.ID))
		if i < 2 {
			must(t, j.Settle(t.Context(), e.ID, nil))
		}
	}
	must(t, j.Close())
	log, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	must(t, err)
	for cut := 0; cut <= len(log); cut += 7 {
		at := t.TempDir()
		must(t, os.WriteFile(filepath.Join(at, "events.jsonl"), log[:cut], 0o600))
		j := openJournal(t, at)
		pending, err := j.Pending(t.Context())
		must(t, err)
		whole := string(log[:cut])
		whole = whole[:strings.LastIndex(whole, "\n")+1]
		takes, settles := strings.Count(whole, `"do":"take"`), strings.Count(whole, `"do":"settle"`)
		if len(pending) != takes-settles {
			t.Fatalf("cut at %d: %d pending of %d taken and %d settled", cut, len(pending), takes, settles)
		}
		for i, e := range happened(3, 1) { // and it works on
			if isNew, err := j.Take(t.Context(), e); err != nil || isNew != (i >= takes) {
				t.Fatalf("cut at %d: %s is new: %v, %v", cut, e.ID, isNew, err)
			}
		}
		must(t, j.Close())
	}
	must(t, os.WriteFile(filepath.Join(dir, "events.jsonl"), append([]byte("nonsense\n"), log...), 0o600))
	if _, err := agent.OpenJournal(dir); err == nil || !strings.Contains(err.Error(), "line 1 of events.jsonl") {
		t.Errorf("a journal that is damaged in the middle: %v", err)
	}
}

// full is a journal that takes no more after some events.
type full struct {
	agent.Journal
	left int
}

func (f *full) Take(ctx context.Context, e agent.TriggerEvent) (bool, error) {
	if f.left--; f.left < 0 {
		return false, errors.New("the disk is full")
	}
	return f.Journal.Take(ctx, e)
}

// An event that the journal does not take was not taken, and the source is told.
func TestOnFullJournal(t *testing.T) {
	t.Parallel()
	src := &list{events: happened(5, 1)}
	err := agent.On(t.Context(), src, func(context.Context, agent.TriggerEvent, *agent.Work) error { return nil },
		agent.OnOptions{Journal: &full{Journal: agent.NewMemoryJournal(), left: 2}})
	if err == nil || !strings.Contains(err.Error(), "taking event evt_3: the disk is full") {
		t.Errorf("it ended with %v", err)
	}
	if diff := cmp.Diff([]bool{true, true, false}, src.taken); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
}

// A run that broke off after a tool had worked goes on with its conversation: the
// tool is not called again.
func TestHandlerGoesOn(t *testing.T) {
	t.Parallel()
	calls := 0
	publish := agent.Func("publish", "Publishes.", func(context.Context, struct{}) (string, error) {
		calls++
		return "published as 7", nil
	})
	var prompts []int
	model := scripted.Func(func(_ context.Context, req agent.Request) (scripted.Turn, error) {
		prompts = append(prompts, len(req.Messages))
		switch len(prompts) {
		case 1:
			if !strings.Contains(req.Messages[0].Text(), "no instruction") || !strings.Contains(req.Messages[0].Text(), `"title":"Plan"`) {
				t.Errorf("prompt: %s", req.Messages[0].Text())
			}
			return scripted.Reply(scripted.Call("1", "publish", `{}`)), nil
		case 2:
			return scripted.Turn{}, errors.New("the model is gone")
		}
		return scripted.Reply(scripted.Text("It is published.")), nil
	})
	a, err := agent.New[string](model, agent.Options{Tools: []agent.Toolset{publish}})
	must(t, err)
	prompt, err := agent.EventPrompt("Publish it.")
	must(t, err)
	answers, failures := []string{}, 0
	events := []agent.TriggerEvent{{ID: "evt_1", Cursor: "1", Payload: []byte(`{"title":"Plan"}`)}}
	err = agent.On(t.Context(), &list{events: events}, a.Handler(agent.EventOptions[string]{
		Prompt: prompt,
		Done: func(_ context.Context, _ agent.TriggerEvent, answer string, _ agent.Done) error {
			if answers = append(answers, answer); len(answers) == 1 {
				return errors.New("the printer is out of paper")
			}
			return nil
		},
	}), agent.OnOptions{Pause: noPause, TryFailed: func(context.Context, agent.TriggerEvent, error, time.Duration) { failures++ }})
	must(t, err)
	// The third try asks the model no more: it had answered.
	if diff := cmp.Diff([]int{1, 3, 3}, prompts); diff != "" || calls != 1 || failures != 2 || len(answers) != 2 || answers[1] != "It is published." {
		t.Errorf("%d calls, %d failures, answers %q, prompts (-want +got):\n%s", calls, failures, answers, diff)
	}
}

// A run that reached a limit is not tried again.
func TestHandlerLimits(t *testing.T) {
	t.Parallel()
	model := scripted.Func(func(context.Context, agent.Request) (scripted.Turn, error) {
		return scripted.Reply(scripted.Call("", "look", `{}`)), nil
	})
	n := 0
	look := agent.Func("look", "Looks.", func(context.Context, struct{}) (string, error) { n++; return fmt.Sprint(n), nil })
	a, err := agent.New[string](model, agent.Options{Tools: []agent.Toolset{look}, Limits: agent.Limits{ToolCalls: 2}})
	must(t, err)
	prompt, err := agent.EventPrompt("Look.")
	must(t, err)
	var given error
	must(t, agent.On(t.Context(), &list{events: happened(1, 1)}, a.Handler(agent.EventOptions[string]{Prompt: prompt}),
		agent.OnOptions{Pause: noPause, GivenUp: func(_ context.Context, _ agent.TriggerEvent, err error) { given = err }}))
	if !errors.Is(given, agent.ErrLimit) || n != 2 {
		t.Errorf("%v after %d calls", given, n)
	}
}

func TestEventPrompt(t *testing.T) {
	t.Parallel()
	e := agent.TriggerEvent{ID: "evt_1", Trigger: "BELL", Payload: []byte(`{"resource":{"title":"A & B","id":12345678901234567}}`)}
	for text, want := range map[string]string{
		"{{.ID}} {{.Trigger}}: {{.Payload.resource.title}} {{.Payload.resource.id}}": "evt_1 BELL: A & B 12345678901234567",
		"{{.Payload.resource.name}}": "error",
		"{{.Secret}}":                "error",
		"{{range":                    "no prompt",
		"  ":                         "no prompt",
	} {
		prompt, err := agent.EventPrompt(text)
		if err != nil {
			if want != "no prompt" {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		got, err := prompt(e)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q (%v), want %q", text, got, err, want)
		}
	}
	large := agent.TriggerEvent{Payload: []byte(`{"text":"` + strings.Repeat("x", 100<<10) + `"}`)}
	cut, err := agent.EventPrompt("Read.")
	must(t, err)
	if got, err := cut(large); err != nil || len(got) > 66<<10 || !strings.Contains(got, "The payload is cut") {
		t.Errorf("a large event: %d bytes, %v", len(got), err)
	}
	whole, err := agent.EventPrompt("{{.Payload.text}}")
	must(t, err)
	if _, err := whole(large); err == nil {
		t.Error("a prompt without bound")
	}
}
