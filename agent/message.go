package agent

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Role says who speaks in a [Message].
type Role string

// The roles of a conversation. Instructions are not part of it: they are made
// fresh for every request.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// PartKind is the tag of a [Part].
type PartKind string

// The kinds of parts.
const (
	// KindText is text: of the user, or of the model.
	KindText PartKind = "text"
	// KindThinking is the model's reasoning, in clear text or opaque in Meta.
	KindThinking PartKind = "thinking"
	// KindToolCall is a call that the model asks for.
	KindToolCall PartKind = "tool_call"
	// KindToolResult is the answer to one call.
	KindToolResult PartKind = "tool_result"
	// KindRetry is a remark of the loop to the model, in a user message: what
	// was wrong with its last answer.
	KindRetry PartKind = "retry"
)

// Outcome says how a tool call ended.
type Outcome string

// The outcomes of a call.
const (
	// OutcomeOK: the tool ran and answered.
	OutcomeOK Outcome = "ok"
	// OutcomeFailed: the tool ran, or was to run, and failed; Text says why.
	OutcomeFailed Outcome = "failed"
	// OutcomeInvalid: the call was wrong (unknown tool, broken JSON, arguments
	// that do not fit the schema); nothing ran.
	OutcomeInvalid Outcome = "invalid"
	// OutcomeDenied: the approver refused; nothing ran.
	OutcomeDenied Outcome = "denied"
	// OutcomeInterrupted: the run ended before an answer came. The call may or
	// may not have had its effect.
	OutcomeInterrupted Outcome = "interrupted"
)

// Part is one piece of a message. It is one flat struct so that a history is
// plain JSON; Kind says which fields count.
type Part struct {
	Kind PartKind `json:"kind"`
	// Text of text, thinking and retry parts; the content of a result.
	Text string `json:"text,omitempty"`
	// CallID pairs a call with its result.
	CallID string `json:"call_id,omitempty"`
	// Tool is the tool's name, on calls and results.
	Tool string `json:"tool,omitempty"`
	// Args are a call's arguments exactly as the model wrote them: usually a
	// JSON object, but possibly broken.
	Args string `json:"args,omitempty"`
	// Outcome of a result.
	Outcome Outcome `json:"outcome,omitempty"`
	// Meta is opaque state of a model provider (signatures, encrypted
	// reasoning), by provider. Each provider reads only its own.
	Meta map[string]json.RawMessage `json:"meta,omitempty"`
}

// Message is what one side said: the user, the model, or the tools.
type Message struct {
	Role  Role   `json:"role"`
	Parts []Part `json:"parts"`
}

// Text returns the text parts, joined.
func (m Message) Text() string {
	var b strings.Builder
	for _, p := range m.Parts {
		if p.Kind == KindText {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// Calls returns the tool calls of the message, in order.
func (m Message) Calls() []Part {
	var calls []Part
	for _, p := range m.Parts {
		if p.Kind == KindToolCall {
			calls = append(calls, p)
		}
	}
	return calls
}

// UserMessage is a message of the user.
func UserMessage(text string) Message {
	return Message{Role: RoleUser, Parts: []Part{{Kind: KindText, Text: text}}}
}

// History is a conversation, oldest message first. It marshals to JSON and
// back without loss.
type History []Message

// Clone returns a copy that shares nothing which a run could change.
func (h History) Clone() History {
	out := make(History, len(h))
	for i, m := range h {
		out[i] = Message{Role: m.Role, Parts: slices.Clone(m.Parts)}
		for j := range out[i].Parts {
			out[i].Parts[j].Meta = maps.Clone(out[i].Parts[j].Meta)
		}
	}
	return out
}
