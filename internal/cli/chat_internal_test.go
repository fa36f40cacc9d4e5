package cli

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/scripted"
)

// paper is a screen that keeps what is written on it.
type paper struct {
	mu    sync.Mutex
	lines []string
	msgs  chan tea.Msg
}

func newPaper() *paper { return &paper{msgs: make(chan tea.Msg, 1000)} }

func (p *paper) Println(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, strings.Split(text, "\n")...)
}

func (p *paper) Send(msg tea.Msg) { p.msgs <- msg }

func (p *paper) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// keyboard drives a display by its Update alone.
type keyboard struct {
	*tui
	paper *paper
	clock time.Time
	quit  bool
}

func newKeyboard(t *testing.T, model agent.Model) *keyboard {
	t.Helper()
	a, err := agent.New[string](model, agent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := &keyboard{paper: newPaper(), clock: time.Unix(1000, 0)}
	k.tui = newTUI(t.Context(), &conversation{agent: a, model: model.Name()}, styles{markdown: "notty"})
	k.screen, k.now = k.paper, func() time.Time { return k.clock }
	return k
}

func (k *keyboard) update(msg tea.Msg) {
	_, cmd := k.Update(msg)
	if cmd == nil {
		return
	}
	if _, isKey := msg.(tea.KeyPressMsg); !isKey {
		return
	}
	// Only ctrl-c, ctrl-d and enter may leave; the commands of other keys blink.
	switch msg.(tea.KeyPressMsg).String() {
	case "ctrl+c", "ctrl+d", "enter":
		if _, ok := cmd().(tea.QuitMsg); ok {
			k.quit = true
		}
	}
}

var keyCodes = map[string]tea.KeyPressMsg{
	"enter":  {Code: tea.KeyEnter},
	"up":     {Code: tea.KeyUp},
	"down":   {Code: tea.KeyDown},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
	"ctrl+d": {Code: 'd', Mod: tea.ModCtrl},
	"ctrl+j": {Code: 'j', Mod: tea.ModCtrl},
}

// press presses keys: names of keyCodes, or text to type.
func (k *keyboard) press(keys ...string) {
	for _, name := range keys {
		if code, ok := keyCodes[name]; ok {
			k.update(code)
			continue
		}
		for _, r := range name {
			k.update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
}

// settle feeds the messages of the run back until it has ended.
func (k *keyboard) settle(t *testing.T) {
	t.Helper()
	for {
		select {
		case msg := <-k.paper.msgs:
			k.update(msg)
			if _, ok := msg.(endMsg); ok {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the run does not end")
		}
	}
}

func TestKeysWithoutRun(t *testing.T) {
	t.Parallel()
	type step struct {
		keys []string
		wait time.Duration
	}
	for name, tc := range map[string]struct {
		steps []step
		quit  bool
		input string
		hint  string
	}{
		"typing":                    {steps: []step{{keys: []string{"hello"}}}, input: "hello"},
		"new line":                  {steps: []step{{keys: []string{"a", "ctrl+j", "b"}}}, input: "a\nb"},
		"ctrl-c clears":             {steps: []step{{keys: []string{"hello", "ctrl+c"}}}},
		"ctrl-c once":               {steps: []step{{keys: []string{"ctrl+c"}}}, hint: "ctrl-c again, or exit, to leave"},
		"ctrl-c twice":              {steps: []step{{keys: []string{"ctrl+c"}, wait: 1900 * time.Millisecond}, {keys: []string{"ctrl+c"}}}, quit: true},
		"ctrl-c twice, slowly":      {steps: []step{{keys: []string{"ctrl+c"}, wait: 2 * time.Second}, {keys: []string{"ctrl+c"}}}, hint: "ctrl-c again, or exit, to leave"},
		"ctrl-c clears, then hints": {steps: []step{{keys: []string{"x", "ctrl+c", "ctrl+c"}}}, hint: "ctrl-c again, or exit, to leave"},
		"ctrl-d":                    {steps: []step{{keys: []string{"ctrl+d"}}}, quit: true},
		"ctrl-d in a line":          {steps: []step{{keys: []string{"x", "ctrl+d"}}}, input: "x"},
		"exit":                      {steps: []step{{keys: []string{" Exit ", "enter"}}}, quit: true, input: " Exit "},
		"bye":                       {steps: []step{{keys: []string{"bye", "enter"}}}, quit: true, input: "bye"},
		"empty line":                {steps: []step{{keys: []string{"enter", "  ", "enter"}}}, input: "  "},
		"up without history":        {steps: []step{{keys: []string{"x", "up"}}}, input: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeyboard(t, scripted.Script())
			for _, s := range tc.steps {
				k.press(s.keys...)
				k.clock = k.clock.Add(s.wait)
			}
			if k.quit != tc.quit || k.input.Value() != tc.input || k.hint != tc.hint || k.cancel != nil {
				t.Errorf("quit %v, input %q, hint %q", k.quit, k.input.Value(), k.hint)
			}
		})
	}
}

func TestRunIsShown(t *testing.T) {
	t.Parallel()
	k := newKeyboard(t, scripted.Script(
		scripted.Reply(scripted.Text("First **block**\x1b[31m.\n\nSecond.")),
		scripted.Turn{Parts: []agent.Part{scripted.Text("cut")}, Finish: agent.FinishLength},
	))
	k.press("hello", "enter")
	if k.cancel == nil || k.status != "Thinking" || k.input.Value() != "" {
		t.Errorf("running: status %q", k.status)
	}
	k.settle(t)
	if k.cancel != nil || k.status != "" || k.pending != "" {
		t.Errorf("ended: status %q, pending %q", k.status, k.pending)
	}
	for _, want := range []string{"❯ hello", "First", "Second."} {
		if !strings.Contains(k.paper.text(), want) {
			t.Errorf("%q is not on the screen:\n%s", want, k.paper.text())
		}
	}
	if strings.Contains(k.paper.text(), "\x1b") {
		t.Error("a control character reached the screen")
	}
	k.press("again", "enter")
	k.settle(t)
	if !strings.Contains(k.paper.text(), "token limit") {
		t.Errorf("a cut answer is shown as whole:\n%s", k.paper.text())
	}
	k.press("third", "enter")
	k.settle(t)
	if !strings.Contains(k.paper.text(), "The run failed: ") {
		t.Errorf("a failure is not shown:\n%s", k.paper.text())
	}

	// Earlier prompts, and the line that was begun.
	k.press("draft", "up")
	if got := k.input.Value(); got != "third" {
		t.Errorf("up: %q", got)
	}
	k.press("up", "up", "up", "up")
	if got := k.input.Value(); got != "hello" {
		t.Errorf("up at the first: %q", got)
	}
	k.press("down", "down", "down", "down")
	if got := k.input.Value(); got != "draft" {
		t.Errorf("down to the draft: %q", got)
	}
}

// ctrl-c stops the run and nothing else; a second prompt has to wait.
func TestInterruptStopsRun(t *testing.T) {
	t.Parallel()
	k := newKeyboard(t, blocked{})
	k.press("slow", "enter", "other", "enter")
	if !strings.Contains(k.hint, "ctrl-c stops it") || k.input.Value() != "other" {
		t.Errorf("hint %q, input %q", k.hint, k.input.Value())
	}
	k.press("ctrl+d")
	k.press("ctrl+c")
	if k.quit || k.status != stopping || k.input.Value() != "other" {
		t.Errorf("quit %v, status %q, input %q", k.quit, k.status, k.input.Value())
	}
	k.update(statusMsg("Thinking"))
	if k.status != stopping {
		t.Errorf("late news hide that the run is stopping: %q", k.status)
	}
	k.settle(t)
	if !strings.Contains(k.paper.text(), "(stopped)") || k.cancel != nil {
		t.Errorf("screen:\n%s", k.paper.text())
	}
	if err := agent.Validate(k.c.history); err != nil {
		t.Errorf("the history is not valid: %v", err)
	}
	k.press("ctrl+c", "again", "enter")
	if k.cancel == nil {
		t.Error("the next prompt does not run")
	}
	if !k.stop(10 * time.Second) {
		t.Error("leaving does not stop the run")
	}
}

// blocked is a model that answers when its request ends.
type blocked struct{}

func (blocked) Name() string { return "blocked" }

func (blocked) Stream(ctx context.Context, _ agent.Request) iter.Seq2[agent.Chunk, error] {
	return func(yield func(agent.Chunk, error) bool) {
		<-ctx.Done()
		yield(agent.Chunk{}, ctx.Err())
	}
}

// Questions of tools take turns on the input line, and give back what was typed.
func TestQuestions(t *testing.T) {
	t.Parallel()
	k := newKeyboard(t, scripted.Script())
	k.press("draft")
	ctx, cancel := context.WithCancel(t.Context())
	asker := &tuiAsker{screen: k.paper}
	answers := make(chan agent.Answer, 2)
	ask := func(name string) {
		a, err := asker.form(ctx, agent.FormRequest{Message: "For " + name, Schema: json.RawMessage(`{"properties":{"` + name + `":{"type":"string"}},"required":["` + name + `"]}`)})
		if err != nil {
			t.Error(err)
		}
		answers <- a
	}
	go ask("one")
	k.update(<-k.paper.msgs)
	go ask("two")
	k.update(<-k.paper.msgs)
	if !strings.Contains(k.View().Content, "one:") || k.input.Value() != "" {
		t.Errorf("the first question is not asked: %q\n%s", k.input.Value(), k.View().Content)
	}
	k.press("1", "enter")
	if diff := cmp.Diff(agent.Answer{Accept: true, Values: map[string]any{"one": "1"}}, <-answers); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(k.View().Content, "two:") {
		t.Errorf("the second question is not asked:\n%s", k.View().Content)
	}
	cancel()
	if a := <-answers; !a.Cancel {
		t.Errorf("an ended run gives %+v", a)
	}
	k.update(<-k.paper.msgs)
	if len(k.questions) != 0 || k.input.Value() != "draft" {
		t.Errorf("questions %d, input %q", len(k.questions), k.input.Value())
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	const schema = `{"properties":{"name":{"type":"string"},"age":{"type":"integer"},"ok":{"type":"boolean"},"note":{"type":"string"}},"required":["name","age","ok"]}`
	for name, tc := range map[string]struct {
		replies []string // age, name, ok, note
		want    agent.Answer
	}{
		"all":        {[]string{"7", "Ada", "y", "hi"}, agent.Answer{Accept: true, Values: map[string]any{"age": json.Number("7"), "name": "Ada", "ok": true, "note": "hi"}}},
		"optional":   {[]string{"7", "Ada", "no", ""}, agent.Answer{Accept: true, Values: map[string]any{"age": json.Number("7"), "name": "Ada", "ok": false}}},
		"asks again": {[]string{"seven", "", "7", "Ada", "perhaps", "yes", ""}, agent.Answer{Accept: true, Values: map[string]any{"age": json.Number("7"), "name": "Ada", "ok": true}}},
		"declined":   {[]string{"7", "no"}, agent.Answer{}},
		"left":       {[]string{"7"}, agent.Answer{Cancel: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := askForm(json.RawMessage(schema), func(string) (string, error) {
				if len(tc.replies) == 0 {
					return "", errors.New("left")
				}
				r := tc.replies[0]
				tc.replies = tc.replies[1:]
				return r, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What is finished is whole blocks: nothing of it changes with what follows, and
// fences are never cut.
func TestFinished(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                                   0,
		"one":                                0,
		"one\n":                              0,
		"one\n\ntwo":                         5,
		"one\n\ntwo\n\n":                     10,
		"```\na\n\nb":                        0,
		"```\na\n\nb\n```\n\nc":              14,
		"````\n```\n\n````\n\n":              16,
		"~~~\n```\n\n":                       0,
		"``` a`b\n\nx":                       9,
		"    ```\n\nindented is no fence":    9,
		"```go\nx\n``` not the end\n\ny\n\n": 0,
	} {
		if got := finished(text); got != want {
			t.Errorf("finished(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestFinishedIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{"", " ", "text", "```", "````", "~~~", "```go", "   ```", "- item", "```x`"})).Draw(t, "lines")
		text := strings.Join(lines, "\n")
		last := 0
		for i := range len(text) + 1 {
			n := finished(text[:i])
			if n < last || n > i {
				t.Fatalf("finished(%q) = %d after %d", text[:i], n, last)
			}
			last = n
			if n > 0 && text[n-1] != '\n' {
				t.Fatalf("finished(%q) = %d, inside a line", text[:i], n)
			}
			// Flushed block by block it must come out the same.
			if rest := finished(text[n:i]); rest != 0 {
				t.Fatalf("finished(%q) = %d leaves %d more", text[:i], n, rest)
			}
		}
	})
}

// Lines that are shown fit, and hold nothing that drives a terminal.
func TestShownTextFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text") + rapid.SampledFrom([]string{"", "漢字かな", "\x1b[2J", "\u202egnp.exe", "👩‍👩‍👧 family", "\u009b31m", "a\r\nb"}).Draw(t, "tail")
		n := rapid.IntRange(-3, 60).Draw(t, "n")
		got := cut(text, n)
		if w := lipgloss.Width(got); w > max(n, 1) {
			t.Fatalf("cut(%q, %d) = %q is %d wide", text, n, got, w)
		}
		if strings.ContainsAny(got, "\x1b\u009b\u202e\n\r\t") {
			t.Fatalf("cut(%q) = %q can drive a terminal", text, got)
		}
		raw, err := json.Marshal(map[string]any{"tools": []any{map[string]any{"tool_slug": text, "arguments": map[string]any{"x": text}}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{metaMultiExecute, metaSearch, "X"} {
			for _, line := range describeCall(agent.ToolCall{Name: name, Args: raw}, n) {
				if lipgloss.Width(line) > max(n, 1) {
					t.Fatalf("%q is wider than %d", line, n)
				}
			}
			for _, line := range describeResult(agent.ToolResult{Name: name, Content: text}, n) {
				if strings.ContainsAny(line, "\x1b\u009b\u202e\n") {
					t.Fatalf("%q can drive a terminal", line)
				}
			}
		}
	})
}

func TestDescribeResult(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"data":{"title":"Q3","url":"http://x"},"error":null}`:                      `ok: "Q3" http://x · 2ms`,
		`{"data":{"results":[1,2],"next_cursor":"n"}}`:                               `ok: 2 found, more follow · 2ms`,
		`{"data":null,"error":"no  such\npage"}`:                                     `failed: no such page · 2ms`,
		`{"data":{"results":[{"error":"gone"},{"response":{"data":{"name":"S"}}}]}}`: "failed: gone\nok: \"S\" · 2ms",
		`{"data":{"results":[{"primary_tool_slugs":["A","B"]}]}}`:                    `found A, B · 2ms`,
		"plain\ntext": "ok: plain text · 2ms",
	} {
		got := strings.Join(describeResult(agent.ToolResult{Name: metaMultiExecute, Outcome: agent.OutcomeOK, Content: content, Duration: 2 * time.Millisecond}, 80), "\n")
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", content, got, want)
		}
	}
}

// The display fits any width.
func TestViewAtWidths(t *testing.T) {
	t.Parallel()
	for _, width := range []int{1, 5, 40, 80, 140} {
		k := newKeyboard(t, blocked{})
		k.update(tea.WindowSizeMsg{Width: width, Height: 24})
		k.press("go", "enter")
		k.update(pendingMsg(strings.Repeat("word ", 200)))
		k.hint = "a hint that is longer than the narrowest of terminals"
		view := k.View().Content
		if n := strings.Count(view, "\n"); width >= 40 && n > liveLines+3 {
			t.Errorf("width %d: the live region has %d lines", width, n)
		}
		for line := range strings.SplitSeq(view, "\n") {
			if width >= 40 && lipgloss.Width(line) > width {
				t.Errorf("width %d: %q is wider", width, line)
			}
		}
		k.stop(10 * time.Second)
	}
}

// A browser is opened on the person's word alone; without one they are told where
// to go, and who says no sees none.
func TestURLQuestion(t *testing.T) {
	t.Parallel()
	q := agent.URLRequest{Message: "Connect.", URL: "https://router.example/link/x"}
	for name, tc := range map[string]struct {
		here, starts bool
		reply        string
		left         bool
		want         agent.Answer
		label        string
		opened       bool
		failed       bool
	}{
		"enter opens it":   {here: true, starts: true, want: agent.Answer{Accept: true}, label: "Press enter to open it in your browser", opened: true},
		"no opens nothing": {here: true, starts: true, reply: " No ", label: "or type no"},
		"no display":       {want: agent.Answer{Accept: true}, label: "Open it in any browser and press enter"},
		"does not start":   {here: true, want: agent.Answer{Accept: true}, label: "Press enter", opened: true, failed: true},
		"left":             {here: true, starts: true, left: true, want: agent.Answer{Cancel: true}, label: "Press enter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened := ""
			got, failed := askURL(t.Context(), q, func(label string) (string, error) {
				if opened != "" || !strings.Contains(label, tc.label) {
					t.Errorf("asked %q after opening %q", label, opened)
				}
				if tc.left {
					return "", errors.New("left")
				}
				return tc.reply, nil
			}, func(_ context.Context, address string, do bool) bool {
				if !do {
					return tc.here
				}
				opened = address
				return tc.starts
			})
			if diff := cmp.Diff(tc.want, got); diff != "" || failed != tc.failed || (opened == q.URL) != tc.opened {
				t.Errorf("(-want +got)\n%s failed %v, opened %q", diff, failed, opened)
			}
		})
	}
}
