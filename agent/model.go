package agent

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
)

// ErrTruncated is what a [Model] reports when its stream ends before the
// answer does: a dropped connection must never look like a short answer.
var ErrTruncated = errors.New("the model's answer was cut off before its end")

// Model is a language model. Implementations hold no state between calls and
// are safe for concurrent use.
type Model interface {
	// Name identifies the model for people, for example "openai:gpt-5".
	Name() string
	// Stream sends one request and yields its answer piece by piece. The last
	// chunk, and only that, has Done set; after an error nothing follows. A
	// stream that ends without Done is taken as [ErrTruncated]. Errors never
	// contain credentials. Stream ends promptly when ctx does.
	Stream(ctx context.Context, req Request) iter.Seq2[Chunk, error]
}

// Request is everything a model sees.
type Request struct {
	// Instructions say how to behave; they apply to this request only.
	Instructions string
	// Messages is the conversation, valid in the sense of [Validate].
	Messages History
	// Tools may be called in the answer.
	Tools []ToolSpec
	// Force says that the answer must be a tool call.
	Force bool
	// Settings tune the answer.
	Settings Settings
}

// ToolSpec is what a model is told of a tool.
type ToolSpec struct {
	Name        string
	Description string
	// Schema is the JSON Schema of the arguments, an object schema.
	Schema json.RawMessage
}

// Settings tune a request. Zero values leave the choice to the provider.
type Settings struct {
	// Temperature of sampling; nil is the provider's default.
	Temperature *float64
	// MaxOutputTokens bounds one answer.
	MaxOutputTokens int
	// Effort of reasoning, where the provider knows it: "low", "medium", "high".
	Effort string
}

// Chunk is a piece of a streamed answer. Text and Thinking are for showing as
// they come; the complete answer is in Done.
type Chunk struct {
	Text     string
	Thinking string
	Done     *Response
}

// Response is a complete answer of a model.
type Response struct {
	// Parts are text, thinking and tool calls, in the model's order.
	Parts  []Part
	Finish Finish
	Usage  Usage
}

// Finish says why a model stopped.
type Finish string

// The reasons to stop. Tool calls need no reason of their own: they are in the
// parts.
const (
	FinishStop   Finish = "stop"
	FinishLength Finish = "length"
	FinishFilter Finish = "content_filter"
)

// Usage counts what a run or a request cost.
type Usage struct {
	Requests        int `json:"requests"`
	ToolCalls       int `json:"tool_calls"`
	InputTokens     int `json:"input_tokens"`
	CachedTokens    int `json:"cached_tokens,omitempty"`
	OutputTokens    int `json:"output_tokens"`
	ReasoningTokens int `json:"reasoning_tokens,omitempty"`
}

// Add returns the sum.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		Requests:        u.Requests + v.Requests,
		ToolCalls:       u.ToolCalls + v.ToolCalls,
		InputTokens:     u.InputTokens + v.InputTokens,
		CachedTokens:    u.CachedTokens + v.CachedTokens,
		OutputTokens:    u.OutputTokens + v.OutputTokens,
		ReasoningTokens: u.ReasoningTokens + v.ReasoningTokens,
	}
}
