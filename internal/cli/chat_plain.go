package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sort"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sluice-run/sluice/agent"
)

// terminal says whether the chat talks to a capable terminal on both ends.
func (f *chatFlags) terminal() bool {
	in, ok := f.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false
	}
	out, ok := f.Out.(*os.File)
	if !ok || !term.IsTerminal(int(out.Fd())) {
		return false
	}
	return os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""
}

// plain is the chat on plain streams: no colours, no cursor movement.
type plain struct {
	f          *chatFlags
	c          *conversation
	lines      <-chan inputLine
	interrupts chan os.Signal
}

type inputLine struct {
	text string
	err  error
}

// plainREPL is the guide's loop: a prompt, the agent's calls, its answer.
func (f *chatFlags) plainREPL(ctx context.Context, c *conversation) error {
	p := &plain{f: f, c: c, lines: readLines(f.In), interrupts: make(chan os.Signal, 1)}
	c.ask = p
	signal.Notify(p.interrupts, os.Interrupt)
	defer signal.Stop(p.interrupts)
	fmt.Fprintf(f.Out, "%s\nType 'exit' or 'quit' to end.\n\n", c.welcome())
	for {
		line, err := p.read(ctx, "You: ")
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(f.Out, "\nGoodbye!")
			return nil
		case err != nil:
			return err
		case isFarewell(line):
			fmt.Fprintln(f.Out, "\nGoodbye!")
			return nil
		case strings.TrimSpace(line) == "":
			continue
		}
		if err := p.turn(ctx, line); err != nil {
			return err
		}
	}
}

// turn runs one prompt. Only the program's own end is an error: a failed run is
// told, and the chat goes on.
func (p *plain) turn(ctx context.Context, prompt string) error {
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		select {
		case <-p.interrupts:
			cancel()
		case <-done:
		}
	}()
	midLine := false
	_, err := p.c.send(runCtx, prompt, func(e agent.Event) { midLine = p.show(e, midLine) })
	close(done)
	if midLine {
		fmt.Fprintln(p.f.Out)
	}
	switch {
	case ctx.Err() != nil:
		return runError(ctx, err)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(p.f.Out, "(stopped)")
	case err != nil:
		fmt.Fprintf(p.f.Out, "The run failed: %s\n", printable(describe(err)))
	}
	fmt.Fprintln(p.f.Out)
	return nil
}

// show writes one event; it tells whether the cursor stands inside a line.
func (p *plain) show(e agent.Event, midLine bool) bool {
	line := func(format string, args ...any) {
		if midLine {
			fmt.Fprintln(p.f.Out)
		}
		fmt.Fprintf(p.f.Out, format+"\n", args...)
	}
	switch e := e.(type) {
	case agent.TextDelta:
		if !midLine {
			fmt.Fprint(p.f.Out, "Agent: ")
		}
		fmt.Fprint(p.f.Out, printable(e.Text))
		return true
	case agent.ToolCall:
		for _, l := range describeCall(e, showWidth) {
			line("* %s", l)
			midLine = false
		}
	case agent.ToolResult:
		for _, l := range describeResult(e, showWidth) {
			line("  -> %s", l)
			midLine = false
		}
	default:
		return midLine
	}
	return false
}

// read asks for a line. Two interrupts within two seconds leave.
func (p *plain) read(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(p.f.Out, prompt)
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-p.interrupts:
			if time.Since(last) < 2*time.Second {
				return "", io.EOF
			}
			last = time.Now()
			fmt.Fprintf(p.f.Out, "\n(ctrl-c again, or exit, to leave)\n%s", prompt)
		case l, ok := <-p.lines:
			if !ok {
				return "", io.EOF
			}
			return l.text, l.err
		}
	}
}

// maxPrompt bounds one line of input.
const maxPrompt = 1 << 20

// readLines reads lines until the end of in. Reading a terminal cannot be
// cancelled, so the goroutine ends with the process.
func readLines(in io.Reader) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		defer close(lines)
		sc := bufio.NewScanner(in)
		sc.Buffer(make([]byte, 4096), maxPrompt)
		for sc.Scan() {
			lines <- inputLine{text: sc.Text()}
		}
		if err := sc.Err(); err != nil {
			lines <- inputLine{err: fmt.Errorf("reading input: %w", err)}
		}
	}()
	return lines
}

// url shows an address that a tool wants opened and waits for the person.
func (p *plain) url(ctx context.Context, q agent.URLRequest) (agent.Answer, error) {
	fmt.Fprintf(p.f.Out, "\n%s\n  %s\n", printable(q.Message), printable(q.URL))
	reply, err := p.read(ctx, "Press enter when done, or type no: ")
	if err != nil {
		return agent.Answer{Cancel: true}, nil //nolint:nilerr // leaving is an answer
	}
	return agent.Answer{Accept: !isNo(reply)}, nil
}

// form asks for each value of a tool's form in turn.
func (p *plain) form(ctx context.Context, q agent.FormRequest) (agent.Answer, error) {
	fmt.Fprintf(p.f.Out, "\n%s\n", printable(q.Message))
	return askForm(q.Schema, func(label string) (string, error) { return p.read(ctx, label) })
}

func isNo(reply string) bool {
	switch strings.ToLower(strings.TrimSpace(reply)) {
	case "n", "no", "decline", "cancel":
		return true
	}
	return false
}

// askForm puts a flat form to the person, one question a value; "no" declines.
func askForm(schema json.RawMessage, ask func(label string) (string, error)) (agent.Answer, error) {
	params, err := parameters(schema)
	if err != nil {
		return agent.Answer{}, err
	}
	sort.SliceStable(params, func(i, j int) bool { return params[i].required && !params[j].required })
	values := map[string]any{}
	for _, p := range params {
		label := p.name
		if p.description != "" {
			label = p.name + " (" + p.description + ")"
		}
		reply, err := ask(printable(label) + ": ")
		if err != nil {
			return agent.Answer{Cancel: true}, nil //nolint:nilerr // leaving is an answer
		}
		if isNo(reply) && p.kind != "boolean" {
			return agent.Answer{}, nil
		}
		if strings.TrimSpace(reply) == "" {
			continue
		}
		values[p.name] = formValue(reply, p.kind)
	}
	return agent.Answer{Accept: true, Values: values}, nil
}

// formValue reads a reply as the form's type; text stays text, and the server
// judges the rest.
func formValue(reply, kind string) any {
	reply = strings.TrimSpace(reply)
	switch kind {
	case "boolean":
		switch strings.ToLower(reply) {
		case "y", "yes", "true", "1":
			return true
		}
		return false
	case "number", "integer":
		return json.Number(reply)
	}
	return reply
}
