package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/spinner"
	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/sluice-run/sluice/agent"
)

// terminalREPL is the chat on a terminal. Finished text goes to the scrollback;
// only the input, a status line and the block being written are redrawn. All
// scrollback is written by the goroutine of the run, so it stays in order.
func (f *chatFlags) terminalREPL(ctx context.Context, c *conversation) error {
	t := newTUI(f, c)
	program := tea.NewProgram(t, tea.WithContext(ctx), tea.WithInput(f.In), tea.WithOutput(f.Out), tea.WithoutSignalHandler())
	t.screen = program
	c.ask = &tuiAsker{screen: program}
	fmt.Fprintf(f.Out, "%s\n\n", c.welcome())
	_, err := program.Run()
	t.stop()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return runError(ctx, ctx.Err())
	}
	return err
}

// screen is what the run's goroutine may do to the display.
type screen interface {
	Send(tea.Msg)
	Println(args ...any)
}

// tui is the state of the display; Update is its only writer.
type tui struct {
	f      *chatFlags
	c      *conversation
	screen screen

	input    textarea.Model
	spin     spinner.Model
	styles   styles
	width    int
	status   string // what the run does; empty when none runs
	since    time.Time
	hint     string
	pending  string // the block that is being written
	question *question
	cancel   context.CancelFunc
	lastStop time.Time
	past     []string
	at       int // position in past; len(past) = the line being typed
}

type styles struct{ dim, accent, bad lipgloss.Style }

// Messages of the run's goroutine.
type (
	statusMsg  string
	pendingMsg string
	endMsg     struct{ err error }
	question   struct {
		label string
		reply chan<- string
	}
)

func newTUI(f *chatFlags, c *conversation) *tui {
	in := textarea.New()
	in.Prompt, in.ShowLineNumbers, in.CharLimit = "❯ ", false, maxPrompt
	in.Placeholder = "Ask for something · exit leaves"
	in.DynamicHeight, in.MinHeight, in.MaxHeight = true, 1, 8
	in.SetHeight(1)
	in.KeyMap.InsertNewline = key.NewBinding(key.WithKeys("ctrl+j", "alt+enter", "shift+enter"))
	in.Focus()
	t := &tui{f: f, c: c, input: in, spin: spinner.New(spinner.WithSpinner(spinner.MiniDot)), width: 80}
	if os.Getenv("NO_COLOR") == "" {
		t.styles = styles{
			dim:    lipgloss.NewStyle().Faint(true),
			accent: lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Color("6")),
			bad:    lipgloss.NewStyle().Foreground(lipgloss.Color("1")),
		}
	}
	return t
}

// Init starts the cursor.
func (t *tui) Init() tea.Cmd { return textarea.Blink }

// Update takes a key or a message of the run.
func (t *tui) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		t.width = msg.Width
		t.input.SetWidth(msg.Width)
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
		t.status, t.since = string(msg), time.Now()
		return t, nil
	case pendingMsg:
		t.pending = string(msg)
		return t, nil
	case question:
		t.question, t.hint = &msg, ""
		return t, nil
	case endMsg:
		t.status, t.pending, t.question, t.cancel = "", "", nil, nil
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
		if t.input.Value() == "" && t.status == "" {
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
		t.status = "Stopping"
		return nil
	case t.input.Value() != "":
		t.input.Reset()
		return nil
	case time.Since(t.lastStop) < 2*time.Second:
		return tea.Quit
	}
	t.lastStop = time.Now()
	t.hint = "ctrl-c again, or exit, to leave"
	return nil
}

// submit takes the line: an answer to a question, a farewell, or a prompt.
func (t *tui) submit() tea.Cmd {
	line := strings.TrimSpace(t.input.Value())
	if t.question != nil {
		t.question.reply <- line
		t.question = nil
		t.input.Reset()
		return nil
	}
	if line == "" {
		return nil
	}
	if isFarewell(line) {
		return tea.Quit
	}
	if t.cancel != nil {
		t.hint = "a run is going on; ctrl-c stops it"
		return nil
	}
	t.input.Reset()
	t.past = append(t.past, line)
	t.at = len(t.past)
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel, t.status, t.since = cancel, "Thinking", time.Now()
	turn := &turn{c: t.c, screen: t.screen, styles: t.styles, width: t.width, done: ctx.Err}
	go func() {
		defer cancel()
		turn.run(ctx, line)
	}()
	return t.spin.Tick
}

// browse walks through earlier prompts when the input is one line.
func (t *tui) browse(direction string) bool {
	if t.input.LineCount() > 1 || len(t.past) == 0 {
		return false
	}
	next := t.at - 1
	if direction == "down" {
		next = t.at + 1
	}
	if next < 0 || next > len(t.past) {
		return true
	}
	t.at = next
	t.input.Reset()
	if next < len(t.past) {
		t.input.SetValue(t.past[next])
	}
	return true
}

// stop ends a run that is still going when the program leaves.
func (t *tui) stop() {
	if t.cancel != nil {
		t.cancel()
	}
}

// View draws the live region: the unfinished block, the status and the input.
func (t *tui) View() tea.View {
	var b strings.Builder
	if t.pending != "" {
		b.WriteString(lastLines(t.pending, 8) + "\n")
	}
	switch {
	case t.question != nil:
		b.WriteString(t.styles.accent.Render(t.question.label) + "\n")
	case t.status != "":
		took := time.Since(t.since).Round(time.Second)
		b.WriteString(t.spin.View() + " " + t.styles.dim.Render(fmt.Sprintf("%s · %s · ctrl-c stops", t.status, took)) + "\n")
	case t.hint != "":
		b.WriteString(t.styles.dim.Render(t.hint) + "\n")
	}
	b.WriteString(t.input.View())
	return tea.NewView(b.String())
}

// lastLines keeps the live region small.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// tuiAsker puts a tool's question on the input line.
type tuiAsker struct{ screen screen }

func (a *tuiAsker) ask(ctx context.Context, label string) (string, error) {
	reply := make(chan string, 1)
	a.screen.Send(question{label: label, reply: reply})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-reply:
		return r, nil
	}
}

func (a *tuiAsker) url(ctx context.Context, q agent.URLRequest) (agent.Answer, error) {
	a.screen.Println(printable(q.Message) + "\n  " + printable(q.URL))
	reply, err := a.ask(ctx, "Press enter when done, or type no")
	if err != nil {
		return agent.Answer{Cancel: true}, nil //nolint:nilerr // leaving is an answer
	}
	return agent.Answer{Accept: !isNo(reply)}, nil
}

func (a *tuiAsker) form(ctx context.Context, q agent.FormRequest) (agent.Answer, error) {
	a.screen.Println(printable(q.Message))
	return askForm(q.Schema, func(label string) (string, error) { return a.ask(ctx, label) })
}
