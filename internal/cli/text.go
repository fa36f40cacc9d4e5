package cli

import (
	"os"
	"strings"
	"sync"
	"time"

	"charm.land/lipgloss/v2"
	"golang.org/x/term"
)

// printable makes text of tools, models and servers safe for a terminal:
// control characters, which could drive it, and direction marks, which could
// make it show something else than it says, become the replacement character.
func printable(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < 0x20, r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
			return '\uFFFD'
		}
		return r
	}, text)
}

// cut makes a text one safe line of at most n columns.
func cut(text string, n int) string {
	text = strings.NewReplacer("\n", " ", "\t", " ").Replace(printable(text))
	n = max(n, 1)
	if lipgloss.Width(text) <= n {
		return text
	}
	width := 0
	for i, r := range text {
		w := lipgloss.Width(string(r))
		if width+w > n-1 {
			return strings.TrimRight(text[:i], " ") + "…"
		}
		width += w
	}
	return text
}

// wrap breaks lines between words so that they fit width columns. A line's
// indentation holds for what is broken off it.
func wrap(text string, width int) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(body)]
		row := indent
		for word := range strings.FieldsSeq(body) {
			if row != indent && lipgloss.Width(row)+1+lipgloss.Width(word) > width {
				out = append(out, row)
				row = indent
			}
			if row != indent {
				row += " "
			}
			row += word
		}
		out = append(out, strings.TrimRight(row, " "))
	}
	return strings.Join(out, "\n")
}

// firstLine cuts a text to its first sentence or line, of at most limit columns.
func firstLine(text string, limit int) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if i := strings.Index(text, ". "); i > 0 {
		text = text[:i+1]
	}
	return cut(text, limit)
}

// isTerminal says whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// columns is the width of the terminal that out is; otherwise when it is none.
func columns(out any, otherwise int) int {
	if f, ok := out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return otherwise
}

const (
	// busyAfter is how long work may take before it is told.
	busyAfter = 400 * time.Millisecond
	// busyFrame is how long one of busyFrames stands.
	busyFrame = 120 * time.Millisecond
)

// busyFrames turn while work goes on.
var busyFrames = [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// busy tells on a terminal that work goes on, when it takes long. The function
// it gives ends that.
func (s *shared) busy(label string) func() {
	if !isTerminal(s.Err) || s.getenv("TERM") == "dumb" {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(busyFrame)
		defer tick.Stop()
		shown, started := false, time.Now()
		for {
			select {
			case <-done:
				if shown {
					_, _ = s.Err.Write([]byte("\r\x1b[K"))
				}
				return
			case <-tick.C:
				took := time.Since(started)
				if took < busyAfter {
					continue
				}
				shown = true
				_, _ = s.Err.Write([]byte("\r" + busyFrames[int(took/busyFrame)%len(busyFrames)] + " " + label + "… " + took.Round(time.Second).String() + "\x1b[K"))
			}
		}
	}()
	return sync.OnceFunc(func() { close(done); <-ended })
}
