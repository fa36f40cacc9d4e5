package execute

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Approval is an approval with what the person decides on.
type Approval struct {
	domain.Approval
	// Arguments are the call's; of large ones Text has the beginning instead.
	Arguments json.RawMessage
	Text      string
}

// keptArguments is the sealed form of an approval's arguments.
type keptArguments struct {
	Whole json.RawMessage `json:"whole,omitempty"`
	Text  string          `json:"text,omitempty"`
}

func argumentsAAD(a *domain.Approval) string { return "approval/" + a.ProjectID + "/" + a.ID }

func (s *Service) sealArguments(ctx context.Context, a *domain.Approval, args json.RawMessage) ([]byte, error) {
	if s.opts.Sealer == nil {
		return nil, domain.Internal("keeping a call's arguments", errNoSealer)
	}
	text := shownArguments(args)
	kept := keptArguments{Whole: json.RawMessage(text)}
	if len(text) > maxShown {
		kept = keptArguments{Text: clip(text, maxShown) + "…"}
	}
	plain, err := json.Marshal(kept)
	if err != nil {
		return nil, domain.Internal("keeping a call's arguments", err)
	}
	sealed, err := s.opts.Sealer.SealState(ctx, argumentsAAD(a), plain)
	if err != nil {
		return nil, domain.Internal("keeping a call's arguments", err)
	}
	return []byte(sealed), nil
}

// show opens what the person decides on.
func (s *Service) show(ctx context.Context, a domain.Approval) (Approval, error) {
	out := Approval{Approval: a}
	if s.opts.Sealer == nil {
		return out, domain.Internal("opening a call's arguments", errNoSealer)
	}
	plain, err := s.opts.Sealer.OpenState(ctx, argumentsAAD(&a), string(a.Arguments))
	if err != nil {
		return out, domain.Internal("opening a call's arguments", err)
	}
	var kept keptArguments
	if err := json.Unmarshal(plain, &kept); err != nil {
		return out, domain.Internal("opening a call's arguments", err)
	}
	out.Arguments, out.Text = kept.Whole, kept.Text
	return out, nil
}

// Approval gives an approval of the project.
func (s *Service) Approval(ctx context.Context, projectID, id string) (Approval, error) {
	a, err := s.opts.Store.Approval(ctx, projectID, id)
	if err != nil {
		return Approval{}, noApproval(err, id)
	}
	return s.show(ctx, a)
}

// Approvals lists approvals of the project, newest first.
func (s *Service) Approvals(ctx context.Context, projectID string, f store.ApprovalFilter, page store.Page) ([]Approval, int, error) {
	list, total, err := s.opts.Store.ListApprovals(ctx, projectID, f, page)
	if err != nil {
		return nil, 0, err
	}
	out := make([]Approval, len(list))
	for i, a := range list {
		if out[i], err = s.show(ctx, a); err != nil {
			return nil, 0, err
		}
	}
	return out, total, nil
}

func noApproval(err error, id string) error {
	if domain.CodeOf(err) != domain.CodeNotFound {
		return err
	}
	return domain.Errorf(domain.CodeNotFound, "there is no approval %q", clip(id, 80)).
		WithFix("List those that wait with GET /api/v3.1/sluice/approvals?state=pending.")
}

// Decide notes a person's word on a call. by is who that was, in the words of the
// application. A word on one call is given once, before its time has run out; one
// that holds for a session may change.
func (s *Service) Decide(ctx context.Context, p domain.Principal, id string, allow bool, by string) (Approval, error) {
	a, err := s.opts.Store.Approval(ctx, p.ProjectID, id)
	if err != nil {
		return Approval{}, noApproval(err, id)
	}
	if err := s.decide(ctx, p, &a, allow, ViaREST, clip(by, 256)); err != nil {
		return Approval{}, err
	}
	return s.show(ctx, a)
}

// DecideAsked notes what a person said in a client to the question of a call in
// the session. Who gives no answer leaves the approval waiting.
func (s *Service) DecideAsked(ctx context.Context, p domain.Principal, sessionID, id string, reply toolkit.Answer) error {
	return s.decideAsked(ctx, p, sessionID, id, reply)
}

func (s *Service) decideAsked(ctx context.Context, p domain.Principal, sessionID, id string, reply toolkit.Answer) error {
	if reply.Action != "accept" && reply.Action != "decline" {
		return nil
	}
	a, err := s.opts.Store.Approval(ctx, p.ProjectID, id)
	if err != nil {
		return noApproval(err, id)
	}
	if a.SessionID != sessionID {
		return noApproval(domain.Errorf(domain.CodeNotFound, "other session"), id)
	}
	if a.State != domain.ApprovalPending {
		return nil // somebody else was faster: what they said counts
	}
	return s.decide(ctx, p, &a, reply.Action == "accept", ViaMCP, "")
}

// decide keeps a decision on a.
func (s *Service) decide(ctx context.Context, p domain.Principal, a *domain.Approval, allow bool, via, by string) error {
	now := s.opts.Now().UTC().Truncate(time.Microsecond)
	from := a.State
	switch {
	case a.Expired(now):
		return domain.Errorf(domain.CodeConflict, "approval %s has expired: nobody answered for an hour", a.ID).
			WithFix("Have the agent call the tool again.")
	case from != domain.ApprovalPending && (a.Scope == domain.ApprovalOnce || from == domain.ApprovalUsed):
		return domain.Errorf(domain.CodeConflict, "approval %s is decided: it is %s", a.ID, from)
	}
	a.State, a.DecidedAt, a.DecidedBy, a.KeyID, a.Via = domain.ApprovalDenied, now, by, p.KeyID, via
	if allow {
		a.State = domain.ApprovalAllowed
	}
	if a.Scope == domain.ApprovalSession {
		a.ExpiresAt = time.Time{}
	} else {
		a.ExpiresAt = now.Add(approvalTTL)
	}
	kept, err := s.opts.Store.DecideApproval(ctx, p.ProjectID, *a, from)
	if err != nil {
		return err
	}
	if !kept {
		return domain.Errorf(domain.CodeConflict, "approval %s was decided meanwhile", a.ID).
			WithFix("Read it again.")
	}
	return nil
}
