package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// AccountEvent gives the payload of an event about an account: the account as it is
// on the wire (contract §2.5, without secrets). reason is added where it is not
// empty.
func AccountEvent(ctx context.Context, cat *catalog.Catalog, a *domain.ConnectedAccount, config *domain.AuthConfig, now time.Time, reason string) (json.RawMessage, error) {
	out := struct {
		accountOut
		Reason string `json:"reason,omitempty"`
	}{accountOf(a, authOf(ctx, cat, a), config.Disabled, now), reason}
	payload, err := json.Marshal(out)
	if err != nil {
		return nil, domain.Internal("writing an account", err)
	}
	return payload, nil
}

// authOf gives the auth by which an account is connected, or nil.
func authOf(ctx context.Context, cat *catalog.Catalog, a *domain.ConnectedAccount) *toolkit.Auth {
	tk, err := cat.Toolkit(ctx, a.ProjectID, a.Toolkit)
	if err != nil {
		return nil
	}
	for i := range tk.Auth {
		if tk.Auth[i].Scheme == string(a.Scheme) {
			return &tk.Auth[i]
		}
	}
	return nil
}

// accountOf gives an account as it is on the wire. off says that its auth config is
// disabled.
func accountOf(a *domain.ConnectedAccount, auth *toolkit.Auth, off bool, now time.Time) accountOut {
	data := a.Fields
	if data == nil {
		data = map[string]string{}
	}
	return accountOut{
		Toolkit: slugOut{Slug: a.Toolkit},
		AuthConfig: accountAuth{
			ID: a.AuthConfigID, AuthScheme: a.Scheme, IsDisabled: off,
			Deprecated: &accountAuthTwin{UUID: twinID("auth_config", a.AuthConfigID)},
		},
		ID: a.ID, WordID: optional(a.WordID), Alias: optional(a.Alias), UserID: a.UserID, Status: a.Status,
		Experimental: accountSharing{AccountType: accountPrivate},
		CreatedAt:    wireTime(a.CreatedAt), UpdatedAt: wireTime(a.UpdatedAt),
		State: stateWire(a, auth, now, ""), Data: data, StatusReason: optional(a.StatusReason), IsDisabled: a.Disabled,
		Params: map[string]string{}, Deprecated: accountTwin{UUID: twinID("account", a.ID), Labels: []string{}},
	}
}
