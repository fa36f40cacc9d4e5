package importer

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/client"
)

func (r *run) account(ctx context.Context, a *client.Account) (Item, error) {
	item := Item{Kind: kindAccount, From: a.ID, Name: a.Alias, User: a.UserID, Toolkit: a.Toolkit.Slug}
	there, err := known(r, a.ID, func(id string) (*client.Account, error) { return r.To.Account(ctx, id) })
	if err != nil {
		return item, err
	}
	if there != nil {
		return r.accountThere(ctx, item, there)
	}
	if !slices.Contains([]string{"ACTIVE", "INACTIVE", "EXPIRED"}, a.Status) {
		item.Result, item.Why = Left, "it is "+a.Status+" there: there is nothing to connect again"
		return item, nil
	}
	config := r.Known[a.AuthConfig.ID]
	if config == "" && !r.planned[a.AuthConfig.ID] {
		item.Result, item.Why = Waiting, "its auth config "+a.AuthConfig.ID+" is not here"
		if o := r.schemes[a.Toolkit.Slug]; o != nil && len(o.schemes) == 0 {
			item.Result, item.Why = Left, "toolkit "+a.Toolkit.Slug+" is not offered here"
		}
		return item, nil
	}
	if r.DryRun {
		return r.plan(item)
	}
	made, err := r.To.BringAccount(ctx, client.BringRequest{UserID: a.UserID, AuthConfigID: config, Alias: a.Alias, Values: r.values(a)})
	if err != nil {
		return item, err
	}
	if item, err = r.made(item, made.ID); err != nil {
		return item, err
	}
	return r.link(ctx, item, made.ID)
}

// accountThere says of an account that an earlier import brought whether its user
// has connected it.
func (r *run) accountThere(ctx context.Context, item Item, a *client.Account) (Item, error) {
	item.To, item.Result = a.ID, There
	if a.Status == "ACTIVE" {
		r.active[a.ID] = !a.Disabled
		return item, nil
	}
	item.Result = Waiting
	return r.link(ctx, item, a.ID)
}

// link adds the page on which the account's user connects it again.
func (r *run) link(ctx context.Context, item Item, id string) (Item, error) {
	item.Why = "its user must connect it again: sluice accounts refresh " + id + " gives a link"
	if !r.Links || r.DryRun {
		return item, nil
	}
	fresh, err := r.To.RefreshAccount(ctx, id, false)
	if err != nil {
		return item, err
	}
	item.Why, item.Link = "its user must connect it again", fresh.URL
	return item, nil
}

// values are what the connect page can show already.
func (r *run) values(a *client.Account) map[string]string {
	o := r.schemes[a.Toolkit.Slug]
	if o == nil {
		return nil
	}
	scheme := o.scheme(a.AuthConfig.Scheme)
	if scheme == nil {
		return nil
	}
	out := map[string]string{}
	for i := range scheme.Connect {
		f := &scheme.Connect[i]
		if v, ok := a.Data[f.Name].(string); ok && !f.Secret {
			out[f.Name] = v
		}
	}
	return out
}

func (r *run) trigger(ctx context.Context, t *client.Trigger) (Item, error) {
	item := Item{Kind: kindTrigger, From: t.ID, Name: t.Type, User: t.UserID}
	there, err := known(r, t.ID, func(id string) (*client.Trigger, error) { return r.To.Trigger(ctx, id) })
	if err != nil {
		return item, err
	}
	if there != nil {
		item.Result, item.To = There, there.ID
		return item, nil
	}
	if _, err := r.To.TriggerType(ctx, t.Type); err != nil {
		if errors.Is(err, client.ErrNotFound) {
			item.Result, item.Why = Left, "there is no trigger type "+t.Type+" here"
			return item, nil
		}
		return item, err
	}
	account := r.Known[t.AccountID]
	switch {
	case account == "" && !r.planned[t.AccountID]:
		item.Result, item.Why = Left, "its account "+t.AccountID+" is not here"
		return item, nil
	case !r.active[account]:
		item.Result, item.Why = Waiting, "its account is not connected again yet; run the import once more when it is"
		return item, nil
	case r.DryRun:
		return r.plan(item)
	}
	var config map[string]any
	if isObject := len(t.Config) == 0 || json.Unmarshal(t.Config, &config) == nil; !isObject {
		item.Result, item.Why = Left, "its configuration is not an object"
		return item, nil
	}
	id, err := r.To.UpsertTrigger(ctx, client.NewTrigger{Type: t.Type, UserID: t.UserID, AccountID: account, Config: config})
	if err != nil {
		return item, err
	}
	if t.DisabledAt != "" {
		if err := r.To.EnableTrigger(ctx, id, false); err != nil {
			return item, err
		}
	}
	return r.made(item, id)
}

func (r *run) session(ctx context.Context, s *Session) (Item, error) {
	item := Item{Kind: kindSession, From: s.ID}
	there, err := known(r, s.ID, func(id string) (*client.Session, error) { return r.To.Use(ctx, id) })
	if err != nil {
		return item, err
	}
	if there != nil {
		item.Result, item.To, item.User, item.URL = There, there.ID, there.UserID, there.MCP.URL
		return item, nil
	}
	t, err := r.translate(ctx, s.Config)
	if err != nil {
		return item, err
	}
	if t.request == nil {
		item.Result, item.Why = Left, "its configuration is not an object with a user_id"
		return item, nil
	}
	item.User, _ = t.request["user_id"].(string)
	if len(t.bound) > 0 {
		item.Result, item.Why = Waiting, "without "+strings.Join(t.bound, ", ")+" it might do more here than there"
		return item, nil
	}
	if len(t.dropped) > 0 {
		item.Why = "without what is not here: " + strings.Join(t.dropped, ", ")
	}
	if r.DryRun {
		return r.plan(item)
	}
	body, err := json.Marshal(t.request)
	if err != nil {
		return item, err
	}
	made, err := r.To.CreateWith(ctx, body)
	if err != nil {
		return item, err
	}
	item.URL = made.MCP.URL
	return r.made(item, made.ID)
}
