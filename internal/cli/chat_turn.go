package cli

import (
	"context"
	"strings"

	"charm.land/glamour/v2"

	"github.com/sluice-run/sluice/agent"
)

// turn is one run of the agent as the terminal shows it. It belongs to the
// run's goroutine.
type turn struct {
	send   func(ctx context.Context, prompt string, show func(agent.Event)) (string, error)
	screen screen
	styles styles
	width  int

	renderer *glamour.TermRenderer
	block    strings.Builder
}

func (t *turn) run(ctx context.Context, prompt string) {
	t.screen.Println(t.styles.accent.Render("❯ ") + wrap(printable(prompt), t.width-3))
	_, err := t.send(ctx, prompt, t.show)
	t.flush(t.block.Len())
	switch {
	case err == nil:
	case ctx.Err() != nil:
		t.screen.Println(t.styles.dim.Render("(stopped)"))
	default:
		t.screen.Println(t.styles.bad.Render("The run failed: ") + wrap(printable(describe(err)), t.width-1))
	}
	t.screen.Println(" ") // an empty line would be dropped
	t.screen.Send(endMsg{err})
}

func (t *turn) show(e agent.Event) {
	switch e := e.(type) {
	case agent.TextDelta:
		t.block.WriteString(printable(e.Text))
		t.flush(finished(t.block.String()))
		t.screen.Send(statusMsg("Writing"))
	case agent.ThinkingDelta:
		t.screen.Send(statusMsg("Thinking"))
	case agent.ToolCall:
		t.flush(t.block.Len())
		lines := describeCall(e, t.width-3)
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
		for _, l := range describeResult(e, t.width-5) {
			style := t.styles.dim
			if e.Outcome != agent.OutcomeOK || strings.HasPrefix(l, "failed") {
				style = t.styles.bad
			}
			t.screen.Println(style.Render("  ⎿ " + l))
		}
		t.screen.Send(statusMsg("Thinking"))
	case agent.Done:
		t.flush(t.block.Len())
		if note := cutNote(e); note != "" {
			t.screen.Println(t.styles.bad.Render(note))
		}
	}
}

// flush moves the first n bytes of the block to the scrollback, rendered.
func (t *turn) flush(n int) {
	text := t.block.String()
	if strings.TrimSpace(text[:n]) != "" {
		t.screen.Println(strings.Trim(t.render(text[:n]), "\n"))
	}
	rest := text[n:]
	t.block.Reset()
	t.block.WriteString(rest)
	t.screen.Send(pendingMsg(rest))
}

// render turns Markdown into terminal text; what cannot be rendered is shown as
// it is.
func (t *turn) render(markdown string) string {
	if t.renderer == nil {
		r, err := glamour.NewTermRenderer(glamour.WithStandardStyle(t.styles.markdown), glamour.WithWordWrap(max(20, min(t.width-4, 100))))
		if err != nil {
			return markdown
		}
		t.renderer = r
	}
	out, err := t.renderer.Render(markdown)
	if err != nil {
		return markdown
	}
	return out
}

// finished gives how many bytes of text are whole Markdown blocks: up to the
// last blank line that is not inside a code fence (CommonMark §4.5).
func finished(text string) int {
	end, at := 0, 0
	var open string // the fence that a code block was opened with
	for line := range strings.SplitAfterSeq(text, "\n") {
		at += len(line)
		mark, rest := fence(line)
		switch {
		case open == "" && mark != "" && (mark[0] == '~' || !strings.Contains(rest, "`")):
			open = mark
		case open != "" && strings.HasPrefix(mark, open) && rest == "":
			open = ""
		}
		if open == "" && strings.TrimSpace(line) == "" && strings.HasSuffix(line, "\n") {
			end = at
		}
	}
	return end
}

// fence gives the backticks or tildes, three at least, that a line begins with,
// and what follows them.
func fence(line string) (mark, rest string) {
	body := strings.TrimLeft(line, " ")
	if len(line)-len(body) > 3 || body == "" || (body[0] != '`' && body[0] != '~') {
		return "", ""
	}
	rest = strings.TrimLeft(body, body[:1])
	if len(body)-len(rest) < 3 {
		return "", ""
	}
	return body[:len(body)-len(rest)], strings.TrimSpace(rest)
}
