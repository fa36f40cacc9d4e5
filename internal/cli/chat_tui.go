package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/spinner"
	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// stopTime bounds the wait for a run that is going on when the person leaves.
const stopTime = 5 * time.Second

// terminalREPL is the chat on a terminal. Finished text goes to the scrollback;
// only the input, a status line and the block being written are redrawn. All
// scrollback is written by the goroutine of the run, so it stays in order.
func (f *chatFlags) terminalREPL(ctx context.Context, c *conversation) error {
	t := newTUI(ctx, c, newStyles(f.getenv("NO_COLOR") == ""))
	program := tea.NewProgram(t, tea.WithContext(ctx), tea.WithInput(f.In), tea.WithOutput(f.Out), tea.WithoutSignalHandler())
	t.screen = &programScreen{program}
	c.ask = &tuiAsker{screen: t.screen, open: f.opener}
	title, text := c.welcome(columns(f.Out, 80))
	fmt.Fprintf(f.Out, "%s\n%s\n\n", t.styles.accent.Render(title), text)
	_, err := program.Run()
	if !t.stop(stopTime) {
		return errors.New("the run that was going on did not stop")
	}
	if ctx.Err() != nil {
		return runError(ctx, ctx.Err())
	}
	if err == nil {
		fmt.Fprintln(f.Out, "Goodbye!")
	}
	return err
}

// screen is what the run's goroutine may do to the display.
type screen interface {
	Send(msg tea.Msg)
	Println(text string)
}

// programScreen is the screen of a running program. Once that has ended it
// drops what it is given; the program's own Println would wait for ever.
type programScreen struct{ program *tea.Program }

func (s *programScreen) Send(msg tea.Msg)    { s.program.Send(msg) }
func (s *programScreen) Println(text string) { s.program.Send(tea.Println(text)()) }

// tui is the state of the display; Update is its only writer.
type tui struct {
	ctx    context.Context //nolint:containedctx // runs are started by a key, and end with the program
	c      *conversation
	screen screen
	now    func() time.Time

	input     textarea.Model
	spin      spinner.Model
	styles    styles
	width     int
	status    string // what the run does; empty when none runs
	since     time.Time
	hint      string
	pending   string     // the block that is being written
	questions []question // of tools, the first one is shown
	draft     string     // what was being typed when a question came or history was browsed
	cancel    context.CancelFunc
	ended     chan struct{} // closed when the run has ended
	lastStop  time.Time
	past      []string
	at        int // position in past; len(past) = the line being typed
}

// styles are how parts of the display look.
type styles struct {
	dim, accent, bad lipgloss.Style
	markdown         string // style of glamour
}

func newStyles(colour bool) styles {
	if !colour {
		return styles{markdown: "notty"}
	}
	return styles{
		dim:      lipgloss.NewStyle().Faint(true),
		accent:   lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Color("6")),
		bad:      lipgloss.NewStyle().Foreground(lipgloss.Color("1")),
		markdown: "dark",
	}
}

// Messages of the run's goroutine.
type (
	statusMsg  string
	pendingMsg string
	endMsg     struct{ err error }
	question   struct {
		label string
		reply chan<- string // has room for one
	}
	withdrawMsg struct{ reply chan<- string }
)

// stopping is the status of a run that was told to stop.
const stopping = "Stopping"

func newTUI(ctx context.Context, c *conversation, look styles) *tui {
	in := textarea.New()
	in.ShowLineNumbers, in.CharLimit = false, maxPrompt
	in.SetPromptFunc(2, func(p textarea.PromptInfo) string {
		if p.LineNumber == 0 {
			return "❯ "
		}
		return "  "
	})
	plain := textarea.StyleState{Placeholder: look.dim, Prompt: look.accent}
	in.SetStyles(textarea.Styles{Focused: plain, Blurred: plain, Cursor: in.Styles().Cursor}) // its own styles paint the background
	in.Placeholder = "Ask for something · exit leaves"
	in.DynamicHeight, in.MinHeight, in.MaxHeight = true, 1, 8
	in.SetHeight(1)
	in.SetWidth(80)
	in.KeyMap.InsertNewline = key.NewBinding(key.WithKeys("ctrl+j", "alt+enter", "shift+enter"))
	in.Focus()
	return &tui{
		ctx: ctx, c: c, now: time.Now, input: in, spin: spinner.New(spinner.WithSpinner(spinner.MiniDot)), styles: look, width: 80,
	}
}

// Init starts the cursor, and asks the terminal whether it is dark.
func (t *tui) Init() tea.Cmd {
	if t.styles.markdown == "notty" {
		return textarea.Blink
	}
	return tea.Batch(textarea.Blink, tea.RequestBackgroundColor)
}

// Update takes a key or a message of the run.
func (t *tui) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		t.width = max(1, msg.Width)
		t.input.SetWidth(t.width)
		return t, nil
	case tea.BackgroundColorMsg:
		if t.styles.markdown == "dark" && !msg.IsDark() {
			t.styles.markdown = "light"
		}
		return t, nil
	case tea.KeyPressMsg:
		return t.key(msg)
	case spinner.TickMsg:
		if t.status == "" {
			return t, nil
		}
		var cmd tea.Cmd
		t.spin, cmd = t.spin.Update(msg)
		return t, cmd
	case statusMsg:
		if t.cancel != nil && t.status != stopping && t.status != string(msg) {
			t.status, t.since = string(msg), t.now()
		}
		return t, nil
	case pendingMsg:
		t.pending = string(msg)
		return t, nil
	case question:
		if t.questions = append(t.questions, msg); len(t.questions) == 1 {
			t.draft, t.hint = t.input.Value(), ""
			t.input.Reset()
		}
		return t, nil
	case withdrawMsg:
		t.withdraw(msg.reply)
		return t, nil
	case endMsg:
		t.status, t.pending, t.hint, t.cancel = "", "", "", nil
		return t, nil
	}
	var cmd tea.Cmd
	t.input, cmd = t.input.Update(msg)
	return t, cmd
}

func (t *tui) key(msg tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	t.hint = ""
	switch msg.String() {
	case "ctrl+c":
		return t, t.interrupt()
	case "ctrl+d":
		if t.input.Value() == "" && t.cancel == nil {
			return t, tea.Quit
		}
	case "enter":
		return t, t.submit()
	case "up", "down":
		if t.browse(msg.String()) {
			return t, nil
		}
	}
	var cmd tea.Cmd
	t.input, cmd = t.input.Update(msg)
	return t, cmd
}

// interrupt stops the run; without one it clears the line; twice within two
// seconds it leaves.
func (t *tui) interrupt() tea.Cmd {
	switch {
	case t.cancel != nil:
		t.cancel()
		t.status = stopping
		return nil
	case t.input.Value() != "":
		t.input.Reset()
		t.at = len(t.past)
		return nil
	case !t.lastStop.IsZero() && t.now().Sub(t.lastStop) < leaveTime:
		return tea.Quit
	}
	t.lastStop = t.now()
	t.hint = "ctrl-c again, or exit, to leave"
	return nil
}

// submit takes the line: an answer to a question, a farewell, or a prompt.
func (t *tui) submit() tea.Cmd {
	line := strings.TrimSpace(t.input.Value())
	switch {
	case len(t.questions) > 0:
		first := t.questions[0].reply
		first <- line
		t.withdraw(first)
		return nil
	case line == "":
		return nil
	case isFarewell(line):
		return tea.Quit
	case t.cancel != nil:
		t.hint = "a run is going on; ctrl-c stops it"
		return nil
	}
	t.input.Reset()
	if n := len(t.past); n == 0 || t.past[n-1] != line {
		t.past = append(t.past, line)
	}
	t.at, t.draft = len(t.past), ""
	return t.start(line)
}

// start runs a prompt in a goroutine, which ends with the run.
func (t *tui) start(prompt string) tea.Cmd {
	ctx, cancel := context.WithCancel(t.ctx)
	ended := make(chan struct{})
	t.cancel, t.ended, t.status, t.since = cancel, ended, "Thinking", t.now()
	turn := &turn{send: t.c.send, screen: t.screen, styles: t.styles, width: t.width}
	go func() {
		defer close(ended)
		defer cancel()
		turn.run(ctx, prompt)
	}()
	return t.spin.Tick
}

// withdraw ends a question; what was being typed comes back after the last one.
func (t *tui) withdraw(reply chan<- string) {
	for i, q := range t.questions {
		if q.reply != reply {
			continue
		}
		t.questions = append(t.questions[:i:i], t.questions[i+1:]...)
		if i == 0 {
			t.input.Reset()
		}
		if len(t.questions) == 0 {
			t.input.SetValue(t.draft)
			t.draft = ""
		}
		return
	}
}

// browse walks through earlier prompts when the input is one line.
func (t *tui) browse(direction string) bool {
	if t.input.LineCount() > 1 || len(t.past) == 0 || len(t.questions) > 0 {
		return false
	}
	next := t.at - 1
	if direction == "down" {
		next = t.at + 1
	}
	if next < 0 || next > len(t.past) {
		return true
	}
	if t.at == len(t.past) {
		t.draft = t.input.Value()
	}
	t.at = next
	value := t.draft
	if next < len(t.past) {
		value = t.past[next]
	}
	t.input.SetValue(value)
	return true
}

// stop ends a run that is still going when the program leaves; false when it
// does not end in time.
func (t *tui) stop(within time.Duration) bool {
	if t.cancel == nil {
		return true
	}
	t.cancel()
	select {
	case <-t.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// liveLines bounds the block that is being written, as it is shown.
const liveLines = 8

// View draws the live region: the unfinished block, the status and the input.
func (t *tui) View() tea.View {
	var rows []string
	if t.pending != "" {
		rows = append(rows, lastLines(wrap(t.pending, t.width-1), liveLines))
	}
	switch {
	case len(t.questions) > 0:
		rows = append(rows, t.styles.accent.Render(wrap(t.questions[0].label, t.width-1)))
	case t.status != "":
		took := t.now().Sub(t.since).Round(time.Second)
		text := fmt.Sprintf("%s · %s · ctrl-c stops", t.status, took)
		if t.status == stopping {
			text = fmt.Sprintf("%s · %s", t.status, took)
		}
		rows = append(rows, t.spin.View()+" "+t.styles.dim.Render(cut(text, t.width-3)))
	}
	if t.hint != "" {
		rows = append(rows, t.styles.dim.Render(cut(t.hint, t.width-1)))
	}
	return tea.NewView(strings.Join(append(rows, t.input.View()), "\n"))
}

// lastLines keeps the live region small.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
