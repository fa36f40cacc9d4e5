package execute

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

const (
	// approvalTTL is how long a call waits for a person's word, and how long a word
	// on one call is good.
	approvalTTL = time.Hour
	// maxPending bounds the calls of a session that wait for a person's word.
	maxPending = 100
	// maxShown bounds what is kept of arguments for the person to see, maxAsked what
	// a question has of them; in bytes.
	maxShown = 16 << 10
	maxAsked = 2000
	// approvalQuestion is the question for a person's word on the call itself. No
	// tool sees its answer.
	approvalQuestion = "sluice_approval"
)

// The ways by which a decision comes.
const (
	ViaMCP  = "mcp"
	ViaREST = "rest"
)

// Waiting is the cause of the error of a call that waits for a person's word.
type Waiting struct{ ApprovalID string }

func (w *Waiting) Error() string { return "execute: the call waits for approval " + w.ApprovalID }

// permission is what a call needs besides being right.
type permission struct {
	tool    *catalog.Tool
	account string
	scope   domain.ApprovalScope // "" = nothing
}

// needs says whose word the call needs.
func (r *run) needs(t *catalog.Tool, account *domain.ConnectedAccount) (permission, error) {
	p := permission{tool: t}
	if account != nil {
		p.account = account.ID
	}
	switch r.req.Rules.Permission(t, p.account) {
	case domain.AlwaysAllow:
	case domain.AskOnce:
		p.scope = domain.ApprovalSession
	case domain.AskAlways:
		p.scope = domain.ApprovalOnce
	default: // what we do not know is no leave
		return p, policy.Denial(t, p.account)
	}
	return p, nil
}

// key names what a person's word in an earlier round of this call was for.
func (p permission) key() string { return string(p.scope) + "/" + p.account }

// permit lets the call pass when it needs nobody's word or has it. Else it gives
// the question for a caller that can put it to a person, or refuses.
func (r *run) permit(ctx context.Context, t *catalog.Tool, account *domain.ConnectedAccount) (*toolkit.Ask, error) {
	p, err := r.needs(t, account)
	if err != nil || p.scope == "" {
		return nil, err
	}
	if r.req.Session == nil {
		return nil, policy.Denial(t, p.account) // rules of no session: nobody can be asked
	}
	if r.approved == p.key() {
		return nil, nil
	}
	reply, replied := r.req.Interact.Answers[approvalQuestion]
	delete(r.req.Interact.Answers, approvalQuestion)
	if replied {
		if err := r.answered(ctx, reply); err != nil {
			return nil, err
		}
	}
	found, err := r.lookup(ctx, p, nil)
	switch {
	case err != nil:
		return nil, err
	case found.allowed:
		r.approved, r.asking = p.key(), ""
		return nil, nil
	case replied || found.denied != nil && (p.scope == domain.ApprovalSession || !r.req.Interact.CanAsk.Form):
		return nil, refusedByPerson(t, found.denied)
	}
	waiting, err := r.pending(ctx, p, found.pending)
	if err != nil {
		return nil, err
	}
	if !r.req.Interact.CanAsk.Form {
		return nil, awaits(t, waiting)
	}
	r.asking = waiting.ID
	return &toolkit.Ask{Questions: map[string]toolkit.Question{approvalQuestion: {Message: r.question(p)}}}, nil
}

// answered notes what the person said in the client to the question of this call.
func (r *run) answered(ctx context.Context, reply toolkit.Answer) error {
	if r.asking == "" {
		return badState("The answer is to no question of this call.")
	}
	return r.s.decideAsked(ctx, r.req.Principal, r.req.Session.ID, r.asking, reply)
}

// verdict is what there is of approvals for a call.
type verdict struct {
	allowed         bool
	denied, pending *domain.Approval
}

// lookup finds what people said of the call and uses up a word that allows it.
// Approvals in taken are passed over.
func (r *run) lookup(ctx context.Context, p permission, taken []string) (v verdict, err error) {
	now := r.s.opts.Now()
	all, err := r.s.opts.Store.ApprovalsOf(ctx, r.req.Principal.ProjectID, store.ApprovalCall{
		SessionID: r.req.Session.ID, Tool: p.tool.Slug, AccountID: p.account, ArgsDigest: r.bound,
	}, now)
	if err != nil {
		return v, err
	}
	for i := range all {
		a := &all[i]
		if a.Scope != p.scope || slices.Contains(taken, a.ID) {
			continue
		}
		switch a.State {
		case domain.ApprovalAllowed:
			switch {
			case a.Scope == domain.ApprovalSession:
				v.allowed = v.denied == nil // the newest word counts
			case r.dry:
				v.allowed = true
			default:
				if v.allowed, err = r.s.opts.Store.UseApproval(ctx, a.ProjectID, a.ID, r.record.ID, now); err != nil {
					return v, err
				}
			}
			if v.allowed {
				return v, nil
			}
		case domain.ApprovalDenied:
			if v.denied == nil {
				v.denied = a
			}
		case domain.ApprovalPending:
			if v.pending == nil {
				v.pending = a
			}
		}
	}
	return v, nil
}

// pending gives the approval that waits for the call, made if there is none.
func (r *run) pending(ctx context.Context, p permission, there *domain.Approval) (*domain.Approval, error) {
	if there != nil {
		return there, nil
	}
	project, session, now := r.req.Principal.ProjectID, r.req.Session.ID, r.s.opts.Now().UTC().Truncate(time.Microsecond)
	_, n, err := r.s.opts.Store.ListApprovals(ctx, project, store.ApprovalFilter{
		SessionID: session, State: domain.ApprovalPending, At: now,
	}, store.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if n >= maxPending {
		return nil, domain.Errorf(domain.CodeForbidden, "tool %s did not run: %d calls of this session wait for a person's word, the most that may", p.tool.Slug, n).
			WithFix("Have those answered first, or wait until they expire: after an hour.")
	}
	a := domain.Approval{
		ID: domain.NewID(domain.PrefixApproval), ProjectID: project, SessionID: session, UserID: r.req.UserID,
		Toolkit: p.tool.Toolkit.Slug, Tool: p.tool.Slug, AccountID: p.account, Scope: p.scope,
		ArgsDigest: r.bound, State: domain.ApprovalPending, CreatedAt: now, ExpiresAt: now.Add(approvalTTL),
	}
	if a.Arguments, err = r.s.sealArguments(ctx, &a, r.shown); err != nil {
		return nil, err
	}
	return &a, r.s.opts.Store.AddApproval(ctx, a)
}

// question is what the person reads who decides on the call.
func (r *run) question(p permission) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Allow %s (%s)", p.tool.Slug, p.tool.Name)
	if p.account != "" {
		fmt.Fprintf(&b, " on account %s", p.account)
	}
	if p.scope == domain.ApprovalSession {
		b.WriteString(", now and for the rest of this session,")
	}
	b.WriteString(" for user " + clip(r.req.UserID, 80) + "?\nArguments: ")
	args := shownArguments(r.shown)
	if len(args) > maxAsked {
		b.WriteString(clip(args, maxAsked) + fmt.Sprintf("… (%d more bytes)", len(args)-maxAsked))
	} else {
		b.WriteString(args)
	}
	return b.String()
}

// shownArguments gives arguments in one line.
func shownArguments(args json.RawMessage) string {
	var b bytes.Buffer
	if len(args) == 0 || json.Compact(&b, args) != nil {
		return "{}"
	}
	return b.String()
}

// awaits is the error of a call that waits for a person's word.
func awaits(t *catalog.Tool, a *domain.Approval) error {
	return domain.Errorf(domain.CodeForbidden, "tool %s did not run: in this session a person must allow it first (approval %s)", t.Slug, a.ID).
		WithFix("Ask the person to allow %s until %s: the application does it with POST /api/v3.1/sluice/approvals/%s, or sluice approvals allow %s. Then repeat the call with the same arguments.",
			a.ID, a.ExpiresAt.UTC().Format(time.RFC3339), a.ID, a.ID).
		WithCause(&Waiting{ApprovalID: a.ID})
}

// refusedByPerson is the error of a call that a person did not allow; denied is
// nil when they did not answer.
func refusedByPerson(t *catalog.Tool, denied *domain.Approval) error {
	if denied == nil {
		return domain.Errorf(domain.CodeForbidden, "tool %s did not run: the person who was asked gave no answer", t.Slug).
			WithFix("Do something else, or ask them what they want before you call it again.")
	}
	return domain.Errorf(domain.CodeForbidden, "tool %s did not run: a person denied it (approval %s)", t.Slug, denied.ID).
		WithFix("Do not try it again by another way; ask the person what to do instead.")
}

// Question is what a person is asked before a call of a multi-execute runs.
type Question struct {
	ApprovalID string
	Message    string
}

// Permit says what a person must be asked before the call may run, or nil. It
// runs nothing and records nothing: a call that is wrong is refused when it is
// run. Approvals in taken are other calls' questions.
func (s *Service) Permit(ctx context.Context, req Request, taken []string) (*Question, error) {
	r := s.begin(req)
	r.dry = true
	if !r.req.Rules.Restricted() || r.req.Session == nil {
		return nil, nil
	}
	t, _, err := r.known(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // it is told when the call is run
	}
	account, err := r.chosen(ctx, t)
	if err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	p, err := r.needs(t, account)
	if err != nil || p.scope == "" {
		return nil, nil //nolint:nilerr // as above
	}
	found, err := r.lookup(ctx, p, taken)
	if err != nil || found.allowed || found.denied != nil && p.scope == domain.ApprovalSession {
		return nil, err
	}
	waiting, err := r.pending(ctx, p, found.pending)
	if err != nil {
		return nil, err
	}
	return &Question{ApprovalID: waiting.ID, Message: r.question(p)}, nil
}
