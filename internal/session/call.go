package session

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// Call is one tool call in a session.
type Call struct {
	Tool      string // meta or app tool
	Arguments json.RawMessage
	Account   string
	Door      string
	RequestID string
	Interact  execute.Interact

	logID string // of a meta tool's record, for the calls that are a part of it
}

// notOffered are the meta tools of the contract that are known and not here.
var notOffered = map[string]string{
	"COMPOSIO_REMOTE_WORKBENCH": "the workbench is not offered on this server",
	"COMPOSIO_REMOTE_BASH_TOOL": "the bash tool is not offered on this server",
	"COMPOSIO_UPSERT_RECIPE":    "recipes are not offered on this server",
	"COMPOSIO_GET_RECIPE":       "recipes are not offered on this server",
	"COMPOSIO_SUBMIT_FEEDBACK":  "feedback is not taken by this server",
}

// localPrefix begins the slugs of an application's own tools.
const localPrefix = "LOCAL_"

// Call runs a meta tool or an app tool. Which app tools may run is the rules'
// decision; whether they are listed does not matter. See execute.Service.Run
// for errors.
func (s *Service) Call(ctx context.Context, h *Handle, c Call) (*execute.Answer, error) {
	slug := strings.ToUpper(c.Tool)
	req := s.request(h, c)
	if meta := s.metas.tool(slug, h.Config.MultiAccount.Enable); meta != nil {
		c.logID = domain.NewID(domain.PrefixExecution)
		req.LogID = c.logID
		run := s.meta(h, slug, c)
		return s.opts.Execute.RunMeta(ctx, req, meta.Tool, run)
	}
	if why, ok := notOffered[slug]; ok {
		err := domain.Errorf(domain.CodeUnsupported, "%s cannot be called: %s", slug, why).
			WithFix("Use %s to find tools and %s to run them.", policy.SearchTools, policy.MultiExecute)
		return nil, s.opts.Execute.Refuse(ctx, req, err)
	}
	if strings.HasPrefix(slug, localPrefix) {
		err := domain.Errorf(domain.CodeUnsupported, "%s is a tool of your application: it runs in the application's own process, not here", clip(slug)).
			WithFix("Call it through the SDK that defined it.")
		return nil, s.opts.Execute.Refuse(ctx, req, err)
	}
	answer, err := s.opts.Execute.Run(ctx, req)
	if err != nil {
		return nil, (&offers{s: s, h: h}).offer(ctx, err)
	}
	return answer, nil
}

func (s *Service) request(h *Handle, c Call) execute.Request {
	return execute.Request{
		Principal: h.Principal, UserID: h.UserID, Session: &h.Session, Rules: h.Rules,
		Tool: c.Tool, Arguments: c.Arguments, Account: c.Account,
		Door: c.Door, RequestID: c.RequestID, Origin: h.Origin, Interact: c.Interact,
	}
}

// meta gives the work of a meta tool.
func (s *Service) meta(h *Handle, slug string, c Call) execute.Meta {
	switch slug {
	case policy.SearchTools:
		return work(func(ctx context.Context, in searchInput, _ *toolkit.Call) (any, error) {
			return s.searchTools(ctx, h, in)
		})
	case policy.GetToolSchemas:
		return work(func(ctx context.Context, in schemasInput, _ *toolkit.Call) (any, error) {
			return s.toolSchemas(ctx, h, in)
		})
	case policy.ManageConnections:
		return work(func(ctx context.Context, in manageInput, call *toolkit.Call) (any, error) {
			return s.manageAsking(ctx, h, in, call)
		})
	case policy.WaitForConnections:
		return work(func(ctx context.Context, in waitInput, call *toolkit.Call) (any, error) {
			return s.wait(ctx, h, in, call)
		})
	default:
		return work(func(ctx context.Context, in multiInput, call *toolkit.Call) (any, error) {
			return s.multi(ctx, h, c, in, call)
		})
	}
}

// work makes a typed function the work of a meta tool.
func work[In any](f func(ctx context.Context, in In, call *toolkit.Call) (any, error)) execute.Meta {
	return func(ctx context.Context, args json.RawMessage, call *toolkit.Call) (json.RawMessage, error) {
		var in In
		if err := json.Unmarshal(args, &in); err != nil {
			return nil, domain.Errorf(domain.CodeInvalid, "the arguments do not fit the input schema")
		}
		out, err := f(ctx, in, call)
		if err != nil {
			return nil, err
		}
		data, err := json.Marshal(out)
		if err != nil {
			return nil, domain.Internal("writing the answer", err)
		}
		return data, nil
	}
}

// workflow is the short id by which an agent's steps of one task belong
// together, as the meta tools' answers echo it. It is not the session's id.
type workflow struct {
	ID           string `json:"id"`
	Instructions string `json:"instructions"`
}

const maxWorkflowID = 64

func echo(id string) *workflow {
	if id == "" || len(id) > maxWorkflowID {
		return nil
	}
	return &workflow{ID: id, Instructions: "Send this id as session_id with the other calls of this task."}
}
