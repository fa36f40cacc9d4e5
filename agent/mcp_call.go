package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// call runs one tool of the server. A call that the server refused because it
// no longer knows the session never ran, so it is sent once more; every other
// broken call may have run and is reported, not repeated.
func (m *MCPToolset) call(ctx context.Context, c Call) (Result, error) {
	token := fmt.Sprintf("call-%d", m.tokens.Add(1))
	if c.Report != nil {
		m.progress.Store(token, c.Report)
		defer m.progress.Delete(token)
	}
	params := &mcp.CallToolParams{Name: c.Name, Arguments: c.Args}
	params.SetProgressToken(token)
	s, err := m.connected(ctx)
	if err != nil {
		return Result{}, err
	}
	res, err := s.CallTool(ctx, params)
	if errors.Is(err, mcp.ErrSessionMissing) {
		m.forget(s)
		if s, err = m.connected(ctx); err != nil {
			return Result{}, err
		}
		res, err = s.CallTool(ctx, params)
	}
	if err != nil {
		return m.callError(ctx, s, err)
	}
	return Result{Content: contentOf(res), Failed: res.IsError}, nil
}

func (m *MCPToolset) callError(ctx context.Context, s *mcp.ClientSession, err error) (Result, error) {
	if isGone(err) {
		m.forget(s)
	}
	var wire *jsonrpc.Error
	switch {
	case ctx.Err() != nil:
		return Result{}, fmt.Errorf("calling the MCP server: %w", ctx.Err())
	case errors.As(err, &wire):
		// The server's own refusal (unknown tool, invalid arguments) is something
		// that the model can act on.
		return Result{Content: wire.Message, Failed: true}, nil
	default:
		return Result{}, fmt.Errorf("calling the MCP server %s: %w", hostOf(m.endpoint), err)
	}
}

// contentOf renders a result for a model: its text, else its structured
// content. What is not text is named, so that the model knows it was there.
func contentOf(res *mcp.CallToolResult) string {
	var parts []string
	for _, c := range res.Content {
		switch c := c.(type) {
		case *mcp.TextContent:
			parts = append(parts, c.Text)
		case *mcp.ImageContent:
			parts = append(parts, fmt.Sprintf("[image %s, %d bytes]", c.MIMEType, len(c.Data)))
		case *mcp.AudioContent:
			parts = append(parts, fmt.Sprintf("[audio %s, %d bytes]", c.MIMEType, len(c.Data)))
		case *mcp.ResourceLink:
			parts = append(parts, fmt.Sprintf("[resource %s: %s]", c.Name, c.URI))
		case *mcp.EmbeddedResource:
			if c.Resource == nil {
				continue
			}
			if c.Resource.Text != "" {
				parts = append(parts, c.Resource.Text)
			} else {
				parts = append(parts, fmt.Sprintf("[resource %s %s, %d bytes]", c.Resource.URI, c.Resource.MIMEType, len(c.Resource.Blob)))
			}
		}
	}
	if len(parts) == 0 && res.StructuredContent != nil {
		if data, err := json.Marshal(res.StructuredContent); err == nil {
			return string(data)
		}
	}
	return strings.Join(parts, "\n")
}

func (m *MCPToolset) onProgress(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
	token, ok := req.Params.ProgressToken.(string)
	if !ok {
		return
	}
	if report, ok := m.progress.Load(token); ok {
		report.(func(Progress))(Progress{
			Done: req.Params.Progress, Total: req.Params.Total, Message: req.Params.Message,
		})
	}
}

func (m *MCPToolset) onElicit(ctx context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	var answer Answer
	var err error
	p := req.Params
	switch {
	case p.URL != "" && m.opts.OnURL != nil:
		answer, err = m.opts.OnURL(ctx, URLRequest{Message: p.Message, URL: p.URL})
	case p.URL == "" && m.opts.OnForm != nil:
		schema, encErr := json.Marshal(p.RequestedSchema)
		if encErr != nil {
			return nil, fmt.Errorf("reading the form: %w", encErr)
		}
		answer, err = m.opts.OnForm(ctx, FormRequest{Message: p.Message, Schema: schema})
	default:
		answer.Cancel = true // this kind of question was not offered
	}
	if err != nil {
		return nil, err
	}
	switch {
	case answer.Accept:
		return &mcp.ElicitResult{Action: "accept", Content: answer.Values}, nil
	case answer.Cancel:
		return &mcp.ElicitResult{Action: "cancel"}, nil
	default:
		return &mcp.ElicitResult{Action: "decline"}, nil
	}
}
