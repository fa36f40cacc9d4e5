package agent

import (
	"encoding/json"
	"time"
)

// Event is what [Agent.Run] yields: [TextDelta], [ThinkingDelta], [ToolCall],
// [ToolResult], [Progress], [UsageReport] or [Done].
type Event interface{ event() }

// TextDelta is a piece of the model's answer.
type TextDelta struct{ Text string }

// ThinkingDelta is a piece of the model's reasoning.
type ThinkingDelta struct{ Text string }

// ToolCall is a call that the model asks for. It is yielded before the call is
// checked, approved or run.
type ToolCall struct {
	// ID is unique in the run.
	ID   string
	Name string
	// Args is the object that the model sent; when it was not JSON, a JSON
	// string with what it sent.
	Args json.RawMessage
	// Hints are what the tool says of itself; zero for an unknown tool.
	Hints Hints
}

// ToolResult is the end of a call.
type ToolResult struct {
	ID      string
	Name    string
	Outcome Outcome
	// Content is what the model gets to read.
	Content  string
	Duration time.Duration
}

// Progress is news from a running call.
type Progress struct {
	CallID string
	// Done of Total, in the tool's own unit; Total 0 is unknown.
	Done, Total float64
	Message     string
}

// UsageReport is the cost of the run so far; it follows every answer of the
// model.
type UsageReport struct{ Total Usage }

// Done ends a successful run.
type Done struct {
	// Text is the model's last text.
	Text string
	// Output is the typed output of the agent ([Agent.Do] returns it typed).
	Output any
	// Finish tells a complete answer from one that was cut by a token limit or
	// a content filter.
	Finish Finish
	Usage  Usage
}

func (TextDelta) event()     {}
func (ThinkingDelta) event() {}
func (ToolCall) event()      {}
func (ToolResult) event()    {}
func (Progress) event()      {}
func (UsageReport) event()   {}
func (Done) event()          {}
