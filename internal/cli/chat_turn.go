package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"charm.land/glamour/v2"

	"github.com/sluice-run/sluice/agent"
)

// turn is one run of the agent as the terminal shows it. It belongs to the
// run's goroutine.
type turn struct {
	c      *conversation
	screen screen
	styles styles
	width  int
	done   func() error // the run's own context: why it ended
	block  strings.Builder
}

func (t *turn) run(ctx context.Context, prompt string) {
	t.screen.Println(t.styles.accent.Render("❯ ") + printable(prompt))
	_, err := t.c.send(ctx, prompt, t.show)
	t.flush(t.block.Len())
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled) && t.done() != nil:
		t.screen.Println(t.styles.dim.Render("(stopped)"))
	default:
		t.screen.Println(t.styles.bad.Render("The run failed: ") + printable(describe(err)))
	}
	t.screen.Println("")
	t.screen.Send(endMsg{err})
}

func (t *turn) show(e agent.Event) {
	switch e := e.(type) {
	case agent.TextDelta:
		t.block.WriteString(printable(e.Text))
		t.flush(finished(t.block.String()))
		t.screen.Send(statusMsg("Writing"))
		t.screen.Send(pendingMsg(t.block.String()))
	case agent.ThinkingDelta:
		t.screen.Send(statusMsg("Thinking"))
	case agent.ToolCall:
		t.flush(t.block.Len())
		lines := describeCall(e, t.width-4)
		for _, l := range lines {
			name, args, _ := strings.Cut(l, " ")
			t.screen.Println(t.styles.accent.Render("● "+name) + " " + t.styles.dim.Render(args))
		}
		name, _, _ := strings.Cut(lines[0], " ")
		t.screen.Send(statusMsg("Running " + name))
	case agent.Progress:
		if e.Message != "" {
			t.screen.Send(statusMsg(cut(e.Message, 60)))
		}
	case agent.ToolResult:
		for _, l := range describeResult(e, t.width-6) {
			style := t.styles.dim
			if e.Outcome != agent.OutcomeOK || strings.HasPrefix(l, "failed") {
				style = t.styles.bad
			}
			t.screen.Println(style.Render("  ⎿ " + l))
		}
		t.screen.Send(statusMsg("Thinking"))
	}
}

// flush moves the first n bytes of the block to the scrollback, rendered.
func (t *turn) flush(n int) {
	text := t.block.String()
	if strings.TrimSpace(text[:n]) != "" {
		t.screen.Println(strings.TrimRight(t.render(text[:n]), "\n"))
	}
	rest := text[n:]
	t.block.Reset()
	t.block.WriteString(rest)
	t.screen.Send(pendingMsg(rest))
}

// render turns Markdown into terminal text; what cannot be rendered is shown as
// it is.
func (t *turn) render(markdown string) string {
	style := "dark"
	if os.Getenv("NO_COLOR") != "" {
		style = "notty"
	}
	r, err := glamour.NewTermRenderer(glamour.WithStandardStyle(style), glamour.WithWordWrap(max(20, t.width-4)))
	if err != nil {
		return markdown
	}
	out, err := r.Render(markdown)
	if err != nil {
		return markdown
	}
	return out
}

// finished gives how many bytes of text are whole Markdown blocks: up to the
// last blank line that is not inside a code fence.
func finished(text string) int {
	end, fenced, at := 0, false, 0
	for line := range strings.SplitAfterSeq(text, "\n") {
		at += len(line)
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fenced = !fenced
		}
		if trimmed == "" && !fenced && strings.HasSuffix(line, "\n") {
			end = at
		}
	}
	return end
}
