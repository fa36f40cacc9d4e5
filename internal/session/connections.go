package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

type manageInput struct {
	Toolkits      []string `json:"toolkits"`
	ReinitiateAll bool     `json:"reinitiate_all"`
	SessionID     string   `json:"session_id"`
}

type manageOutput struct {
	Message string                  `json:"message"`
	Results map[string]manageResult `json:"results"`
	Summary struct {
		Total     int `json:"total_toolkits"`
		Active    int `json:"active_connections"`
		Initiated int `json:"initiated_connections"`
		Failed    int `json:"failed_connections"`
	} `json:"summary"`
	Session *workflow `json:"session,omitempty"`
}

type manageResult struct {
	Toolkit       string            `json:"toolkit"`
	Status        string            `json:"status"` // active, initiated, failed
	HasActive     bool              `json:"has_active_connection"`
	AuthConfigID  string            `json:"auth_config_id,omitempty"`
	AccountID     string            `json:"connected_account_id,omitempty"`
	CreatedAt     string            `json:"created_at,omitempty"`
	UserInfo      map[string]string `json:"current_user_info,omitempty"`
	ErrorMessage  string            `json:"error_message,omitempty"`
	Instruction   string            `json:"instruction,omitempty"`
	RedirectURL   string            `json:"redirect_url,omitempty"`
	WasReinitiate bool              `json:"was_reinitiated,omitempty"`
	AccountType   string            `json:"account_type,omitempty"`

	name string // of the toolkit, for people
}

// manage says how the user is connected, and starts connecting what is not.
func (s *Service) manage(ctx context.Context, h *Handle, in manageInput) (*manageOutput, error) {
	out := &manageOutput{Results: map[string]manageResult{}, Session: echo(in.SessionID)}
	for _, slug := range unique(in.Toolkits) {
		if _, there := out.Results[strings.ToLower(slug)]; there {
			continue
		}
		r, err := s.manageOne(ctx, h, slug, in.ReinitiateAll)
		if err != nil {
			return nil, err
		}
		out.Results[r.Toolkit] = r
	}
	out.sum()
	return out, nil
}

// sum counts the results and puts them in words.
func (out *manageOutput) sum() {
	out.Summary.Active, out.Summary.Initiated, out.Summary.Failed = 0, 0, 0
	for _, r := range out.Results {
		switch r.Status {
		case "active":
			out.Summary.Active++
		case "initiated":
			out.Summary.Initiated++
		default:
			out.Summary.Failed++
		}
	}
	out.Summary.Total = len(out.Results)
	out.Message = fmt.Sprintf("%d of %d toolkits connected", out.Summary.Active, out.Summary.Total)
	if n := out.Summary.Initiated; n > 0 {
		out.Message += fmt.Sprintf("; %d to be connected by the user through the redirect_url", n)
	}
	if n := out.Summary.Failed; n > 0 {
		out.Message += fmt.Sprintf("; %d failed, see error_message", n)
	}
	out.Message += "."
}

// manageOne gives a toolkit's result. What is wrong with the toolkit is the
// result's own failure; an error is ours.
func (s *Service) manageOne(ctx context.Context, h *Handle, slug string, again bool) (manageResult, error) {
	st, why, err := s.stateOf(ctx, h, slug)
	if err != nil {
		return manageResult{}, err
	}
	if why != "" {
		return manageResult{Toolkit: clip(strings.ToLower(slug)), Status: "failed", ErrorMessage: why}, nil
	}
	r := manageResult{Toolkit: st.Toolkit.Slug, Status: "active", HasActive: true, name: st.Toolkit.Name}
	switch {
	case st.Toolkit.NoAuth():
		r.Instruction = "This toolkit needs no connection: use its tools."
		return r, nil
	case st.Account != nil && !again:
		r.AuthConfigID, r.AccountID, r.CreatedAt = st.Account.AuthConfigID, st.Account.ID, stamp(st.Account.CreatedAt)
		r.UserInfo, r.AccountType = st.Account.Identity, "PRIVATE"
		r.Instruction = "Connected: use the toolkit's tools."
		return r, nil
	}
	r.Status, r.HasActive = "failed", st.Account != nil
	missing := connect.Missing{Toolkit: st.Toolkit.Slug}
	if !again { // what has expired is connected again, and keeps its id
		var err error
		if missing, err = s.opts.Connect.Missing(ctx, s.choice(h, st.Toolkit.Slug)); err != nil {
			return manageResult{}, err
		}
	}
	in, address, err := s.mend(ctx, h, missing, false)
	if err != nil {
		if code := domain.CodeOf(err); code == domain.CodeInternal || code == domain.CodeCanceled {
			return manageResult{}, err
		}
		r.ErrorMessage = *refusalText(err)
		return r, nil
	}
	if address == "" {
		r.ErrorMessage = "This server does not know the address that users reach it by, so it has no link to give. Tell the operator to set its public URL."
		return r, nil
	}
	r.Status, r.RedirectURL, r.WasReinitiate = "initiated", address, (again && st.Account != nil) || missing.AccountID != ""
	r.AuthConfigID, r.AccountID, r.CreatedAt = in.Account.AuthConfigID, in.Account.ID, stamp(in.Account.CreatedAt)
	r.Instruction = fmt.Sprintf("Show the user this Markdown link and wait until they have connected: [Connect %s](%s). It works once, until %s.",
		st.Toolkit.Name, address, stamp(in.ExpiresAt))
	return r, nil
}

// stateOf gives the state of one toolkit of the session, or a sentence why
// there is none.
func (s *Service) stateOf(ctx context.Context, h *Handle, slug string) (st ToolkitState, why string, err error) {
	tk, err := s.opts.Catalog.Toolkit(ctx, h.ProjectID, slug)
	if err != nil {
		if domain.CodeOf(err) != domain.CodeNotFound {
			return st, "", err
		}
		return st, "There is no toolkit " + clip(slug) + ". Find the toolkits of a task with COMPOSIO_SEARCH_TOOLS.", nil
	}
	if !h.Rules.Toolkit(tk.Slug) {
		return st, "Toolkit " + tk.Slug + " is not enabled in this session.", nil
	}
	list, err := s.states(ctx, h, []*toolkit.Toolkit{tk})
	if err != nil {
		return st, "", err
	}
	return list[0], "", nil
}

// stamp writes a time as the wire does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

const (
	// defaultWaitLimit is how long one wait lasts at most.
	defaultWaitLimit = 50 * time.Second
	waitInterval     = 500 * time.Millisecond
)

type waitInput struct {
	Toolkits  []string `json:"toolkits"`
	Mode      string   `json:"mode"`
	SessionID string   `json:"session_id"`
}

type waitOutput struct {
	Message string                `json:"message"`
	Results map[string]waitResult `json:"results"`
	Session *workflow             `json:"session,omitempty"`
}

type waitResult struct {
	Toolkit      string            `json:"toolkit"`
	Status       string            `json:"status"` // ACTIVE, INITIATED, FAILED, NOT_FOUND
	HasActive    bool              `json:"has_active_connection"`
	AccountID    string            `json:"connected_account_id,omitempty"`
	AuthConfigID string            `json:"auth_config_id,omitempty"`
	CreatedAt    string            `json:"created_at,omitempty"`
	UserInfo     map[string]string `json:"current_user_info,omitempty"`
	ErrorMessage string            `json:"error_message,omitempty"`
}

// wait looks at the toolkits until any or all are connected, nothing is left to
// wait for, or its time is over.
func (s *Service) wait(ctx context.Context, h *Handle, in waitInput, call *toolkit.Call) (*waitOutput, error) {
	limit := s.opts.WaitLimit
	start := time.Now()
	if deadline, ok := ctx.Deadline(); ok { // leave time for the answer
		limit = min(limit, max(0, time.Until(deadline)-2*time.Second))
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	for n := 1; ; n++ {
		out, done, err := s.look(ctx, h, in)
		if err != nil || done {
			return out, err
		}
		if n%10 == 0 {
			call.Progress(time.Since(start).Seconds(), limit.Seconds(), "waiting for the user to connect")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			out.Message = "Not connected yet. If the user is still at it, call this again."
			return out, nil
		case <-tick.C:
		}
	}
}

// look gives the states of this moment, and whether there is nothing more to
// wait for.
func (s *Service) look(ctx context.Context, h *Handle, in waitInput) (*waitOutput, bool, error) {
	out := &waitOutput{Results: map[string]waitResult{}, Session: echo(in.SessionID)}
	active, open := 0, 0
	for _, slug := range unique(in.Toolkits) {
		st, why, err := s.stateOf(ctx, h, slug)
		if err != nil {
			return nil, false, err
		}
		r := waitState(&st)
		if why != "" {
			r = waitResult{Toolkit: clip(strings.ToLower(slug)), Status: "NOT_FOUND", ErrorMessage: why}
		}
		if _, twice := out.Results[r.Toolkit]; twice {
			continue
		}
		out.Results[r.Toolkit] = r
		switch r.Status {
		case "ACTIVE":
			active++
		case "INITIATED":
			open++
		}
	}
	switch {
	case active == len(out.Results):
		out.Message = "Connected: all of the toolkits."
		return out, true, nil
	case active > 0 && in.Mode != "all":
		out.Message = fmt.Sprintf("Connected: %d of %d toolkits.", active, len(out.Results))
		return out, true, nil
	case open == 0:
		out.Message = "There is nothing to wait for: make links with COMPOSIO_MANAGE_CONNECTIONS first."
		return out, true, nil
	}
	return out, false, nil
}

func waitState(st *ToolkitState) waitResult {
	if st.Toolkit == nil {
		return waitResult{}
	}
	r := waitResult{Toolkit: st.Toolkit.Slug, Status: "NOT_FOUND", ErrorMessage: "No connection was started."}
	a := st.Account
	switch {
	case st.Connected():
		r.Status, r.HasActive, r.ErrorMessage = "ACTIVE", true, ""
	case len(st.All) > 0:
		a = &st.All[0] // the newest
		r.Status, r.ErrorMessage = "FAILED", "The newest connection is "+string(a.Status)+"."
		if a.StatusReason != "" {
			r.ErrorMessage += " Reason: " + a.StatusReason + "."
		}
		if a.Status == domain.AccountInitiated {
			r.Status, r.ErrorMessage = "INITIATED", ""
		}
	}
	if a != nil {
		r.AccountID, r.AuthConfigID, r.CreatedAt, r.UserInfo = a.ID, a.AuthConfigID, stamp(a.CreatedAt), a.Identity
	}
	return r
}
