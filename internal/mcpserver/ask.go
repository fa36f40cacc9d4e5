package mcpserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/toolkit"
)

const (
	// maxRounds bounds how often one call may ask.
	maxRounds = 10
	// askTime bounds how long a person may take while the call waits.
	askTime = 10 * time.Minute
)

// elicitation is a question as the protocol puts it.
func elicitation(q toolkit.Question) *mcp.ElicitParams {
	if q.URL != "" {
		return &mcp.ElicitParams{Mode: "url", Message: q.Message, URL: q.URL, ElicitationID: rand.Text()}
	}
	p := &mcp.ElicitParams{Mode: "form", Message: q.Message, RequestedSchema: q.Schema}
	if len(q.Schema) == 0 {
		p.RequestedSchema = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return p
}

// answersOf gives the answers that came with a call. Without the state of their
// question they answer nothing: the tool asks again. Responses to requests that
// we never make (sampling, roots) are passed over.
func answersOf(p *mcp.CallToolParamsRaw) map[string]toolkit.Answer {
	if p.RequestState == "" || len(p.InputResponses) == 0 {
		return nil
	}
	answers := make(map[string]toolkit.Answer, len(p.InputResponses))
	for key, r := range p.InputResponses {
		if e, ok := r.(*mcp.ElicitResult); ok && e != nil {
			answers[key] = answerOf(e)
		}
	}
	return answers
}

func answerOf(e *mcp.ElicitResult) toolkit.Answer {
	a := toolkit.Answer{Action: e.Action}
	if e.Content != nil {
		a.Content, _ = json.Marshal(e.Content) // it came as JSON
	}
	return a
}

// askHere puts the questions of a call to the client of a handshake-era session
// while the call waits, and runs the tool again with the answers, until it asks
// no more.
func (s *Server) askHere(ctx context.Context, f *flight, ss *mcp.ServerSession, c session.Call, ans *execute.Answer) (*execute.Answer, error) {
	for range maxRounds {
		if ans.Ask == nil {
			return ans, nil
		}
		answers, err := s.elicit(ctx, ss, ans.Ask)
		if err != nil {
			return nil, err
		}
		c.Interact.Answers, c.Interact.State = answers, ans.State
		if ans, err = s.opts.Sessions.Call(ctx, f.handle, c); err != nil {
			return nil, err
		}
	}
	if ans.Ask == nil {
		return ans, nil
	}
	return nil, domain.Errorf(domain.CodeUnsupported, "the tool asked %d times in one call", maxRounds)
}

// elicit puts questions to the client, one after the other.
func (s *Server) elicit(ctx context.Context, ss *mcp.ServerSession, ask *toolkit.Ask) (map[string]toolkit.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answers := make(map[string]toolkit.Answer, len(ask.Questions))
	for _, key := range slices.Sorted(maps.Keys(ask.Questions)) {
		res, err := ss.Elicit(ctx, elicitation(ask.Questions[key]))
		if err != nil {
			s.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "mcp: elicitation failed", slog.String("error", err.Error()))
			return nil, domain.Errorf(domain.CodeUnavailable, "the client did not answer the tool's question %q", key).
				WithFix("Call the tool again, or ask the user yourself.")
		}
		answers[key] = answerOf(res)
	}
	return answers, nil
}
