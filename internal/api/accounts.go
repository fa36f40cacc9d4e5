package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

func (s *server) accountRoutes() {
	const at = "/connected_accounts"
	handle(s, operation{
		id: "listAccounts", method: http.MethodGet, path: at, tag: "connected accounts", summary: "List connected accounts",
		query: paged(
			param{"toolkit_slugs", huma.TypeArray, "Only of these toolkits"},
			param{"statuses", huma.TypeArray, "Only in these states"},
			param{"user_ids", huma.TypeArray, "Only of these users"},
			param{"auth_config_ids", huma.TypeArray, "Only of these auth configs"},
			param{"connected_account_ids", huma.TypeArray, "Only these accounts"},
			param{"account_type", huma.TypeString, "PRIVATE, SHARED or ALL; there are no shared ones yet"},
			param{"order_by", huma.TypeString, "created_at or updated_at"},
			param{"order_direction", huma.TypeString, "desc or asc"},
		),
	}, s.listAccounts)
	handle(s, operation{
		id: "getAccount", method: http.MethodGet, path: at + "/{nanoid}", tag: "connected accounts", summary: "Get a connected account",
	}, s.getAccount)
	handle(s, operation{
		id: "createAccount", method: http.MethodPost, path: at, tag: "connected accounts",
		summary: "Connect an account, at once with credentials or by a link without", status: http.StatusCreated,
	}, s.createAccount)
	handle(s, operation{
		id: "linkAccount", method: http.MethodPost, path: at + "/link", tag: "connected accounts",
		summary: "Start connecting a user by a link", status: http.StatusCreated,
	}, s.linkAccount)
	s.accountChangeRoutes()
	handle(s, operation{
		id: "deleteAccount", method: http.MethodDelete, path: at + "/{nanoid}", tag: "connected accounts",
		summary: "Delete a connected account with its secrets",
		query:   []param{{"revoke_on_delete", huma.TypeBoolean, "End its grant at the provider before"}},
	}, s.deleteAccount)
}

const accountPrivate = "PRIVATE"

type accountOut struct {
	Toolkit      slugOut              `json:"toolkit"`
	AuthConfig   accountAuth          `json:"auth_config"`
	ID           string               `json:"id"`
	WordID       *string              `json:"word_id" doc:"A readable name, taken wherever an account is asked for"`
	Alias        *string              `json:"alias"`
	UserID       string               `json:"user_id"`
	Status       domain.AccountStatus `json:"status"`
	Experimental accountSharing       `json:"experimental"`
	CreatedAt    string               `json:"created_at"`
	UpdatedAt    string               `json:"updated_at"`
	State        stateOut             `json:"state"`
	Data         map[string]string    `json:"data" doc:"The connection's public fields; never a secret"`
	StatusReason *string              `json:"status_reason"`
	IsDisabled   bool                 `json:"is_disabled"`
	Params       map[string]string    `json:"params"`
	Requested    []string             `json:"requested_scopes,omitempty" doc:"Scopes that connecting asks for now; state.val.scope has those that were granted"`
	Deprecated   accountTwin          `json:"deprecated"`
}

type accountAuth struct {
	ID                string            `json:"id"`
	AuthScheme        domain.AuthScheme `json:"auth_scheme"`
	IsComposioManaged bool              `json:"is_composio_managed"`
	IsDisabled        bool              `json:"is_disabled"`
	Deprecated        *accountAuthTwin  `json:"deprecated,omitempty"`
}

type accountAuthTwin struct {
	UUID string `json:"uuid"`
}

type accountSharing struct {
	AccountType string `json:"account_type" enum:"PRIVATE,SHARED"`
}

type accountTwin struct {
	UUID   string   `json:"uuid"`
	Labels []string `json:"labels"`
}

// stateOut is the contract's AuthState (§2.6): public fields only. What is
// secret reads REDACTED.
type stateOut struct {
	AuthScheme domain.AuthScheme `json:"authScheme"`
	Val        map[string]any    `json:"val"`
}

const redacted = "REDACTED"

// stateWire shows an account's state. auth may be nil: the toolkit may have left
// the catalogue.
func stateWire(a *domain.ConnectedAccount, auth *toolkit.Auth, now time.Time, redirect string) stateOut {
	val := map[string]any{}
	for k, v := range a.Fields {
		val[k] = v
	}
	connected := a.Status == domain.AccountActive || a.Status == domain.AccountInactive
	if auth != nil && connected {
		for _, f := range auth.Fields {
			if f.Secret {
				val[f.Name] = redacted
			}
		}
		if base, err := auth.BaseURL(a.Fields); err == nil && val["base_url"] == nil {
			val["base_url"] = base
		}
	}
	switch a.Scheme {
	case domain.SchemeOAuth2, domain.SchemeS2SOAuth2:
		if connected {
			val["access_token"], val["token_type"] = redacted, "Bearer"
		}
		if connected && a.Scheme == domain.SchemeOAuth2 && slices.Contains(a.Scopes, "offline_access") {
			val["refresh_token"] = redacted
		}
		if a.Scopes != nil {
			val["scope"] = strings.Join(a.Scopes, " ")
		}
		if connected && !a.ExpiresAt.IsZero() {
			val["expires_in"] = max(0, int(a.ExpiresAt.Sub(now).Seconds()))
		}
	}
	status := stateStatus(a, redirect)
	val["status"] = status
	if status == domain.AccountFailed {
		if val["error"] = "connection_failed"; a.StatusReason != "" {
			val["error_description"] = a.StatusReason
		}
	}
	if redirect != "" {
		val["redirectUrl"] = redirect
	}
	return stateOut{AuthScheme: a.Scheme, Val: val}
}

// stateStatus is the status in a state, for which each scheme has words of its
// own (§2.6).
func stateStatus(a *domain.ConnectedAccount, redirect string) domain.AccountStatus {
	over := a.Status == domain.AccountExpired || a.Status == domain.AccountFailed || a.Status == domain.AccountRevoked
	switch {
	case a.Scheme == domain.SchemeOAuth2 && a.Status == domain.AccountInitiated && redirect == "":
		return "INITIALIZING" // INITIATED comes with its address, which is told once
	case a.Scheme == domain.SchemeS2SOAuth2 && a.Status == domain.AccountRevoked:
		return domain.AccountExpired
	case a.Scheme == domain.SchemeAPIKey && over:
		return domain.AccountInactive
	}
	return a.Status
}

// authOf gives the auth by which an account is connected, or nil.
func (s *server) authOf(ctx context.Context, a *domain.ConnectedAccount) *toolkit.Auth {
	return authOf(ctx, s.Catalog, a)
}

func (s *server) accountWire(ctx context.Context, a *domain.ConnectedAccount, disabled map[string]bool) accountOut {
	off, known := disabled[a.AuthConfigID]
	if !known {
		if c, err := s.Connect.AuthConfig(ctx, a.ProjectID, a.AuthConfigID); err == nil { // it may be gone
			off = c.Disabled
		}
		disabled[a.AuthConfigID] = off
	}
	return accountOf(a, s.authOf(ctx, a), off, s.Now())
}

// accountStates are the contract's (§2.5).
var accountStates = []string{"INITIALIZING", "INITIATED", "ACTIVE", "FAILED", "EXPIRED", "INACTIVE", "REVOKED"}

func (s *server) listAccounts(ctx context.Context, in *listQuery) (page[accountOut], error) {
	var none page[accountOut]
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return none, err
	}
	kind, err := in.choice("account_type", "ALL", "PRIVATE", "SHARED")
	if err != nil {
		return none, err
	}
	order, err := in.choice("order_by", "created_at", "updated_at")
	if err != nil {
		return none, err
	}
	direction, err := in.choice("order_direction", "desc", "asc")
	if err != nil {
		return none, err
	}
	f := store.AccountFilter{
		IDs: in.list("connected_account_ids"), UserIDs: in.list("user_ids"), Toolkits: lower(in.list("toolkit_slugs")),
		AuthConfigIDs: in.list("auth_config_ids"), OrderByUpdated: order == "updated_at", Ascending: direction == "asc",
	}
	for _, st := range in.list("statuses") {
		if !slices.Contains(accountStates, st) {
			return none, domain.Invalid("statuses", "statuses: expected any of %s", strings.Join(accountStates, ", "))
		}
		f.Statuses = append(f.Statuses, domain.AccountStatus(st))
	}
	if kind == "SHARED" {
		return pageOf[accountOut](w, nil, 0), nil
	}
	accounts, total, err := s.Connect.Accounts(ctx, callerOf(ctx).principal.ProjectID, f, w.store())
	if err != nil {
		return none, err
	}
	items, disabled := make([]accountOut, 0, len(accounts)), map[string]bool{}
	for i := range accounts {
		items = append(items, s.accountWire(ctx, &accounts[i], disabled))
	}
	return pageOf(w, items, total), nil
}

func (s *server) getAccount(ctx context.Context, in *NanoPath) (accountOut, error) {
	a, err := s.Connect.Account(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return accountOut{}, err
	}
	out := s.accountWire(ctx, a, map[string]bool{})
	out.Requested = s.Connect.Requested(ctx, a)
	return out, nil
}

type createAccountIn struct {
	Body struct {
		AuthConfig idIn         `json:"auth_config"`
		Connection connectionIn `json:"connection"`
	}
}

type idIn struct {
	ID string `json:"id" minLength:"1"`
}

type connectionIn struct {
	UserID      string    `json:"user_id,omitempty" maxLength:"256"`
	Alias       string    `json:"alias,omitempty" maxLength:"64"`
	CallbackURL string    `json:"callback_url,omitempty"`
	RedirectURI string    `json:"redirect_uri,omitempty" doc:"Older name of callback_url"`
	State       *stateIn  `json:"state,omitempty"`
	Data        object    `json:"data,omitempty" doc:"Older place of state.val"`
	Sharing     sharingIn `json:"experimental,omitempty"`
}

type stateIn struct {
	AuthScheme domain.AuthScheme `json:"authScheme,omitempty"`
	Val        object            `json:"val,omitempty" doc:"The credentials. With status EXPIRED and none: an account that was connected on another server, and that its user is to connect again"`
}

// ended says whether the state is told as that of an account whose grant is over.
func (st *stateIn) ended() bool {
	if st == nil || st.Val.empty() {
		return false
	}
	var val struct {
		Status string `json:"status"`
	}
	return json.Unmarshal(st.Val, &val) == nil && val.Status == string(domain.AccountExpired)
}

type createdAccount struct {
	ID             string               `json:"id"`
	ConnectionData stateOut             `json:"connectionData"`
	Status         domain.AccountStatus `json:"status"`
	RedirectURL    *string              `json:"redirect_url"`
	RedirectURI    *string              `json:"redirect_uri"`
	Deprecated     createdTwin          `json:"deprecated"`
}

type createdTwin struct {
	UUID           string `json:"uuid"`
	AuthConfigUUID string `json:"authConfigUuid"`
}

// defaultUser is whose account it is when an old client names nobody.
const defaultUser = "default"

func (s *server) createAccount(ctx context.Context, in *createAccountIn) (createdAccount, error) {
	c, conn := callerOf(ctx), in.Body.Connection
	if err := conn.Sharing.refuse("connection.experimental"); err != nil {
		return createdAccount{}, err
	}
	cfg, err := s.Connect.AuthConfig(ctx, c.principal.ProjectID, in.Body.AuthConfig.ID)
	if err != nil {
		return createdAccount{}, err
	}
	values := map[string]string{}
	if err := collect(values, "connection.data", conn.Data); err != nil {
		return createdAccount{}, err
	}
	if st := conn.State; st != nil {
		if st.AuthScheme != "" && st.AuthScheme != cfg.Scheme {
			return createdAccount{}, domain.Invalid("connection.state.authScheme",
				"connection.state.authScheme: auth config %s connects with %s", cfg.ID, cfg.Scheme)
		}
		if err := collect(values, "connection.state.val", st.Val); err != nil {
			return createdAccount{}, err
		}
	}
	start := connect.Start{
		ProjectID: c.principal.ProjectID, UserID: conn.UserID, AuthConfigID: cfg.ID, Alias: conn.Alias, CallbackURL: conn.CallbackURL,
	}
	if start.UserID == "" {
		start.UserID = defaultUser
	}
	if start.CallbackURL == "" {
		start.CallbackURL = conn.RedirectURI
	}
	if conn.State.ended() {
		start.Fields = values
		a, err := s.Connect.Bring(ctx, start)
		if err != nil {
			return createdAccount{}, err
		}
		return s.createdWire(ctx, a, ""), nil
	}
	if len(values) == 0 || cfg.Scheme == domain.SchemeOAuth2 { // who consents does so at the provider
		start.Fields = values
		started, err := s.Connect.Initiate(ctx, start)
		if err != nil {
			return createdAccount{}, err
		}
		return s.createdWire(ctx, &started.Account, linkURL(c.origin, started)), nil
	}
	a, err := s.Connect.Connect(ctx, start, values)
	if err != nil {
		return createdAccount{}, err
	}
	return s.createdWire(ctx, a, ""), nil
}

// collect adds the credentials in o to values, without the state's own words.
func collect(values map[string]string, field string, o object) error {
	if o.empty() {
		return nil
	}
	var in map[string]any
	if err := json.Unmarshal(o, &in); err != nil {
		return domain.Invalid(field, "%s: expected an object", field)
	}
	for k, v := range in {
		switch v := v.(type) {
		case nil:
		case string:
			if k != "status" && v != "" {
				values[k] = v
			}
		default:
			return domain.Invalid(field+"."+k, "%s.%s: expected a string", field, k)
		}
	}
	return nil
}

func (s *server) createdWire(ctx context.Context, a *domain.ConnectedAccount, redirect string) createdAccount {
	return createdAccount{
		ID: a.ID, ConnectionData: stateWire(a, s.authOf(ctx, a), s.Now(), redirect), Status: a.Status,
		RedirectURL: optional(redirect), RedirectURI: optional(redirect),
		Deprecated: createdTwin{UUID: twinID("account", a.ID), AuthConfigUUID: twinID("auth_config", a.AuthConfigID)},
	}
}

type linkAccountIn struct {
	Body struct {
		AuthConfigID string    `json:"auth_config_id" minLength:"1"`
		UserID       string    `json:"user_id" minLength:"1" maxLength:"256"`
		Alias        string    `json:"alias,omitempty" maxLength:"64"`
		CallbackURL  string    `json:"callback_url,omitempty"`
		Data         object    `json:"connection_data,omitempty" doc:"Public values that the page is to show already, such as subdomain"`
		Experimental sharingIn `json:"experimental,omitempty"`
	}
}

type linkAccountOut struct {
	LinkToken          string `json:"link_token"`
	RedirectURL        string `json:"redirect_url" doc:"The page on which the user connects"`
	ExpiresAt          string `json:"expires_at"`
	ConnectedAccountID string `json:"connected_account_id" doc:"INITIATED until the user is done"`
}

func (s *server) linkAccount(ctx context.Context, in *linkAccountIn) (linkAccountOut, error) {
	if err := in.Body.Experimental.refuse("experimental"); err != nil {
		return linkAccountOut{}, err
	}
	c := callerOf(ctx)
	fields, err := connectionData(in.Body.Data)
	if err != nil {
		return linkAccountOut{}, err
	}
	started, err := s.Connect.Initiate(ctx, connect.Start{
		ProjectID: c.principal.ProjectID, UserID: in.Body.UserID, AuthConfigID: in.Body.AuthConfigID,
		Alias: in.Body.Alias, CallbackURL: in.Body.CallbackURL, Fields: fields,
	})
	if err != nil {
		return linkAccountOut{}, err
	}
	return linkAccountOut{
		LinkToken: started.Token, RedirectURL: linkURL(c.origin, started),
		ExpiresAt: wireTime(started.ExpiresAt), ConnectedAccountID: started.Account.ID,
	}, nil
}

// connectionData reads values that are flat, or in the val of a state.
func connectionData(o object) (map[string]string, error) {
	values := map[string]string{}
	var nested stateIn
	if err := json.Unmarshal(o, &nested); len(o) > 0 && err == nil && !nested.Val.empty() {
		return values, collect(values, "connection_data.val", nested.Val)
	}
	if err := collect(values, "connection_data", o); err != nil {
		return nil, err
	}
	delete(values, "authScheme")
	return values, nil
}
