package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

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
	if inner := innerCalls(c); len(inner) > 0 {
		lines := make([]string, 0, len(inner))
		for _, t := range inner {
			lines = append(lines, cut(t.Slug+" "+compact(t.Args), width))
		}
		return lines
	}
	if c.Name == metaSearch {
		var in struct {
			Queries []struct {
				UseCase string `json:"use_case"`
			} `json:"queries"`
		}
		if json.Unmarshal(c.Args, &in) == nil && len(in.Queries) > 0 {
			uses := make([]string, 0, len(in.Queries))
			for _, q := range in.Queries {
				uses = append(uses, q.UseCase)
			}
			return []string{cut(c.Name+" "+strings.Join(uses, "; "), width)}
		}
	}
	return []string{cut(c.Name+" "+compact(c.Args), width)}
}

// innerCall is a call inside a multi-execute.
type innerCall struct {
	Slug string          `json:"tool_slug"`
	Args json.RawMessage `json:"arguments"`
}

// innerCalls gives what a multi-execute runs; nothing for any other call.
func innerCalls(c agent.ToolCall) []innerCall {
	var in struct {
		Tools []innerCall `json:"tools"`
	}
	if c.Name != metaMultiExecute || json.Unmarshal(c.Args, &in) != nil {
		return nil
	}
	return in.Tools
}

// describeResult gives one line of at most width for each tool that a call ran:
// how it ended, what it was about and how long it took.
func describeResult(r agent.ToolResult, width int) []string {
	took := " · " + r.Duration.Round(time.Millisecond).String()
	width = max(10, width-lipgloss.Width(took))
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

// compact writes JSON on one line. Markup is shown as it is: this is for people.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return strings.Join(strings.Fields(string(raw)), " ")
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(b.String())
}
