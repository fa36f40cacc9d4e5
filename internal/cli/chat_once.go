package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-run/sluice/agent"
)

// answerOnce answers the -p prompt. With the text format only the answer goes to
// standard output; calls are told on standard error.
func (f *chatFlags) answerOnce(ctx context.Context, c *conversation) error {
	enc := json.NewEncoder(f.Out)
	enc.SetEscapeHTML(false)
	calls, runs := []callReport{}, map[string][]string{}
	var end agent.Done
	answer, err := c.send(ctx, f.prompt, func(e agent.Event) {
		switch e := e.(type) {
		case agent.ToolCall:
			for _, t := range innerCalls(e) {
				runs[e.ID] = append(runs[e.ID], t.Slug)
			}
		case agent.ToolResult:
			calls = append(calls, callReport{Tool: e.Name, Runs: runs[e.ID], Outcome: string(e.Outcome), Seconds: e.Duration.Seconds()})
		case agent.Done:
			end = e
		}
		if f.format == "stream-json" {
			_ = enc.Encode(wireEvent(e)) // the next write to a closed pipe ends the program
			return
		}
		f.tell(e)
	})
	if err != nil {
		if f.format != "text" {
			report := map[string]any{"type": "error", "error": describe(err)}
			if f.format == "json" {
				report = map[string]any{"error": describe(err), "tool_calls": calls, "model": c.model, "session": c.session.ID}
			}
			_ = enc.Encode(report) // the exit code says it as well
		}
		return runError(ctx, err)
	}
	if note := cutNote(end); note != "" {
		fmt.Fprintln(f.Err, note)
	}
	switch f.format {
	case "json":
		return enc.Encode(map[string]any{
			"answer": answer, "finish": end.Finish, "tool_calls": calls, "model": c.model, "session": c.session.ID, "usage": end.Usage,
		})
	case "text":
		if isTerminal(f.Out) {
			answer = printable(answer)
		}
		_, err := fmt.Fprintln(f.Out, answer)
		return err
	}
	return nil
}

// tell writes a call or its outcome to standard error.
func (f *chatFlags) tell(e agent.Event) {
	width := columns(f.Err, showWidth)
	switch e := e.(type) {
	case agent.ToolCall:
		for _, line := range describeCall(e, width-2) {
			fmt.Fprintln(f.Err, "● "+line)
		}
	case agent.ToolResult:
		for _, line := range describeResult(e, width-4) {
			fmt.Fprintln(f.Err, "  ⎿ "+line)
		}
	}
}

// cutNote says that an answer is not whole.
func cutNote(d agent.Done) string {
	switch d.Finish {
	case agent.FinishLength:
		return "(the answer was cut: the model reached its token limit)"
	case agent.FinishFilter:
		return "(the answer was cut by the model's content filter)"
	}
	return ""
}

// callReport is a tool call in the JSON answer.
type callReport struct {
	Tool    string   `json:"tool"`
	Runs    []string `json:"runs,omitempty"` // the tools that a multi-execute runs
	Outcome string   `json:"outcome"`
	Seconds float64  `json:"seconds"`
}

// wireEvent is an event as a line of stream-json: a type and its fields.
func wireEvent(e agent.Event) map[string]any {
	switch e := e.(type) {
	case agent.TextDelta:
		return map[string]any{"type": "text", "text": e.Text}
	case agent.ThinkingDelta:
		return map[string]any{"type": "thinking", "text": e.Text}
	case agent.ToolCall:
		return map[string]any{"type": "tool_call", "id": e.ID, "tool": e.Name, "arguments": e.Args}
	case agent.ToolResult:
		return map[string]any{"type": "tool_result", "id": e.ID, "tool": e.Name, "outcome": e.Outcome, "content": e.Content, "seconds": e.Duration.Seconds()}
	case agent.Progress:
		return map[string]any{"type": "progress", "id": e.CallID, "done": e.Done, "total": e.Total, "message": e.Message}
	case agent.UsageReport:
		return map[string]any{"type": "usage", "usage": e.Total}
	case agent.Done:
		return map[string]any{"type": "done", "answer": e.Text, "finish": e.Finish, "usage": e.Usage}
	}
	return map[string]any{"type": "unknown"}
}
