package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/sluice-run/sluice/agent"
)

// responsesMeta marks state of this protocol on a thinking part: the reasoning
// item as it came, encrypted content included, to be sent back unchanged.
const responsesMeta = "openai_responses"

func (m *Model) responsesParams(req agent.Request, strict bool) (responses.ResponseNewParams, error) {
	p := responses.ResponseNewParams{Model: m.name, Store: sdk.Bool(false)}
	if reasons(m.name) {
		p.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	}
	if req.Instructions != "" {
		p.Instructions = sdk.String(req.Instructions)
	}
	for _, msg := range req.Messages {
		p.Input.OfInputItemList = append(p.Input.OfInputItemList, responsesItems(msg)...)
	}
	for _, t := range req.Tools {
		schema, strict, err := schemaMap(t, strict)
		if err != nil {
			return p, err
		}
		p.Tools = append(p.Tools, responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{
			Name: t.Name, Description: sdk.String(t.Description), Parameters: schema, Strict: sdk.Bool(strict),
		}})
	}
	if req.Force && len(req.Tools) > 0 {
		p.ToolChoice = responses.ResponseNewParamsToolChoiceUnion{
			OfToolChoiceMode: param.NewOpt(responses.ToolChoiceOptionsRequired),
		}
	}
	if t := req.Settings.Temperature; t != nil {
		p.Temperature = sdk.Float(*t)
	}
	if n := req.Settings.MaxOutputTokens; n > 0 {
		p.MaxOutputTokens = sdk.Int(int64(n))
	}
	if e := req.Settings.Effort; e != "" {
		p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffort(e)}
	}
	return p, nil
}

// reasons: whether to ask for encrypted reasoning. Models that do not reason
// refuse the question.
func reasons(model string) bool {
	model = strings.ToLower(model)
	return !strings.Contains(model, "chat") && !strings.HasPrefix(model, "gpt-3") && !strings.HasPrefix(model, "gpt-4")
}

func responsesItems(msg agent.Message) []responses.ResponseInputItemUnionParam {
	var out []responses.ResponseInputItemUnionParam
	for _, p := range msg.Parts {
		switch p.Kind {
		case agent.KindText, agent.KindRetry:
			role := responses.EasyInputMessageRoleUser
			if msg.Role == agent.RoleAssistant {
				role = responses.EasyInputMessageRoleAssistant
			}
			out = append(out, responses.ResponseInputItemParamOfMessage(p.Text, role))
		case agent.KindThinking:
			if raw, ok := p.Meta[responsesMeta]; ok {
				out = append(out, param.Override[responses.ResponseInputItemUnionParam](raw))
			}
		case agent.KindToolCall:
			out = append(out, responses.ResponseInputItemParamOfFunctionCall(sendable(p.Args), p.CallID, p.Tool))
		case agent.KindToolResult:
			out = append(out, withOutput(p))
		}
	}
	return out
}

func withOutput(p agent.Part) responses.ResponseInputItemUnionParam {
	item := responses.ResponseInputItemParamOfFunctionCallOutput(resultText(p))
	item.OfFunctionCallOutput.CallID = sdk.String(p.CallID)
	return item
}

// responsesEvent is one event, of every type that matters.
type responsesEvent struct {
	Type        string          `json:"type"`
	Delta       string          `json:"delta"`
	Arguments   string          `json:"arguments"`
	OutputIndex *int            `json:"output_index"`
	ItemID      string          `json:"item_id"`
	Item        json.RawMessage `json:"item"`
	Message     string          `json:"message"`
	Error       json.RawMessage `json:"error"`
	Response    struct {
		Output []json.RawMessage `json:"output"`
		Error  json.RawMessage   `json:"error"`
		Usage  struct {
			InputTokens        int `json:"input_tokens"`
			OutputTokens       int `json:"output_tokens"`
			InputTokensDetails struct {
				CachedTokens int `json:"cached_tokens"`
			} `json:"input_tokens_details"`
			OutputTokensDetails struct {
				ReasoningTokens int `json:"reasoning_tokens"`
			} `json:"output_tokens_details"`
		} `json:"usage"`
		IncompleteDetails struct {
			Reason string `json:"reason"`
		} `json:"incomplete_details"`
	} `json:"response"`
}

type responsesItem struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	Content   []struct {
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	} `json:"content"`
	Summary []struct {
		Text string `json:"text"`
	} `json:"summary"`
}

// responsesState puts a Responses stream together: items as they are done,
// and arguments by their deltas in case a server leaves that out.
type responsesState struct {
	items  map[int]json.RawMessage
	args   map[int]*strings.Builder
	ids    map[string]int
	text   strings.Builder // as streamed, for servers whose items have none
	reason agent.Finish
	usage  agent.Usage
}

func newResponsesState() *responsesState {
	return &responsesState{items: map[int]json.RawMessage{}, args: map[int]*strings.Builder{}, ids: map[string]int{}}
}

// index of the item that an event is about; by its id where there is no index.
func (s *responsesState) index(e responsesEvent) int {
	id := e.ItemID
	if id == "" && len(e.Item) > 0 {
		var item responsesItem
		if json.Unmarshal(e.Item, &item) == nil {
			id = item.ID
		}
	}
	if e.OutputIndex != nil {
		return *e.OutputIndex
	}
	if n, ok := s.ids[id]; ok {
		return n
	}
	n := len(s.ids)
	s.ids[id] = n
	return n
}

func (s *responsesState) add(data []byte) (agent.Chunk, bool, error) {
	var out agent.Chunk
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("[DONE]")) {
		return out, true, nil
	}
	var e responsesEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return out, false, &Error{Message: "an event that is not JSON: " + short(err.Error())}
	}
	switch e.Type {
	case "response.output_text.delta", "response.refusal.delta":
		out.Text = e.Delta
		s.text.WriteString(e.Delta)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		out.Thinking = e.Delta
	case "response.output_item.added":
		s.items[s.index(e)] = e.Item
	case "response.output_item.done":
		n := s.index(e)
		s.items[n] = e.Item
		delete(s.args, n)
	case "response.function_call_arguments.delta":
		n := s.index(e)
		if s.args[n] == nil {
			s.args[n] = &strings.Builder{}
		}
		s.args[n].WriteString(e.Delta)
	case "response.function_call_arguments.done":
		b := &strings.Builder{}
		b.WriteString(e.Arguments)
		s.args[s.index(e)] = b
	case "response.completed", "response.incomplete":
		s.complete(e)
		return out, true, nil
	case "response.failed":
		return out, false, &Error{Message: orElse(messageIn(e.Response.Error, ""), "the answer failed")}
	case "error":
		return out, false, &Error{Message: orElse(messageIn(e.Error, e.Message), "the answer failed")}
	case "":
		if len(e.Error) > 0 {
			return out, false, &Error{Message: messageIn(e.Error, "")}
		}
	}
	return out, false, nil
}

func (s *responsesState) whole(data []byte) (agent.Chunk, error) {
	event := append([]byte(`{"type":"response.completed","response":`), data...)
	chunk, _, err := s.add(append(event, '}'))
	return chunk, err
}

func (s *responsesState) complete(e responsesEvent) {
	s.reason = agent.FinishStop
	if e.Type == "response.incomplete" {
		s.reason = agent.FinishLength
		if e.Response.IncompleteDetails.Reason == "content_filter" {
			s.reason = agent.FinishFilter
		}
	}
	u := e.Response.Usage
	s.usage = agent.Usage{
		InputTokens: u.InputTokens, CachedTokens: u.InputTokensDetails.CachedTokens,
		OutputTokens: u.OutputTokens, ReasoningTokens: u.OutputTokensDetails.ReasoningTokens,
	}
	for n, item := range e.Response.Output {
		if _, ok := s.items[n]; !ok {
			s.items[n] = item
		}
	}
}

func (s *responsesState) finish() (*agent.Response, error) {
	if s.reason == "" {
		return nil, agent.ErrTruncated
	}
	resp := &agent.Response{Finish: s.reason, Usage: s.usage}
	for _, n := range slices.Sorted(maps.Keys(s.items)) {
		var item responsesItem
		if err := json.Unmarshal(s.items[n], &item); err != nil {
			return nil, &Error{Message: fmt.Sprintf("item %d cannot be read: %s", n, short(err.Error()))}
		}
		switch item.Type {
		case "message":
			text := ""
			for _, c := range item.Content {
				text += c.Text + c.Refusal
			}
			if text != "" {
				resp.Parts = append(resp.Parts, agent.Part{Kind: agent.KindText, Text: text})
			}
		case "reasoning":
			var texts []string
			for _, t := range item.Summary {
				texts = append(texts, t.Text)
			}
			resp.Parts = append(resp.Parts, agent.Part{
				Kind: agent.KindThinking, Text: strings.Join(texts, "\n\n"),
				Meta: map[string]json.RawMessage{responsesMeta: s.items[n]},
			})
		case "function_call":
			args := argumentsIn(item.Arguments)
			if b := s.args[n]; b != nil {
				args = b.String()
			}
			resp.Parts = append(resp.Parts, agent.Part{
				Kind: agent.KindToolCall, CallID: orElse(item.CallID, item.ID), Tool: item.Name, Args: args,
			})
		}
	}
	if s.text.Len() > 0 && (agent.Message{Parts: resp.Parts}).Text() == "" {
		resp.Parts = append([]agent.Part{{Kind: agent.KindText, Text: s.text.String()}}, resp.Parts...)
	}
	return resp, nil
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
