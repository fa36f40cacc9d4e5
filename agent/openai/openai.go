// Package openai speaks to OpenAI and to everything that offers OpenAI's wire:
// Chat Completions and Responses, over any base URL (Ollama, vLLM, OpenRouter,
// Gemini, LM Studio …).
//
// Requests and transport are the official SDK's; what comes back is put
// together here, because servers differ in how they stream: see chat.go for
// what is put up with. A stream that ends early is an error
// ([agent.ErrTruncated]), never a short answer.
package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"

	"github.com/sluice-run/sluice/agent"
)

// DefaultBaseURL is OpenAI's own.
const DefaultBaseURL = "https://api.openai.com/v1"

// maxAnswer bounds what one answer may hold in memory, in bytes.
const maxAnswer = 16 << 20

// API is the wire protocol.
type API string

// The protocols. Auto is Responses at api.openai.com, where reasoning models
// keep their reasoning between tool calls only there, and Chat elsewhere,
// because every compatible server has that one.
const (
	Auto      API = ""
	Chat      API = "chat"
	Responses API = "responses"
)

// Strict says which tools are offered in strict mode, in which the server
// binds the model's arguments to the tool's schema.
type Strict string

// The choices. StrictAuto is strict at OpenAI and Azure OpenAI, and plain
// elsewhere: compatible servers ignore strict mode at best, and some refuse it.
// A tool whose schema has no strict form ([agent.StrictSchema]) is plain
// everywhere.
const (
	StrictAuto Strict = ""
	StrictOn   Strict = "on"
	StrictOff  Strict = "off"
)

// Options say which model, and where.
type Options struct {
	// Model is the name that the server knows, for example "gpt-5". Required.
	Model string
	// APIKey is sent as a bearer token; empty sends none. It appears in no
	// error.
	APIKey string
	// BaseURL with its version path, for example "http://localhost:11434/v1".
	// The default is [DefaultBaseURL]. The environment is not read.
	BaseURL string
	API     API
	// Strict mode of tools. A request whose tools the server refuses for it is
	// sent once more without.
	Strict Strict
	// HTTPClient carries the requests; no overall timeout, answers are streams.
	HTTPClient *http.Client
	// MaxRetries of a request that got no answer: connection errors, 408, 409,
	// 429 and 5xx, with the server's Retry-After obeyed (default 3, negative
	// for none). A stream that has begun is never repeated.
	MaxRetries int
}

// Model is an [agent.Model].
type Model struct {
	name   string
	key    string
	api    API
	openAI bool // the server is OpenAI itself
	strict bool // tools are offered in strict mode where they have one
	// post is the SDK client's method rather than the client, whose type would
	// link every service of the API into the program, some 16 MB.
	post func(ctx context.Context, path string, params, res any, opts ...option.RequestOption) error
}

// New makes a model. Nothing is sent until it is asked.
func New(opts Options) (*Model, error) {
	if opts.Model == "" {
		return nil, errors.New("openai: name a model, for example gpt-5")
	}
	if opts.BaseURL == "" {
		opts.BaseURL = DefaultBaseURL
	}
	base, err := url.Parse(opts.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errors.New("openai: the base URL must be like https://host/v1")
	}
	openAI := base.Host == "api.openai.com"
	switch opts.API {
	case Chat, Responses:
	case Auto:
		opts.API = Chat
		if openAI {
			opts.API = Responses
		}
	default:
		return nil, fmt.Errorf("openai: unknown API %q: use %q or %q", opts.API, Chat, Responses)
	}
	var strict bool
	switch opts.Strict {
	case StrictAuto:
		strict = openAI || strings.HasSuffix(base.Hostname(), ".openai.azure.com")
	case StrictOn, StrictOff:
		strict = opts.Strict == StrictOn
	default:
		return nil, fmt.Errorf("openai: unknown strict mode %q: use %q or %q", opts.Strict, StrictOn, StrictOff)
	}
	if opts.MaxRetries == 0 {
		opts.MaxRetries = 3
	}
	reqOpts := []option.RequestOption{
		option.WithBaseURL(strings.TrimSuffix(opts.BaseURL, "/") + "/"),
		option.WithMaxRetries(max(opts.MaxRetries, 0)),
		option.WithMiddleware(plainErrors),
	}
	if opts.APIKey != "" {
		reqOpts = append(reqOpts, option.WithHeader("Authorization", "Bearer "+opts.APIKey))
	}
	if opts.HTTPClient != nil {
		reqOpts = append(reqOpts, option.WithHTTPClient(opts.HTTPClient))
	}
	// The SDK's constructor would read keys and addresses from the environment.
	client := sdk.Client{Options: reqOpts}
	return &Model{name: opts.Model, key: opts.APIKey, api: opts.API, openAI: openAI, strict: strict, post: client.Post}, nil
}

// Name is "openai:" and the model's name.
func (m *Model) Name() string { return "openai:" + m.name }

// accumulator puts the events of one stream together.
type accumulator interface {
	// add takes one event; ended says that the answer is complete and nothing
	// more is needed.
	add(data []byte) (chunk agent.Chunk, ended bool, err error)
	// whole takes an answer that came in one piece, from a server that does not
	// stream.
	whole(data []byte) (agent.Chunk, error)
	// finish returns the answer, or why there is none.
	finish() (*agent.Response, error)
}

// Stream sends one request.
func (m *Model) Stream(ctx context.Context, req agent.Request) iter.Seq2[agent.Chunk, error] {
	return func(yield func(agent.Chunk, error) bool) {
		resp, err := m.stream(ctx, req, func(c agent.Chunk) bool { return yield(c, nil) })
		switch {
		case errors.Is(err, errLeft):
		case err != nil:
			yield(agent.Chunk{}, m.readable(ctx, err))
		default:
			yield(agent.Chunk{Done: resp}, nil)
		}
	}
}

var errLeft = errors.New("the caller left the stream")

func (m *Model) stream(ctx context.Context, req agent.Request, emit func(agent.Chunk) bool) (*agent.Response, error) {
	raw, acc, err := m.send(ctx, req, m.strict)
	if m.strict && refusesStrict(err) {
		raw, acc, err = m.send(ctx, req, false)
	}
	if err != nil {
		return nil, err
	}
	defer raw.Body.Close()
	shown := false
	show := func(c agent.Chunk) error {
		if c.Text == "" && c.Thinking == "" {
			return nil
		}
		shown = shown || c.Text != ""
		if !emit(c) {
			return errLeft
		}
		return nil
	}
	if err := read(raw, acc, show); err != nil {
		return nil, err
	}
	resp, err := acc.finish()
	if err != nil {
		return nil, err
	}
	if text := (agent.Message{Parts: resp.Parts}).Text(); !shown && text != "" {
		if err := show(agent.Chunk{Text: text}); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// send posts the request and gives the answer's beginning.
func (m *Model) send(ctx context.Context, req agent.Request, strict bool) (raw *http.Response, acc accumulator, err error) {
	path, params, acc, err := m.prepare(req, strict)
	if err != nil {
		return nil, nil, err
	}
	err = m.post(ctx, path, params, &raw,
		option.WithJSONSet("stream", true), option.WithHeader("Accept", "text/event-stream"))
	return raw, acc, err
}

// prepare chooses the protocol.
func (m *Model) prepare(req agent.Request, strict bool) (path string, params any, acc accumulator, err error) {
	if m.api == Responses {
		params, err = m.responsesParams(req, strict)
		return "responses", params, newResponsesState(), err
	}
	params, err = m.chatParams(req, strict)
	return "chat/completions", params, newChatState(), err
}

// read feeds the stream to acc until the answer is complete. A read error
// after that does no harm; before it, acc.finish reports the cut.
func read(raw *http.Response, acc accumulator, show func(agent.Chunk) error) error {
	if kind, _, _ := mime.ParseMediaType(raw.Header.Get("Content-Type")); kind == "application/json" {
		data, err := io.ReadAll(io.LimitReader(raw.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("%w: %w", agent.ErrTruncated, err)
		}
		chunk, err := acc.whole(data)
		if err != nil {
			return err
		}
		return show(chunk)
	}
	dec := ssestream.NewDecoder(raw)
	total := 0
	for dec.Next() {
		data := dec.Event().Data
		if total += len(data); total > maxAnswer {
			return fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
		}
		if len(strings.TrimSpace(string(data))) == 0 {
			continue
		}
		chunk, ended, err := acc.add(data)
		if err != nil {
			return err
		}
		if err := show(chunk); err != nil {
			return err
		}
		if ended {
			return nil
		}
	}
	if err := dec.Err(); err != nil {
		if _, ferr := acc.finish(); ferr != nil {
			return fmt.Errorf("%w: %w", agent.ErrTruncated, err)
		}
	}
	return nil
}

// schemaMap is a tool's schema in the SDK's form; strict says that it is the
// strict one, which is only made where it is wanted and there is one.
func schemaMap(t agent.ToolSpec, wanted bool) (schema map[string]any, strict bool, err error) {
	data := t.Schema
	if wanted {
		if form, err := agent.StrictSchema(t.Schema); err == nil {
			data, strict = form, true
		}
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		return nil, false, fmt.Errorf("the schema of tool %s: %w", t.Name, err)
	}
	if _, ok := schema["properties"]; !ok { // some servers insist on it
		schema["properties"] = map[string]any{}
	}
	return schema, strict, nil
}

// sendable is a call's arguments as servers accept them: what the model wrote
// wrong is wrapped, since some parse the history again.
func sendable(args string) string {
	var object map[string]json.RawMessage
	if strings.TrimSpace(args) == "" {
		return "{}"
	}
	if json.Unmarshal([]byte(args), &object) == nil && object != nil {
		return args
	}
	wrapped, err := json.Marshal(map[string]string{"invalid_json": args})
	if err != nil {
		return "{}"
	}
	return string(wrapped)
}
