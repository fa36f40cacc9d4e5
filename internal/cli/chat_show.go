package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-run/sluice/agent"
)

// showWidth bounds a line about a call where no terminal does.
const showWidth = 110

// The meta tools whose inner calls and finds are what a person wants to see.
const (
	metaMultiExecute = "COMPOSIO_MULTI_EXECUTE_TOOL"
	metaSearch       = "COMPOSIO_SEARCH_TOOLS"
)

// describeCall gives one line of at most width for each tool that a call runs.
func describeCall(c agent.ToolCall, width int) []string {
	if c.Name == metaMultiExecute {
		var in struct {
			Tools []struct {
				Slug string          `json:"tool_slug"`
				Args json.RawMessage `json:"arguments"`
			} `json:"tools"`
		}
		if json.Unmarshal(c.Args, &in) == nil && len(in.Tools) > 0 {
			lines := make([]string, 0, len(in.Tools))
			for _, t := range in.Tools {
				lines = append(lines, cut(t.Slug+" "+compact(t.Args), width))
			}
			return lines
		}
	}
	return []string{cut(c.Name+" "+compact(c.Args), width)}
}

// describeResult gives one line of at most width for each tool that a call ran:
// how it ended, what it was about and how long it took.
func describeResult(r agent.ToolResult, width int) []string {
	took := " · " + r.Duration.Round(time.Millisecond).String()
	width -= len([]rune(took))
	var answer struct {
		Data struct {
			Results []struct {
				Slug     string    `json:"tool_slug"`
				Error    *string   `json:"error"`
				Response *envelope `json:"response"`
				Primary  []string  `json:"primary_tool_slugs"`
			} `json:"results"`
		} `json:"data"`
	}
	isMeta := r.Name == metaMultiExecute || r.Name == metaSearch
	if isMeta && json.Unmarshal([]byte(r.Content), &answer) == nil && len(answer.Data.Results) > 0 {
		var lines []string
		for _, one := range answer.Data.Results {
			switch {
			case len(one.Primary) > 0:
				lines = append(lines, cut("found "+strings.Join(one.Primary, ", "), width))
			case one.Error != nil:
				lines = append(lines, cut("failed: "+*one.Error, width))
			case one.Response != nil:
				lines = append(lines, cut(one.Response.summary(), width))
			}
		}
		if len(lines) > 0 {
			lines[len(lines)-1] += took
			return lines
		}
	}
	var e envelope
	if json.Unmarshal([]byte(r.Content), &e) == nil && (e.Data != nil || e.Error != nil) {
		return []string{cut(e.summary(), width) + took}
	}
	return []string{cut(string(r.Outcome)+": "+strings.Join(strings.Fields(r.Content), " "), width) + took}
}

// envelope is a tool's answer on the wire.
type envelope struct {
	Data  json.RawMessage `json:"data"`
	Error *string         `json:"error"`
}

// summary says in a few words what an answer holds.
func (e *envelope) summary() string {
	if e.Error != nil && *e.Error != "" {
		return "failed: " + strings.Join(strings.Fields(*e.Error), " ")
	}
	var d struct {
		Title    string            `json:"title"`
		Name     string            `json:"name"`
		Display  string            `json:"displayName"`
		ID       any               `json:"id"`
		URL      string            `json:"url"`
		Results  []json.RawMessage `json:"results"`
		Message  string            `json:"message"`
		NextPage string            `json:"next_cursor"`
	}
	if json.Unmarshal(e.Data, &d) != nil {
		return "ok"
	}
	switch title := d.Title + d.Name + d.Display; {
	case title != "" && d.URL != "":
		return fmt.Sprintf("ok: %q %s", title, d.URL)
	case title != "":
		return fmt.Sprintf("ok: %q", title)
	case d.Results != nil:
		more := ""
		if d.NextPage != "" {
			more = ", more follow"
		}
		return fmt.Sprintf("ok: %d found%s", len(d.Results), more)
	case d.Message != "":
		return "ok: " + d.Message
	}
	return "ok"
}

// compact writes JSON on one line.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return strings.Join(strings.Fields(string(raw)), " ")
	}
	return b.String()
}

// cut shortens a text to n runes and makes it safe to print: no control
// characters, which could drive the terminal.
func cut(text string, n int) string {
	text = printable(text)
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	return string(r[:n-1]) + "…"
}

// printable replaces control characters but newline and tab: text of tools and
// models must not drive the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, text)
}
