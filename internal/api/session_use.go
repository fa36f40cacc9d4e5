package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
)

func (s *server) sessionUseRoutes() {
	const one = "/tool_router/session/{session_id}"
	handle(s, operation{
		id: "listSessionTools", method: http.MethodGet, path: one + "/tools", tag: "sessions",
		summary: "List the meta tools and preloaded tools of a session", query: paged(),
	}, s.sessionTools)
	handle(s, operation{
		id: "listSessionToolkits", method: http.MethodGet, path: one + "/toolkits", tag: "sessions",
		summary: "List the toolkits of a session with the user's connections",
		query: paged(
			param{"toolkits", huma.TypeArray, "Only these toolkits"},
			param{"is_connected", huma.TypeBoolean, "Only connected ones, or only the others"},
			param{"search", huma.TypeString, "Words of slug, name or description"},
		),
	}, s.sessionToolkits)
	handle(s, operation{
		id: "executeInSession", method: http.MethodPost, path: one + "/execute", tag: "sessions",
		summary: "Run a tool in a session",
	}, s.sessionExecute)
	handle(s, operation{
		id: "executeMetaInSession", method: http.MethodPost, path: one + "/execute_meta", tag: "sessions",
		summary: "Run a meta tool, or any tool, in a session",
	}, s.sessionExecuteMeta)
	handle(s, operation{
		id: "linkInSession", method: http.MethodPost, path: one + "/link", tag: "sessions",
		summary: "Start connecting the session's user to a toolkit", status: http.StatusCreated,
	}, s.sessionLink)
	handle(s, operation{
		id: "searchInSession", method: http.MethodPost, path: one + "/search", tag: "sessions",
		summary: "Find tools for use cases",
	}, s.sessionSearch)
}

type sessionQuery struct {
	SessionPath
	Query
}

const (
	defaultPage     = 50
	maxTools        = 1000
	maxSessionTools = 500
)

func (s *server) sessionTools(ctx context.Context, in *sessionQuery) (page[toolOut], error) {
	// Clients that send no limit read one page only: it is the largest.
	w, err := in.window(maxSessionTools, maxSessionTools)
	if err != nil {
		return page[toolOut]{}, err
	}
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return page[toolOut]{}, err
	}
	set, err := s.Sessions.Tools(h)
	if err != nil {
		return page[toolOut]{}, err
	}
	return cut(w, set.Tools, toolWire(callerOf(ctx).v3)), nil
}

type sessionToolkitOut struct {
	Name               string               `json:"name"`
	Slug               string               `json:"slug"`
	Enabled            bool                 `json:"enabled"`
	IsNoAuth           bool                 `json:"is_no_auth"`
	ManagedAuthSchemes []string             `json:"composio_managed_auth_schemes" doc:"Always empty: credentials are the project's own"`
	Meta               sessionToolkitMeta   `json:"meta"`
	ConnectedAccount   *sessionToolkitState `json:"connected_account"`
}

type sessionToolkitMeta struct {
	Logo        string `json:"logo"`
	Description string `json:"description"`
}

type sessionToolkitState struct {
	ID         string               `json:"id"`
	UserID     string               `json:"user_id"`
	Status     domain.AccountStatus `json:"status"`
	CreatedAt  string               `json:"created_at"`
	AuthConfig sessionAuthConfig    `json:"auth_config"`
}

type sessionAuthConfig struct {
	ID                string            `json:"id"`
	AuthScheme        domain.AuthScheme `json:"auth_scheme"`
	IsComposioManaged bool              `json:"is_composio_managed"`
}

func (s *server) sessionToolkits(ctx context.Context, in *sessionQuery) (page[sessionToolkitOut], error) {
	var none page[sessionToolkitOut]
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return none, err
	}
	connected, err := in.flag("is_connected")
	if err != nil {
		return none, err
	}
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return none, err
	}
	only := lower(in.list("toolkits"))
	for _, slug := range only {
		if _, err := s.Catalog.Toolkit(ctx, h.ProjectID, slug); err != nil {
			return none, err
		}
	}
	states, err := s.Sessions.Toolkits(ctx, h)
	if err != nil {
		return none, err
	}
	words := in.text("search")
	states = slices.DeleteFunc(slices.Clone(states), func(t session.ToolkitState) bool {
		active := t.Account != nil && t.Account.Usable()
		return (len(only) > 0 && !slices.Contains(only, t.Toolkit.Slug)) ||
			(connected != nil && *connected != active) ||
			!mentions(words, t.Toolkit.Slug, t.Toolkit.Name, t.Toolkit.Description)
	})
	return cut(w, states, sessionToolkitWire), nil
}

// mentions says whether every word of words is somewhere in the texts.
func mentions(words string, texts ...string) bool {
	all := strings.ToLower(strings.Join(texts, " "))
	for _, w := range strings.Fields(strings.ToLower(words)) {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}

func sessionToolkitWire(t session.ToolkitState) sessionToolkitOut {
	out := sessionToolkitOut{
		Name: t.Toolkit.Name, Slug: t.Toolkit.Slug, Enabled: t.Enabled, IsNoAuth: t.Toolkit.NoAuth(),
		ManagedAuthSchemes: []string{},
		Meta:               sessionToolkitMeta{Logo: t.Toolkit.Logo, Description: t.Toolkit.Description},
	}
	if a := t.Account; a != nil {
		out.ConnectedAccount = &sessionToolkitState{
			ID: a.ID, UserID: a.UserID, Status: a.Status, CreatedAt: wireTime(a.CreatedAt),
			AuthConfig: sessionAuthConfig{ID: a.AuthConfigID, AuthScheme: a.Scheme},
		}
	}
	return out
}

type sessionExecuteIn struct {
	SessionPath
	Body struct {
		ToolSlug     string         `json:"tool_slug" minLength:"1" maxLength:"128"`
		Arguments    object         `json:"arguments,omitempty"`
		Account      string         `json:"account,omitempty" doc:"Id, alias or word id of the account to run on"`
		Experimental experimentalIn `json:"experimental,omitempty"`
	}
}

type sessionExecuteMetaIn struct {
	SessionPath
	Body struct {
		Slug         string         `json:"slug" minLength:"1" maxLength:"128"`
		Arguments    object         `json:"arguments,omitempty"`
		Experimental experimentalIn `json:"experimental,omitempty"`
	}
}

type sessionAnswer struct {
	Data  object  `json:"data"`
	Error *string `json:"error"`
	LogID string  `json:"log_id"`
	// ResultType is what newer clients go by: they refuse an answer without it.
	ResultType string `json:"result_type" enum:"completed,failed" doc:"Whether the tool did its work"`
	// AccountID is ours: the contract does not tell it.
	AccountID string `json:"connected_account_id,omitempty" doc:"The account that the tool ran on"`
}

func (s *server) sessionExecute(ctx context.Context, in *sessionExecuteIn) (sessionAnswer, error) {
	return s.sessionCall(ctx, in.SessionID, &in.Body.Experimental, session.Call{
		Tool: in.Body.ToolSlug, Arguments: json.RawMessage(in.Body.Arguments), Account: in.Body.Account,
		Door: execute.DoorRESTSession,
	})
}

func (s *server) sessionExecuteMeta(ctx context.Context, in *sessionExecuteMetaIn) (sessionAnswer, error) {
	return s.sessionCall(ctx, in.SessionID, &in.Body.Experimental, session.Call{
		Tool: in.Body.Slug, Arguments: json.RawMessage(in.Body.Arguments), Door: execute.DoorRESTMeta,
	})
}

func (s *server) sessionCall(ctx context.Context, id string, asked *experimentalIn, call session.Call) (sessionAnswer, error) {
	h, err := s.open(ctx, id)
	if err != nil {
		return sessionAnswer{}, err
	}
	call.RequestID = callerOf(ctx).requestID
	if asked.Permissions != nil {
		err = notOfferedOption("experimental.permissions", "Give them when the session is made or changed: a call cannot change them.")
	}
	if err == nil {
		h.Own, err = s.own(ctx, asked)
	}
	if err != nil {
		return sessionAnswer{}, s.Execute.Refuse(ctx, execute.Request{
			Principal: h.Principal, Session: &h.Session, Rules: h.Rules, Tool: call.Tool, Arguments: call.Arguments,
			Account: call.Account, Door: call.Door, RequestID: call.RequestID,
		}, err)
	}
	a, err := s.Sessions.Call(ctx, h, call)
	if err != nil {
		return sessionAnswer{}, err
	}
	out := sessionAnswer{Data: object(a.Object()), Error: errorOf(a), LogID: a.LogID, ResultType: "completed", AccountID: a.AccountID}
	if out.Error != nil {
		out.ResultType = "failed"
	}
	return out, nil
}

// errorOf gives the answer's error, or nil. A question to the person cannot be
// put over REST: it fails the call with the question's text.
func errorOf(a *execute.Answer) *string {
	switch {
	case a.Ask != nil:
		text := a.Ask.Error()
		return &text
	case a.Successful:
		return nil
	}
	text := a.Error
	if text == "" {
		text = "the tool failed without saying why"
	}
	return &text
}

// sharingIn is how a new account may be shared; only private ones are offered.
type sharingIn struct {
	AccountType string `json:"account_type,omitempty"`
	ACL         object `json:"acl_config_for_shared,omitempty"`
}

func (in sharingIn) refuse(at string) error {
	switch {
	case in.AccountType != "" && in.AccountType != "PRIVATE":
		return notOfferedOption(at+".account_type", "Leave it out: accounts are private to their user.")
	case !in.ACL.empty():
		return notOfferedOption(at+".acl_config_for_shared", "acl_config_for_shared is only valid on SHARED accounts, which are not offered yet.")
	}
	return nil
}

type sessionLinkIn struct {
	SessionPath
	Body struct {
		Toolkit      string    `json:"toolkit" minLength:"1"`
		Alias        string    `json:"alias,omitempty" maxLength:"64" doc:"The user's own name for the account"`
		CallbackURL  string    `json:"callback_url,omitempty" doc:"Where the browser goes afterwards"`
		Experimental sharingIn `json:"experimental,omitempty"`
	}
}

type sessionLinkOut struct {
	LinkToken          string `json:"link_token"`
	RedirectURL        string `json:"redirect_url" doc:"The page on which the user connects"`
	ConnectedAccountID string `json:"connected_account_id" doc:"INITIATED until the user is done"`
}

func (s *server) sessionLink(ctx context.Context, in *sessionLinkIn) (sessionLinkOut, error) {
	if err := in.Body.Experimental.refuse("experimental"); err != nil {
		return sessionLinkOut{}, err
	}
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return sessionLinkOut{}, err
	}
	started, address, err := s.Sessions.Link(ctx, h, in.Body.Toolkit, in.Body.Alias, in.Body.CallbackURL)
	if err != nil {
		return sessionLinkOut{}, err
	}
	if address == "" {
		address = linkURL(callerOf(ctx).origin, started)
	}
	return sessionLinkOut{LinkToken: started.Token, RedirectURL: address, ConnectedAccountID: started.Account.ID}, nil
}

// linkURL is the address of a connect page.
func linkURL(origin string, started *connect.Initiated) string {
	return origin + "/link/" + started.Token
}
