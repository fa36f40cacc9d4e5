package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/sluice-run/sluice/toolkit"
)

// The smallest PNG (one red pixel) and WAV (no samples) that viewers accept.
const (
	pngBase64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	wavBase64 = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
)

func decode(s string) []byte {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return data
}

const noInput = `{"type":"object","properties":{}}`

type run = func(ctx context.Context, call *toolkit.Call, args json.RawMessage) (*toolkit.Result, error)

// verbatim makes a fixture. The suites name the tools; nothing else about them
// is special: they come to run through the catalogue, the session and execute.
func verbatim(slug, description, input string, f run) toolkit.Tool {
	t, err := toolkit.Raw(slug, slug, description, toolkit.About{}, toolkit.Hints{ReadOnly: true, Idempotent: true},
		json.RawMessage(input), nil, f)
	if err != nil {
		panic(fmt.Sprintf("fixture %s: %v", slug, err))
	}
	t.Verbatim = true
	return t
}

func content(blocks ...toolkit.Content) run {
	return func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
		return &toolkit.Result{Content: blocks}, nil
	}
}

func text(format string, args ...any) (*toolkit.Result, error) {
	return &toolkit.Result{Content: []toolkit.Content{{Text: fmt.Sprintf(format, args...)}}}, nil
}

// fixtures is the toolkit that the suites ask for, as far as Sluice has the
// primitives: no resources, prompts, completion, sampling, roots or logging.
func fixtures() *toolkit.Toolkit {
	resource := toolkit.Content{URI: "test://embedded-resource", MIME: "text/plain", Text: "This is an embedded resource"}
	image := toolkit.Content{MIME: "image/png", Blob: decode(pngBase64)}
	tools := []toolkit.Tool{
		verbatim("test_simple_text", "Answers with text", noInput,
			content(toolkit.Content{Text: "This is a simple text response for testing."})),
		verbatim("test_image_content", "Answers with an image", noInput, content(image)),
		verbatim("test_audio_content", "Answers with sound", noInput,
			content(toolkit.Content{MIME: "audio/wav", Blob: decode(wavBase64)})),
		verbatim("test_embedded_resource", "Answers with an embedded resource", noInput, content(resource)),
		verbatim("test_multiple_content_types", "Answers with text, an image and a resource", noInput,
			content(toolkit.Content{Text: "This is text content"}, image, resource)),
		verbatim("test_error_handling", "Fails", noInput,
			func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
				return nil, &toolkit.Error{Kind: toolkit.KindUnavailable, Message: "This tool intentionally returns an error for testing."}
			}),
		verbatim("test_tool_with_progress", "Reports progress", noInput, withProgress),
		verbatim("test_cancellation", "Waits until it is cancelled", noInput,
			func(ctx context.Context, _ *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}),
		verbatim("json_schema_2020_12_tool", "Has a schema with much of JSON Schema 2020-12", schema202012,
			func(_ context.Context, _ *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
				return text("called with: %s", args)
			}),
		verbatim("test_x_mcp_header", "Has an argument that is repeated in a header", headerInput,
			func(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
				return text("region=%s", call.Header.Get("Mcp-Param-Region"))
			}),
		verbatim("test_streaming_elicitation", "Answers at once", noInput,
			content(toolkit.Content{Text: "no requests on this stream"})),
		verbatim("test_logging_tool", "Logs nothing", noInput, content(toolkit.Content{Text: "nothing was logged"})),
		verbatim("test_trigger_tool_change", "Changes nothing: a session's tools are stable", noInput,
			content(toolkit.Content{Text: "the list is as it was"})),
		structured(),
	}
	return &toolkit.Toolkit{
		Slug: "conformance", Name: "Conformance", Description: "Fixtures of the conformance suites.",
		Version: "20261122_00", Tools: append(tools, asking()...),
	}
}

func withProgress(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
	for _, done := range []float64{0, 50, 100} {
		call.Progress(done, 100, fmt.Sprintf("Completed step %.0f of 100", done))
	}
	return text("done")
}

func structured() toolkit.Tool {
	t := verbatim("test_structured_output", "Answers with structured content", noInput,
		func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
			return &toolkit.Result{
				Content:    []toolkit.Content{{Text: `{"temperature":21.5,"unit":"C"}`}},
				Structured: json.RawMessage(`{"temperature":21.5,"unit":"C"}`),
			}, nil
		})
	t.Output = json.RawMessage(`{"type":"object","properties":{"temperature":{"type":"number"},"unit":{"type":"string"}},"required":["temperature","unit"]}`)
	return t
}

const headerInput = `{"type":"object","properties":{
	"region":{"type":"string","description":"repeated in Mcp-Param-Region","x-mcp-header":"Region"},
	"level":{"type":"integer","description":"not repeated"}}}`

const schema202012 = `{
	"$schema":"https://json-schema.org/draft/2020-12/schema",
	"type":"object",
	"$defs":{"address":{"$anchor":"addressDef","type":"object",
		"properties":{"street":{"type":"string"},"city":{"type":"string"}}}},
	"properties":{
		"name":{"type":"string"},
		"address":{"$ref":"#/$defs/address"},
		"contactMethod":{"type":"string","enum":["phone","email"]},
		"phone":{"type":"string"},
		"email":{"type":"string"}},
	"allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],
	"if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},
	"then":{"required":["phone"]},
	"else":{"required":["email"]},
	"additionalProperties":false
}`
