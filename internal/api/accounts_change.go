package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
)

func (s *server) accountChangeRoutes() {
	const one = "/connected_accounts/{nanoid}"
	handle(s, operation{
		id: "updateAccount", method: http.MethodPatch, path: one, tag: "connected accounts",
		summary: "Change an account's alias, or give it new credentials, which are proven first",
	}, s.updateAccount)
	handle(s, operation{
		id: "enableAccount", method: http.MethodPatch, path: "/connected_accounts/{nanoId}/status", tag: "connected accounts",
		summary: "Enable or disable an account: on a disabled one nothing runs",
	}, s.enableAccount)
	handle(s, operation{
		id: "refreshAccount", method: http.MethodPost, path: one + "/refresh", tag: "connected accounts",
		summary: "Renew an account's tokens, or give the address where its user connects it again",
		query:   []param{{"redirect_url", huma.TypeString, "Where the browser goes afterwards"}},
	}, s.refreshAccount)
	handle(s, operation{
		id: "revokeAccount", method: http.MethodPost, path: one + "/revoke", tag: "connected accounts",
		summary: "End an account's grant at the provider and destroy its tokens",
	}, s.revokeAccount)
}

type updateAccountIn struct {
	NanoPath
	Body struct {
		Alias      *string `json:"alias,omitempty" maxLength:"64" doc:"Empty takes it away"`
		Connection *struct {
			State stateIn `json:"state"`
		} `json:"connection,omitempty" doc:"New credentials; what is not named stays"`
		Sharing sharingIn `json:"experimental,omitempty"`
	}
}

type updatedAccount struct {
	Success bool                 `json:"success"`
	ID      string               `json:"id"`
	Status  domain.AccountStatus `json:"status"`
}

func (s *server) updateAccount(ctx context.Context, in *updateAccountIn) (updatedAccount, error) {
	if err := in.Body.Sharing.refuse("experimental"); err != nil {
		return updatedAccount{}, err
	}
	change := connect.AccountChange{Alias: in.Body.Alias}
	if conn := in.Body.Connection; conn != nil {
		change.Scheme, change.Values = conn.State.AuthScheme, map[string]string{}
		if err := collect(change.Values, "connection.state.val", conn.State.Val); err != nil {
			return updatedAccount{}, err
		}
	}
	a, err := s.Connect.Update(ctx, callerOf(ctx).principal.ProjectID, in.ID, change)
	if err != nil {
		return updatedAccount{}, err
	}
	return updatedAccount{Success: true, ID: a.ID, Status: a.Status}, nil
}

type enableAccountIn struct {
	ID   string `path:"nanoId"`
	Body struct {
		Enabled bool `json:"enabled"`
	}
}

type succeeded struct {
	Success bool `json:"success"`
}

func (s *server) enableAccount(ctx context.Context, in *enableAccountIn) (succeeded, error) {
	if err := s.Connect.Enable(ctx, callerOf(ctx).principal.ProjectID, in.ID, in.Body.Enabled); err != nil {
		return succeeded{}, err
	}
	return succeeded{Success: true}, nil
}

type refreshAccountIn struct {
	NanoPath
	Query
	Body *struct {
		RedirectURL string `json:"redirect_url,omitempty"`
		Validate    bool   `json:"validate_credentials,omitempty" doc:"Also ask the application whether the credentials are good"`
	}
}

type refreshedAccount struct {
	ID          string               `json:"id"`
	Status      domain.AccountStatus `json:"status"`
	RedirectURL *string              `json:"redirect_url" doc:"Where the user connects the same account again; null when nobody needs to"`
}

func (s *server) refreshAccount(ctx context.Context, in *refreshAccountIn) (refreshedAccount, error) {
	c := callerOf(ctx)
	callback, validate := in.text("redirect_url"), false
	if in.Body != nil {
		validate = in.Body.Validate
		if in.Body.RedirectURL != "" {
			callback = in.Body.RedirectURL
		}
	}
	if err := connect.CheckCallbackURL("redirect_url", callback); err != nil {
		return refreshedAccount{}, err
	}
	a, err := s.Connect.Renew(ctx, c.principal.ProjectID, in.ID, validate)
	if err != nil {
		return refreshedAccount{}, err
	}
	out := refreshedAccount{ID: a.ID, Status: a.Status}
	if a.Status == domain.AccountActive || a.Disabled {
		return out, nil
	}
	started, err := s.Connect.Reconnect(ctx, c.principal.ProjectID, a.ID, callback)
	if err != nil {
		return refreshedAccount{}, err
	}
	address := linkURL(c.origin, started)
	out.RedirectURL = &address
	return out, nil
}

type revokedAccount struct {
	Tokens  []string `json:"revoked_tokens" doc:"What the provider took back: access_token, refresh_token"`
	Account struct {
		ID     string               `json:"id"`
		Status domain.AccountStatus `json:"status"`
	} `json:"connected_account"`
	Note string `json:"note,omitempty" doc:"What is left to do at the provider"`
}

func (s *server) revokeAccount(ctx context.Context, in *NanoPath) (revokedAccount, error) {
	var out revokedAccount
	project := callerOf(ctx).principal.ProjectID
	a, err := s.Connect.Account(ctx, project, in.ID)
	if err != nil {
		return out, err
	}
	if auth := s.authOf(ctx, a); auth == nil || auth.OAuth == nil {
		e := domain.Errorf(domain.CodeUnsupported, "account %s was connected with credentials that were typed in: the application cannot be told to revoke them", a.ID)
		e.Field = "connected_account"
		return out, e.WithFix("Delete the key or token in the application, and the account here.")
	}
	revoked, err := s.Connect.Revoke(ctx, project, in.ID)
	if err != nil {
		return out, err
	}
	out.Tokens, out.Note = texts(revoked.Tokens), revoked.Note
	out.Account.ID, out.Account.Status = revoked.Account.ID, revoked.Account.Status
	return out, nil
}

type deletedAccount struct {
	Success bool   `json:"success"`
	Note    string `json:"note,omitempty" doc:"What is left to do at the provider"`
}

func (s *server) deleteAccount(ctx context.Context, in *deleteIn) (deletedAccount, error) {
	revoke, err := in.flag("revoke_on_delete")
	if err != nil {
		return deletedAccount{}, err
	}
	note, err := s.Connect.Delete(ctx, callerOf(ctx).principal.ProjectID, in.ID, revoke != nil && *revoke)
	if err != nil {
		return deletedAccount{}, err
	}
	return deletedAccount{Success: true, Note: note}, nil
}
