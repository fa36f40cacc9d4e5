package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/store"
)

func (s *server) approvalRoutes() {
	const at, one = ownPrefix + "/approvals", ownPrefix + "/approvals/{approval_id}"
	handle(s, operation{
		id: "listApprovals", method: http.MethodGet, path: at, tag: "sessions",
		summary: "List calls that wait, or waited, for a person's word; newest first",
		query: paged(
			param{"session_id", huma.TypeString, "Only of this session"},
			param{"user_id", huma.TypeString, "Only of this user"},
			param{"tool_slug", huma.TypeString, "Only of this tool"},
			param{"state", huma.TypeString, "Only pending, allowed, denied or used"},
		),
	}, s.listApprovals)
	handle(s, operation{id: "getApproval", method: http.MethodGet, path: one, tag: "sessions", summary: "Get what a call waits for"}, s.getApproval)
	handle(s, operation{
		id: "decideApproval", method: http.MethodPost, path: one, tag: "sessions",
		summary: "Allow or deny a call that waits for a person's word; the agent then repeats it",
	}, s.decideApproval)
}

type approvalOut struct {
	ID        string               `json:"id"`
	State     domain.ApprovalState `json:"state" enum:"pending,allowed,denied,used"`
	Scope     domain.ApprovalScope `json:"scope" enum:"once,session" doc:"once: this call, with these arguments; session: the tool on the account while the session lasts"`
	SessionID string               `json:"session_id"`
	UserID    string               `json:"user_id"`
	Toolkit   slugOut              `json:"toolkit"`
	ToolSlug  string               `json:"tool_slug"`
	AccountID *string              `json:"connected_account_id"`
	Arguments object               `json:"arguments" doc:"Of the call; empty where they are too large, see arguments_text"`
	Text      string               `json:"arguments_text,omitempty" doc:"The beginning of large arguments"`
	CreatedAt string               `json:"created_at"`
	ExpiresAt *string              `json:"expires_at" doc:"Until when it can be answered, then used; null: while the session lasts"`
	DecidedAt *string              `json:"decided_at"`
	DecidedBy *string              `json:"decided_by" doc:"In the application's words"`
	KeyID     *string              `json:"decided_with_key_id"`
	Via       *string              `json:"decided_via" enum:"mcp,rest"`
	UsedAt    *string              `json:"used_at"`
	LogID     *string              `json:"log_id" doc:"Of the call that used it"`
}

var approvalStates = []string{
	string(domain.ApprovalPending), string(domain.ApprovalAllowed), string(domain.ApprovalDenied), string(domain.ApprovalUsed),
}

func approvalWire(a execute.Approval) approvalOut {
	out := approvalOut{
		ID: a.ID, State: a.State, Scope: a.Scope, SessionID: a.SessionID, UserID: a.UserID, Toolkit: slugOut{Slug: a.Toolkit},
		ToolSlug: a.Tool, AccountID: optional(a.AccountID), Arguments: object(a.Arguments), Text: a.Text, CreatedAt: wireTime(a.CreatedAt),
		DecidedBy: optional(a.DecidedBy), KeyID: optional(a.KeyID), Via: optional(a.Via), LogID: optional(a.LogID),
	}
	if len(out.Arguments) == 0 {
		out.Arguments = object(json.RawMessage("{}"))
	}
	if !a.ExpiresAt.IsZero() {
		out.ExpiresAt = optional(wireTime(a.ExpiresAt))
	}
	if !a.DecidedAt.IsZero() {
		out.DecidedAt = optional(wireTime(a.DecidedAt))
	}
	if !a.UsedAt.IsZero() {
		out.UsedAt = optional(wireTime(a.UsedAt))
	}
	return out
}

func (s *server) listApprovals(ctx context.Context, in *listQuery) (page[approvalOut], error) {
	var none page[approvalOut]
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return none, err
	}
	f := store.ApprovalFilter{
		SessionID: in.text("session_id"), UserID: in.text("user_id"), Tool: strings.ToUpper(in.text("tool_slug")),
		State: domain.ApprovalState(in.text("state")),
	}
	if f.State != "" && !slices.Contains(approvalStates, string(f.State)) {
		return none, domain.Invalid("state", "state: expected one of %s", strings.Join(approvalStates, ", "))
	}
	if f.State == domain.ApprovalPending {
		f.At = s.Now() // what can still be answered
	}
	list, total, err := s.Execute.Approvals(ctx, callerOf(ctx).principal.ProjectID, f, w.store())
	if err != nil {
		return none, err
	}
	items := make([]approvalOut, len(list))
	for i, a := range list {
		items[i] = approvalWire(a)
	}
	return pageOf(w, items, total), nil
}

// ApprovalPath is the input of operations on one approval.
type ApprovalPath struct {
	ApprovalID string `path:"approval_id"`
}

func (s *server) getApproval(ctx context.Context, in *ApprovalPath) (approvalOut, error) {
	a, err := s.Execute.Approval(ctx, callerOf(ctx).principal.ProjectID, in.ApprovalID)
	if err != nil {
		return approvalOut{}, err
	}
	return approvalWire(a), nil
}

type decideApprovalIn struct {
	ApprovalPath
	Body struct {
		Decision  string `json:"decision" enum:"allow,deny"`
		DecidedBy string `json:"decided_by,omitempty" maxLength:"256" doc:"Who decided, in the application's words; it is kept"`
	}
}

func (s *server) decideApproval(ctx context.Context, in *decideApprovalIn) (approvalOut, error) {
	a, err := s.Execute.Decide(ctx, callerOf(ctx).principal, in.ApprovalID, in.Body.Decision == "allow", in.Body.DecidedBy)
	if err != nil {
		return approvalOut{}, err
	}
	return approvalWire(a), nil
}
