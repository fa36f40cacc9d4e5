package mcpserver

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/toolkit"
)

// callResult is a tools/call result. The SDK's own type would not let us say
// input_required from a middleware.
type callResult struct {
	mcp.ResultBase
	ResultType        string              `json:"resultType,omitempty"` // modern
	Content           []mcp.Content       `json:"content,omitzero"`
	StructuredContent json.RawMessage     `json:"structuredContent,omitempty"`
	IsError           bool                `json:"isError,omitempty"`
	InputRequests     mcp.InputRequestMap `json:"inputRequests,omitempty"`
	RequestState      string              `json:"requestState,omitempty"`
}

// metaAccount names the account that a tool ran on in the _meta of its result.
const metaAccount = "sluice.run/connected_account_id"

func newResult(modern bool) *callResult {
	r := &callResult{}
	if modern {
		r.ResultType = "complete"
	}
	return r
}

// result shows an answer. Only a modern client gets a question as a result, and
// execute lets only those questions come here that the client can show.
func result(ans *execute.Answer, modern bool) *callResult {
	r := newResult(modern)
	if ans.AccountID != "" {
		r.Meta = mcp.Meta{metaAccount: ans.AccountID}
	}
	switch {
	case ans.Ask != nil:
		r.ResultType = "input_required"
		r.InputRequests = make(mcp.InputRequestMap, len(ans.Ask.Questions))
		for key, q := range ans.Ask.Questions {
			r.InputRequests[key] = elicitation(q)
		}
		r.RequestState = ans.State
		return r
	case ans.Verbatim:
		r.Content, r.StructuredContent, r.IsError = wireContent(ans.Content), ans.Structured, !ans.Successful
		if len(r.Content) == 0 && ans.Error != "" {
			r.Content = []mcp.Content{&mcp.TextContent{Text: ans.Error}}
		}
	case len(ans.Content) > 0 && ans.Successful:
		r.Content = wireContent(ans.Content)
	default:
		r.Content = []mcp.Content{&mcp.TextContent{Text: string(ans.Envelope())}}
		r.IsError = !ans.Successful
	}
	return r
}

// failed is the result of a call that did not come to its tool.
func failed(err error, e *domain.Error, modern bool) *callResult {
	r := newResult(modern)
	ans := execute.Answer{LogID: execute.LogID(err), Data: execute.RefusalData(e), Error: sentence(e)}
	r.Content = []mcp.Content{&mcp.TextContent{Text: string(ans.Envelope())}}
	r.IsError = true
	return r
}

// wireContent turns a tool's content into the protocol's, never nil.
func wireContent(blocks []toolkit.Content) []mcp.Content {
	out := make([]mcp.Content, 0, len(blocks))
	for i, c := range blocks {
		switch {
		case c.URI != "" || len(c.Blob) > 0 && !strings.HasPrefix(c.MIME, "image/") && !strings.HasPrefix(c.MIME, "audio/"):
			uri := c.URI
			if uri == "" { // a resource needs a name
				uri = fmt.Sprintf("sluice://content/%d", i+1)
			}
			res := &mcp.ResourceContents{URI: uri, MIMEType: c.MIME, Text: c.Text}
			if c.Text == "" {
				res.Blob = c.Blob
			}
			out = append(out, &mcp.EmbeddedResource{Resource: res})
		case strings.HasPrefix(c.MIME, "image/"):
			out = append(out, &mcp.ImageContent{Data: c.Blob, MIMEType: c.MIME})
		case strings.HasPrefix(c.MIME, "audio/"):
			out = append(out, &mcp.AudioContent{Data: c.Blob, MIMEType: c.MIME})
		default:
			out = append(out, &mcp.TextContent{Text: c.Text})
		}
	}
	return out
}
