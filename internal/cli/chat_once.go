package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-run/sluice/agent"
)

// once answers the -p prompt. With the text format only the answer goes to
// standard output; calls are told on standard error.
func (f *chatFlags) once(ctx context.Context, c *conversation) error {
	runCtx, stop := interruptible(ctx)
	defer stop()
	enc := json.NewEncoder(f.Out)
	enc.SetEscapeHTML(false)
	var calls []callReport
	answer, err := c.send(runCtx, f.prompt, func(e agent.Event) {
		if f.format == "stream-json" {
			_ = enc.Encode(wireEvent(e))
			return
		}
		switch e := e.(type) {
		case agent.ToolCall:
			for _, line := range describeCall(e, showWidth) {
				fmt.Fprintln(f.Err, "● "+line)
			}
		case agent.ToolResult:
			for _, line := range describeResult(e, showWidth) {
				fmt.Fprintln(f.Err, "  ⎿ "+line)
			}
			calls = append(calls, callReport{Tool: e.Name, Outcome: string(e.Outcome), Seconds: e.Duration.Seconds()})
		}
	})
	if err != nil {
		return runError(runCtx, err)
	}
	switch f.format {
	case "json":
		return enc.Encode(map[string]any{"answer": answer, "tool_calls": calls, "model": c.model, "session": c.session.ID})
	case "text":
		_, err := fmt.Fprintln(f.Out, answer)
		return err
	}
	return nil
}

// callReport is a tool call in the JSON answer.
type callReport struct {
	Tool    string  `json:"tool"`
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
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
