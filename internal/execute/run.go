package execute

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// metaToolkit is under what records name the meta tools' toolkit.
const metaToolkit = "composio"

// run is one call on its way through the phases.
type run struct {
	s       *Service
	req     Request
	record  domain.Execution
	calls   atomic.Int64 // upstream requests
	started bool         // the tool was called

	args     any           // as they were given, decoded; nil when there are none
	tool     *toolkit.Tool // whose schema describes them; nil when there is none
	upstream upstream
	spent    [32]byte // hash of the state that came with the call
	spentEnd time.Time
	asking   string // the approval that the person is, or was, asked about
	approved string // what a person allowed in this call: see permission.key
	dry      bool   // it only asks what the call would need
	counted  bool   // against rates
	// A person's word is for bound; what they decide on is shown.
	bound [32]byte
	shown json.RawMessage
}

// begin opens the call's record. In a session, user and rules are the
// session's, whatever else the request says.
func (s *Service) begin(req Request) *run {
	if req.Session != nil {
		req.UserID = req.Session.UserID
		if req.Rules == nil {
			req.Rules = policy.Compile(req.Session.Config)
		}
	}
	r := &run{s: s, req: req}
	if req.LogID == "" {
		req.LogID = domain.NewID(domain.PrefixExecution)
	}
	r.record = domain.Execution{
		ID: req.LogID, ParentID: req.ParentID, ParentTool: req.ParentTool, ProjectID: req.Principal.ProjectID, KeyID: req.Principal.KeyID,
		UserID: clip(req.UserID, 256), Tool: clip(req.Tool, 128), Version: clip(req.Version, 32),
		Door: req.Door, RequestID: clip(req.RequestID, 128),
		StartedAt: s.opts.Now().UTC(),
	}
	r.arguments(req.Arguments)
	if req.Session != nil {
		r.record.SessionID = cmp.Or(req.Session.Server, req.Session.ID)
	}
	return r
}

// runApp takes an app tool through the phases.
func (r *run) runApp(ctx context.Context) (*Answer, error) {
	t, args, err := r.known(ctx)
	if err != nil {
		return nil, err
	}
	state, err := r.openState(ctx)
	if err != nil {
		return nil, err
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	account, err := r.chosen(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := r.rated(); err != nil {
		return nil, err
	}
	if err := r.spend(ctx); err != nil {
		return nil, err
	}
	if ask, err := r.permit(ctx, t, account); err != nil {
		return nil, err
	} else if ask != nil {
		return r.ask(ctx, ask)
	}
	call, err := r.prepare(ctx, t, account)
	if err != nil {
		return nil, err
	}
	r.interact(call, state)
	call.Files = r.files(t)
	result, err := r.call(ctx, t.Tool, call, args)
	return r.shape(ctx, t.Tool, result, err)
}

// known finds the tool, asks the rules, and gets and checks the arguments.
func (r *run) known(ctx context.Context) (*catalog.Tool, json.RawMessage, error) {
	t, err := r.resolve(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := r.req.Rules.Tool(t); err != nil {
		return nil, nil, err
	}
	if err := r.req.Rules.Denied(t); err != nil {
		return nil, nil, err
	}
	if err := r.ratedEarly(); err != nil {
		return nil, nil, err
	}
	if err := r.phrase(ctx, t); err != nil {
		return nil, nil, err
	}
	args, err := r.validate(t.Tool)
	return t, args, err
}

// chosen picks the account, whose scopes must do; nil for a tool without one, and
// for a call that brings credentials.
func (r *run) chosen(ctx context.Context, t *catalog.Tool) (*domain.ConnectedAccount, error) {
	if r.req.Given != nil {
		return nil, nil
	}
	account, err := r.account(ctx, t)
	if err != nil {
		return nil, err
	}
	return account, policy.Scopes(t, account)
}

// runMeta takes a meta tool through the phases.
func (r *run) runMeta(ctx context.Context, meta *toolkit.Tool, work Meta) (*Answer, error) {
	r.record.Tool, r.record.Toolkit, r.tool = meta.Slug, metaToolkit, meta
	if err := r.sameProject(); err != nil {
		return nil, err
	}
	if err := r.req.Rules.Meta(meta.Slug); err != nil {
		return nil, err
	}
	args, err := r.validate(meta)
	if err != nil {
		return nil, err
	}
	state, err := r.openState(ctx)
	if err != nil {
		return nil, err
	}
	leave, err := r.s.metaSlots.enter(ctx, r.req.Principal.ProjectID)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := r.spend(ctx); err != nil {
		return nil, err
	}
	call := &toolkit.Call{}
	r.interact(call, state)
	result, err := r.guarded(ctx, metaFactor*r.s.opts.Timeout, func(ctx context.Context) (*toolkit.Result, error) {
		data, err := work(ctx, args, call)
		if err != nil {
			return nil, err
		}
		return &toolkit.Result{Data: data}, nil
	})
	return r.shape(ctx, meta, result, err)
}

// safely makes a panic outside a tool's run an internal error, so that it too
// leaves its record.
func (r *run) safely(phases func() (*Answer, error)) (answer *Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, domain.Internal("running a tool", &panicked{value: fmt.Sprint(p), stack: debug.Stack()})
		}
	}()
	return phases()
}

// sameProject refuses a session of another project than the caller's: doors
// open sessions by project, so this is the second lock.
func (r *run) sameProject() error {
	if r.req.Session != nil && r.req.Session.ProjectID != r.req.Principal.ProjectID {
		return domain.Errorf(domain.CodeNotFound, "there is no session %q", r.req.Session.ID)
	}
	return nil
}

// resolve finds the tool. In a session, only tools that it may use are named as
// likely meant.
func (r *run) resolve(ctx context.Context) (*catalog.Tool, error) {
	if err := r.sameProject(); err != nil {
		return nil, err
	}
	project := r.req.Principal.ProjectID
	t, err := r.s.opts.Catalog.Tool(ctx, project, r.req.Tool, r.req.Version)
	if err == nil {
		r.record.Toolkit, r.record.Tool, r.record.Version = t.Toolkit.Slug, t.Slug, t.Toolkit.Version
		r.tool = t.Tool
		return t, nil
	}
	var e *domain.Error
	if r.req.Rules != nil && errors.As(err, &e) && e.Code == domain.CodeNotFound && e.Fix != "" && r.req.Version == "" {
		c := *e
		c.Fix = r.suggestion(ctx)
		return nil, &c
	}
	return nil, err
}

func (r *run) suggestion(ctx context.Context) string {
	project, known := r.req.Principal.ProjectID, ""
	for _, slug := range r.s.opts.Catalog.Nearest(ctx, project, r.req.Tool, 10) {
		t, err := r.s.opts.Catalog.Tool(ctx, project, slug, "")
		if err != nil || !r.req.Rules.Allows(t) {
			continue
		}
		if known != "" {
			known += ", "
		}
		known += slug
	}
	if known == "" {
		return "Find tools with " + policy.SearchTools + "."
	}
	return "Did you mean " + known + "?"
}

// validate checks the arguments; the error names the field.
func (r *run) validate(t *toolkit.Tool) (json.RawMessage, error) {
	args, err := t.Validate(r.req.Arguments)
	if err == nil {
		return args, nil
	}
	var te *toolkit.Error
	if !errors.As(err, &te) {
		return nil, domain.Internal("checking the arguments", err)
	}
	e := domain.Invalid(te.Field, "%s: %s", t.Slug, te.Message)
	e.Fix = te.Fix
	return nil, e
}

// prepare gives the call the credentials that it runs on.
func (r *run) prepare(ctx context.Context, t *catalog.Tool, account *domain.ConnectedAccount) (*toolkit.Call, error) {
	call, err := r.credentials(ctx, t, account)
	if err != nil {
		return nil, err
	}
	r.upstream.next = call.HTTP.Transport
	call.HTTP.Transport = &r.upstream
	return call, nil
}

func (r *run) credentials(ctx context.Context, t *catalog.Tool, account *domain.ConnectedAccount) (*toolkit.Call, error) {
	if r.req.Given != nil {
		return r.s.opts.Connect.PrepareGiven(ctx, t.Toolkit, r.req.Given, &r.calls)
	}
	return r.s.opts.Connect.Prepare(ctx, t.Toolkit, account, &r.calls)
}

// enter takes a slot of the user and one of the project.
func (r *run) enter(ctx context.Context) (leave func(), err error) {
	leaveUser, err := r.s.userSlots.enter(ctx, r.req.Principal.ProjectID+"\x00"+r.req.UserID)
	if err != nil {
		return nil, err
	}
	leaveProject, err := r.s.slots.enter(ctx, r.req.Principal.ProjectID)
	if err != nil {
		leaveUser()
		return nil, err
	}
	return func() { leaveProject(); leaveUser() }, nil
}

// account picks whose account the call runs on. It must be one on which the project lets the tool run.
func (r *run) account(ctx context.Context, t *catalog.Tool) (*domain.ConnectedAccount, error) {
	if t.Toolkit.NoAuth() {
		return nil, nil
	}
	c := connect.Choice{
		ProjectID: r.req.Principal.ProjectID, UserID: r.req.UserID, Toolkit: t.Toolkit.Slug, Account: r.req.Account,
	}
	if r.req.Session != nil {
		cfg := &r.req.Session.Config
		c.Pinned, c.AuthConfig, c.InSession = cfg.ConnectedAccounts[t.Toolkit.Slug], cfg.AuthConfigs[t.Toolkit.Slug], true
		c.Explicit = cfg.MultiAccount.Enable && cfg.MultiAccount.RequireExplicit
	}
	a, err := r.s.opts.Connect.Select(ctx, c)
	if err != nil {
		return nil, err
	}
	r.record.AccountID, r.record.UserID, r.record.AuthConfigID = a.ID, a.UserID, a.AuthConfigID
	if err := policy.Config(t, &a.Config, &a.ConnectedAccount); err != nil {
		return nil, err
	}
	return &a.ConnectedAccount, nil
}

// interact gives the call what it may do with its caller.
func (r *run) interact(call *toolkit.Call, state json.RawMessage) {
	in := &r.req.Interact
	call.OnProgress, call.CanAsk, call.Answers, call.Header = in.Progress, in.CanAsk, in.Answers, in.Header
	call.State = state
}

// call runs the tool.
func (r *run) call(ctx context.Context, t *toolkit.Tool, call *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
	return r.guarded(ctx, r.s.opts.Timeout, func(ctx context.Context) (*toolkit.Result, error) {
		return t.Run(ctx, call, args)
	})
}

// errTimeout is the cause of a call's context when its time is over.
var errTimeout = errors.New("execute: the call's time is over")

// guarded runs f within limit. A panic becomes an error.
func (r *run) guarded(ctx context.Context, limit time.Duration, f func(context.Context) (*toolkit.Result, error)) (result *toolkit.Result, err error) {
	r.started = true
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, &panicked{value: panicText(p), stack: debug.Stack()}
		}
		if err != nil && errors.Is(context.Cause(ctx), errTimeout) {
			err = &timedOut{after: limit, cause: err}
		}
	}()
	return f(ctx)
}

// panicText is what a log may have of a panic's value: the runtime's own words,
// else its type alone, since a tool's value may quote what upstream sent.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", p)
}

type panicked struct {
	value string
	stack []byte
}

func (p *panicked) Error() string { return "panic: " + p.value }

type timedOut struct {
	after time.Duration
	cause error
}

func (t *timedOut) Error() string { return "timed out after " + t.after.String() }
func (t *timedOut) Unwrap() error { return t.cause }
