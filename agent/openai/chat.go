package openai

import (
	"bytes"
	"encoding/json"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	"github.com/sluice-run/sluice/agent"
)

// chatMeta marks state of this protocol on a part: what a server attached to
// its tool call (Gemini's thought signature) and wants back.
const chatMeta = "openai_chat"

func (m *Model) chatParams(req agent.Request, strict bool) (sdk.ChatCompletionNewParams, error) {
	p := sdk.ChatCompletionNewParams{
		Model:         m.name,
		StreamOptions: sdk.ChatCompletionStreamOptionsParam{IncludeUsage: sdk.Bool(true)},
	}
	if req.Instructions != "" {
		p.Messages = append(p.Messages, sdk.SystemMessage(req.Instructions))
	}
	for _, msg := range req.Messages {
		p.Messages = append(p.Messages, chatMessages(msg)...)
	}
	for _, t := range req.Tools {
		schema, strict, err := schemaMap(t, strict)
		if err != nil {
			return p, err
		}
		f := shared.FunctionDefinitionParam{Name: t.Name, Description: param.NewOpt(t.Description), Parameters: schema}
		if strict { // servers that do not know the word are never sent it
			f.Strict = sdk.Bool(true)
		}
		p.Tools = append(p.Tools, sdk.ChatCompletionFunctionTool(f))
	}
	if req.Force && len(req.Tools) > 0 {
		p.ToolChoice = sdk.ChatCompletionToolChoiceOptionUnionParam{OfAuto: param.NewOpt("required")}
	}
	if t := req.Settings.Temperature; t != nil {
		p.Temperature = sdk.Float(*t)
	}
	if n := req.Settings.MaxOutputTokens; n > 0 {
		if m.openAI {
			p.MaxCompletionTokens = sdk.Int(int64(n))
		} else { // the older name is the one that other servers know
			p.MaxTokens = sdk.Int(int64(n))
		}
	}
	if e := req.Settings.Effort; e != "" {
		p.ReasoningEffort = shared.ReasoningEffort(e)
	}
	return p, nil
}

func chatMessages(msg agent.Message) []sdk.ChatCompletionMessageParamUnion {
	var out []sdk.ChatCompletionMessageParamUnion
	switch msg.Role {
	case agent.RoleUser:
		var texts []string
		for _, p := range msg.Parts {
			texts = append(texts, p.Text)
		}
		out = append(out, sdk.UserMessage(strings.Join(texts, "\n\n")))
	case agent.RoleTool:
		for _, p := range msg.Parts {
			out = append(out, sdk.ToolMessage(resultText(p), p.CallID))
		}
	case agent.RoleAssistant:
		var a sdk.ChatCompletionAssistantMessageParam
		if text := msg.Text(); text != "" {
			a.Content.OfString = param.NewOpt(text)
		}
		for _, c := range msg.Calls() {
			call := sdk.ChatCompletionMessageFunctionToolCallParam{
				ID: c.CallID,
				Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{
					Name: c.Tool, Arguments: sendable(c.Args),
				},
			}
			if extra, ok := c.Meta[chatMeta]; ok {
				call.SetExtraFields(map[string]any{"extra_content": extra})
			}
			a.ToolCalls = append(a.ToolCalls, sdk.ChatCompletionMessageToolCallUnionParam{OfFunction: &call})
		}
		if !param.IsOmitted(a.Content.OfString) || len(a.ToolCalls) > 0 { // thinking alone is not sent back
			out = append(out, sdk.ChatCompletionMessageParamUnion{OfAssistant: &a})
		}
	}
	return out
}

// resultText is a result as the wire has it: with no field for failure, the
// outcome goes before the text.
func resultText(p agent.Part) string {
	switch p.Outcome {
	case agent.OutcomeOK, "":
		return p.Text
	default:
		return string(p.Outcome) + ": " + p.Text
	}
}

// chatChunk is one event, with the fields of every dialect that is known.
// message is what a server sends that does not stream.
type chatChunk struct {
	Choices []struct {
		Index        int       `json:"index"`
		Delta        chatDelta `json:"delta"`
		Message      chatDelta `json:"message"`
		FinishReason string    `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens        int `json:"prompt_tokens"`
		CompletionTokens    int `json:"completion_tokens"`
		PromptTokensDetails struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionTokensDetails struct {
			ReasoningTokens int `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type chatDelta struct {
	Content          json.RawMessage `json:"content"`
	Refusal          string          `json:"refusal"`
	ReasoningContent string          `json:"reasoning_content"`
	Reasoning        json.RawMessage `json:"reasoning"`
	ToolCalls        []chatFragment  `json:"tool_calls"`
}

type chatFragment struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
	ExtraContent json.RawMessage `json:"extra_content"`
}

type chatCall struct {
	id, name string
	args     strings.Builder
	extra    json.RawMessage
}

// chatState puts a Chat Completions stream together.
type chatState struct {
	text, thinking strings.Builder
	calls          []*chatCall
	byIndex        map[int]*chatCall
	finishReason   string
	ended          bool
	usage          agent.Usage
}

func newChatState() *chatState { return &chatState{byIndex: map[int]*chatCall{}} }

func (s *chatState) add(data []byte) (agent.Chunk, bool, error) {
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("[DONE]")) {
		s.ended = true
		return agent.Chunk{}, true, nil
	}
	var c chatChunk
	if err := json.Unmarshal(data, &c); err != nil {
		return agent.Chunk{}, false, &Error{Message: "an event that is not JSON: " + short(err.Error())}
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return agent.Chunk{}, false, &Error{Message: messageIn(c.Error, "")}
	}
	if u := c.Usage; u != nil {
		s.usage = agent.Usage{
			InputTokens: u.PromptTokens, CachedTokens: u.PromptTokensDetails.CachedTokens,
			OutputTokens: u.CompletionTokens, ReasoningTokens: u.CompletionTokensDetails.ReasoningTokens,
		}
	}
	var out agent.Chunk
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue // one answer was asked for
		}
		for _, d := range []chatDelta{choice.Delta, choice.Message} {
			text := stringIn(d.Content) + d.Refusal
			thinking := d.ReasoningContent
			if thinking == "" {
				thinking = stringIn(d.Reasoning)
			}
			out.Text += text
			out.Thinking += thinking
			for _, f := range d.ToolCalls {
				s.addFragment(f)
			}
		}
		if choice.FinishReason != "" {
			s.finishReason = choice.FinishReason
		}
	}
	s.text.WriteString(out.Text)
	s.thinking.WriteString(out.Thinking)
	if s.finishReason == "error" {
		return out, false, &Error{Message: "it ended the answer with an error"}
	}
	return out, false, nil
}

func (s *chatState) whole(data []byte) (agent.Chunk, error) {
	chunk, _, err := s.add(data)
	return chunk, err
}

// addFragment finds the call that a fragment belongs to. The index decides
// where servers send a good one. Many do not: some send none, some send 0 for
// every call; then a new id, or a new name after complete arguments, begins a
// new call.
func (s *chatState) addFragment(f chatFragment) {
	args := argumentsIn(f.Function.Arguments)
	call := s.find(f)
	if call != nil && s.startsNew(call, f, args) {
		call = nil
	}
	if call == nil {
		call = &chatCall{id: f.ID}
		s.calls = append(s.calls, call)
	}
	if f.Index != nil {
		s.byIndex[*f.Index] = call
	}
	if call.id == "" {
		call.id = f.ID
	}
	if call.name == "" {
		call.name = f.Function.Name
	}
	call.args.WriteString(args)
	if len(f.ExtraContent) > 0 && string(f.ExtraContent) != "null" {
		call.extra = f.ExtraContent
	}
}

func (s *chatState) find(f chatFragment) *chatCall {
	if f.Index != nil {
		return s.byIndex[*f.Index]
	}
	if f.ID != "" {
		for _, c := range s.calls {
			if c.id == f.ID {
				return c
			}
		}
	}
	if len(s.calls) == 0 {
		return nil
	}
	return s.calls[len(s.calls)-1]
}

func (s *chatState) startsNew(c *chatCall, f chatFragment, args string) bool {
	if f.Function.Name == "" {
		return false // a continuation, whatever its id says
	}
	if f.ID != "" && c.id != "" {
		return f.ID != c.id
	}
	complete := c.name != "" && json.Valid([]byte(c.args.String()))
	return complete && (args != "" || f.Function.Name != c.name)
}

func (s *chatState) finish() (*agent.Response, error) {
	if s.finishReason == "" && !s.ended {
		return nil, agent.ErrTruncated
	}
	resp := &agent.Response{Finish: agent.FinishStop, Usage: s.usage}
	switch s.finishReason {
	case "length":
		resp.Finish = agent.FinishLength
	case "content_filter":
		resp.Finish = agent.FinishFilter
	}
	if s.thinking.Len() > 0 {
		resp.Parts = append(resp.Parts, agent.Part{Kind: agent.KindThinking, Text: s.thinking.String()})
	}
	if s.text.Len() > 0 {
		resp.Parts = append(resp.Parts, agent.Part{Kind: agent.KindText, Text: s.text.String()})
	}
	// Calls count whatever the finish reason: some servers say "stop".
	for _, c := range s.calls {
		p := agent.Part{Kind: agent.KindToolCall, CallID: c.id, Tool: c.name, Args: c.args.String()}
		if c.extra != nil {
			p.Meta = map[string]json.RawMessage{chatMeta: c.extra}
		}
		resp.Parts = append(resp.Parts, p)
	}
	return resp, nil
}

// stringIn reads a text that may be a string, null, or a list of text parts.
func stringIn(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) == nil {
		for _, p := range parts {
			text += p.Text
		}
	}
	return text
}

// argumentsIn reads a fragment of arguments: a string, or the whole object.
func argumentsIn(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
