package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/agent"
)

// terminal says whether the chat talks to a capable terminal on both ends.
func (f *chatFlags) terminal() bool {
	return isTerminal(f.In) && isTerminal(f.Out) && f.getenv("TERM") != "dumb" && f.getenv("TERM") != ""
}

// leaveTime is how close two interrupts must be to leave.
const leaveTime = 2 * time.Second

// plain is the chat on plain streams: no colours, no cursor movement.
type plain struct {
	f          *chatFlags
	c          *conversation
	lines      <-chan inputLine
	interrupts chan os.Signal
	asking     sync.Mutex // one question of a tool at a time
}

type inputLine struct {
	text string
	err  error
}

// plainREPL is the guide's loop: a prompt, the agent's calls, its answer.
func (f *chatFlags) plainREPL(ctx context.Context, c *conversation) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &plain{f: f, c: c, lines: readLines(ctx, f.In), interrupts: make(chan os.Signal, 1)}
	c.ask = p
	signal.Notify(p.interrupts, os.Interrupt)
	defer signal.Stop(p.interrupts)
	title, text := c.welcome(columns(f.Out, 88))
	fmt.Fprintf(f.Out, "%s\n%s\nType exit to leave.\n\n", title, text)
	for {
		line, err := p.read(ctx)
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(f.Out, "\nGoodbye!")
			return nil
		case err != nil:
			return err
		case isFarewell(line):
			fmt.Fprintln(f.Out, "Goodbye!")
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
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-p.interrupts:
			cancel()
		case <-runCtx.Done():
		}
	})
	midLine := false
	_, err := p.c.send(runCtx, prompt, func(e agent.Event) { midLine = p.show(e, midLine) })
	stopped := runCtx.Err() != nil
	cancel()
	watch.Wait()
	if midLine {
		fmt.Fprintln(p.f.Out)
	}
	switch {
	case ctx.Err() != nil:
		return runError(ctx, ctx.Err())
	case err != nil && stopped:
		fmt.Fprintln(p.f.Out, "(stopped)")
	case err != nil:
		fmt.Fprintf(p.f.Out, "The run failed: %s\n", printable(describe(err)))
	}
	fmt.Fprintln(p.f.Out)
	return nil
}

// show writes one event; it tells whether the cursor stands inside a line.
func (p *plain) show(e agent.Event, midLine bool) bool {
	line := func(text string) {
		if midLine {
			fmt.Fprintln(p.f.Out)
			midLine = false
		}
		fmt.Fprintln(p.f.Out, text)
	}
	width := columns(p.f.Out, showWidth)
	switch e := e.(type) {
	case agent.TextDelta:
		if !midLine {
			fmt.Fprint(p.f.Out, "Agent: ")
		}
		fmt.Fprint(p.f.Out, printable(e.Text))
		return true
	case agent.ToolCall:
		for _, l := range describeCall(e, width-2) {
			line("* " + l)
		}
	case agent.ToolResult:
		for _, l := range describeResult(e, width-5) {
			line("  -> " + l)
		}
	case agent.Done:
		if note := cutNote(e); note != "" {
			line(note)
		}
	}
	return midLine
}

// read asks for a prompt. Two interrupts within two seconds leave.
func (p *plain) read(ctx context.Context) (string, error) {
	const prompt = "You: "
	fmt.Fprint(p.f.Out, prompt)
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return "", runError(ctx, ctx.Err())
		case <-p.interrupts:
			if time.Since(last) < leaveTime {
				return "", io.EOF
			}
			last = time.Now()
			fmt.Fprintf(p.f.Out, "\n(ctrl-c again, or exit, to leave)\n%s", prompt)
		case l, ok := <-p.lines:
			if !ok {
				return "", io.EOF
			}
			if errors.Is(l.err, errLong) {
				fmt.Fprintf(p.f.Out, "\nThat is too long: a prompt may have %d KiB.\n%s", maxPrompt>>10, prompt)
				continue
			}
			return l.text, l.err
		}
	}
}

// readLines reads lines until the end of in. Reading a terminal cannot be
// cancelled, so the goroutine ends with its input or the process.
func readLines(ctx context.Context, in io.Reader) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		defer close(lines)
		reader := bufio.NewReaderSize(in, 4096)
		for {
			text, err := readLine(reader, maxPrompt)
			l := inputLine{text: strings.ToValidUTF8(strings.TrimRight(string(text), "\r\n"), "\uFFFD")}
			switch {
			case errors.Is(err, io.EOF) && len(text) == 0:
				return
			case errors.Is(err, errLong):
				l.err = err
			case err != nil && !errors.Is(err, io.EOF):
				l.err = fmt.Errorf("reading input: %w", err)
			}
			select {
			case lines <- l:
			case <-ctx.Done():
				return
			}
			if err != nil && !errors.Is(err, errLong) {
				return
			}
		}
	}()
	return lines
}

// reply asks a question of a tool, during a run: ctrl-c stops the run.
func (p *plain) reply(ctx context.Context) questioner {
	return func(label string) (string, error) {
		fmt.Fprint(p.f.Out, label)
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case l, ok := <-p.lines:
			if !ok {
				return "", io.EOF
			}
			return l.text, l.err
		}
	}
}

// url shows an address that a tool wants opened and waits for the person.
func (p *plain) url(ctx context.Context, q agent.URLRequest) (agent.Answer, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	fmt.Fprintf(p.f.Out, "\n%s\n", urlText(q))
	answer, failed := askURL(ctx, q, p.reply(ctx), p.f.opener)
	if failed {
		fmt.Fprintln(p.f.Out, notOpened)
	}
	return answer, nil
}

// form asks for each value of a tool's form in turn.
func (p *plain) form(ctx context.Context, q agent.FormRequest) (agent.Answer, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	fmt.Fprintf(p.f.Out, "\n%s\n", formText(q))
	return askForm(q.Schema, p.reply(ctx))
}
