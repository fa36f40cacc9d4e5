// Package importer brings a project from another server that speaks the same API,
// Composio's own or another Sluice: auth configs, accounts, triggers and sessions.
// It speaks to both through package client alone.
//
// Secrets do not come along: no server gives them away. OAuth apps need their
// client secret again, and users connect again by a link; everything else, the ids
// of the new things among them, is in the report. An import that is run again goes
// on where the one before had to stop.
package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/domain"
)

// Export is what a project has, without secrets. Lists are oldest first.
type Export struct {
	Format      int                 `json:"format"` // 1
	From        string              `json:"from"`   // the server's address
	TakenAt     time.Time           `json:"taken_at"`
	AuthConfigs []client.AuthConfig `json:"auth_configs"`
	Accounts    []client.Account    `json:"connected_accounts"`
	Triggers    []client.Trigger    `json:"triggers"`
	Sessions    []Session           `json:"sessions"`
}

// Session is a session's id and its configuration as the server answers it.
type Session struct {
	ID     string          `json:"session_id"`
	Config json.RawMessage `json:"config"`
}

const (
	format = 1
	// maxExport bounds the bytes of an export, maxItems each of its lists.
	maxExport = 256 << 20
	maxItems  = 500_000
)

// Take reads what the project of the client's key has. The API has no list of
// sessions: the wanted ones are named.
func Take(ctx context.Context, from *client.Client, sessions []string) (*Export, error) {
	e := &Export{Format: format, From: from.BaseURL(), TakenAt: time.Now().UTC().Truncate(time.Second)}
	var err error
	if e.AuthConfigs, err = all(from.AuthConfigs(ctx, "")); err != nil {
		return nil, fmt.Errorf("reading auth configs: %w", err)
	}
	if e.Accounts, err = all(from.Accounts(ctx, client.AccountQuery{})); err != nil {
		return nil, fmt.Errorf("reading connected accounts: %w", err)
	}
	if e.Triggers, err = all(from.Triggers(ctx, client.TriggerQuery{Disabled: true})); err != nil {
		return nil, fmt.Errorf("reading triggers: %w", err)
	}
	for _, id := range sessions {
		config, err := from.SessionConfig(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("reading session %s: %w", id, err)
		}
		e.Sessions = append(e.Sessions, Session{ID: id, Config: config})
	}
	e.scrub()
	return e, nil
}

// all collects a list that comes newest first, oldest first.
func all[T any](list iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		if len(out) == maxItems {
			return nil, domain.Errorf(domain.CodeInvalid, "there are more than %d", maxItems)
		}
		out = append(out, item)
	}
	slices.Reverse(out)
	return out, nil
}

// public are the values of a connection that are no secrets (contract §2.6), and
// appPublic those of an OAuth app. A project may have told its server not to mask
// the others: they are dropped here, so that no file ever holds them.
var (
	public = []string{
		"subdomain", "your-domain", "region", "shop", "account_url", "COMPANYDOMAIN", "extension", "form_api_base_url",
		"instanceEndpoint", "api_url", "domain", "version", "dc", "site_name", "instanceName", "account_id", "your_server",
		"server_location", "base_url", "site", "email", "username",
	}
	appPublic = []string{"client_id", "scopes", "user_scopes", "oauth_redirect_uri"}
)

func (e *Export) scrub() {
	for i := range e.AuthConfigs {
		e.AuthConfigs[i].Credentials = only(e.AuthConfigs[i].Credentials, appPublic)
	}
	for i := range e.Accounts {
		a := &e.Accounts[i]
		a.Data, a.State.Val = only(a.Data, public), nil
	}
}

func only(values map[string]any, names []string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		if v, ok := values[name]; ok && v != nil && v != "" {
			out[name] = v
		}
	}
	return out
}

// Write writes the export as indented JSON.
func (e *Export) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(e)
}

// Read reads an export that Write wrote: at most 256 MiB.
func Read(r io.Reader) (*Export, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxExport+1))
	if err != nil {
		return nil, fmt.Errorf("reading the export: %w", err)
	}
	if len(b) > maxExport {
		return nil, domain.Errorf(domain.CodeInvalid, "the export is larger than 256 MiB")
	}
	var e Export
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, domain.Errorf(domain.CodeInvalid, "the export is not JSON of the expected shape: %v", err).
			WithFix("Write one with: sluice import composio --save FILE")
	}
	if e.Format != format {
		return nil, domain.Errorf(domain.CodeInvalid, "the export has format %d; expected %d", e.Format, format).
			WithFix("Write one with: sluice import composio --save FILE")
	}
	if n := max(len(e.AuthConfigs), len(e.Accounts), len(e.Triggers), len(e.Sessions)); n > maxItems {
		return nil, domain.Errorf(domain.CodeInvalid, "the export has a list of %d; at most %d are taken", n, maxItems)
	}
	e.scrub()
	return &e, nil
}
