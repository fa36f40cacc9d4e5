package app

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/ui"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

const (
	// maxProbed bounds the accounts of a project that are tried, probing those
	// that are tried at a time.
	maxProbed = 200
	probing   = 4
)

// connections looks at the auth configs and accounts of every project.
func (d *doctor) connections(ctx context.Context, db *sqlstore.DB, v *vault.Vault) {
	cat, err := catalog.New(append(builtinToolkits(), d.Toolkits...)...)
	if err != nil {
		d.fault("toolkits", err)
		return
	}
	upstream, err := httpx.New(httpx.Options{Version: Version(), AllowPrefixes: d.cfg.UpstreamAllow, Proxy: d.cfg.Proxy(), MaxTries: 1})
	if err != nil {
		d.fault("toolkits", err)
		return
	}
	defer upstream.Close()
	conn := connect.New(connect.Options{Store: db, Vault: v, Catalog: cat, HTTP: upstream, Now: d.Now})
	projects, err := db.ListProjects(ctx)
	if err != nil {
		d.fault("accounts", err)
		return
	}
	total := 0
	for _, p := range projects {
		d.redirects(ctx, conn, p)
		f := store.AccountFilter{}
		for to, value := range map[*[]string]string{&f.UserIDs: d.User, &f.Toolkits: strings.ToLower(d.Toolkit), &f.IDs: d.Account} {
			if value != "" {
				*to = []string{value}
			}
		}
		list, n, err := db.ListAccounts(ctx, p.ID, f, store.Page{Limit: maxProbed})
		if err != nil {
			d.fault("accounts", err)
			return
		}
		total += n
		d.accounts(ctx, conn, cat, list)
		if n > len(list) {
			d.skip("accounts", "the newest %d of %d in project %s were tried; narrow with --user, --toolkit or --account", len(list), n, p.ID)
		}
	}
	if total == 0 {
		if d.User+d.Toolkit+d.Account != "" {
			d.fail("accounts", "sluice accounts lists what there is.", "there is no such account")
			return
		}
		d.skip("accounts", "nobody has connected anything yet")
	}
}

// accounts tries some at a time, and tells them in their order.
func (d *doctor) accounts(ctx context.Context, conn *connect.Service, cat *catalog.Catalog, list []domain.ConnectedAccount) {
	found := make([][]Finding, len(list))
	slots := make(chan struct{}, probing)
	var wg sync.WaitGroup
	for i := range list {
		slots <- struct{}{}
		d.begin(fmt.Sprintf("account %d of %d", i+1, len(list)))
		wg.Go(func() {
			defer func() { <-slots }()
			found[i] = d.account(ctx, conn, cat, &list[i])
		})
	}
	wg.Wait()
	for _, some := range found {
		for _, f := range some {
			d.add(f)
		}
	}
}

// account gives what is found on one account.
func (d *doctor) account(ctx context.Context, conn *connect.Service, cat *catalog.Catalog, a *domain.ConnectedAccount) []Finding {
	about := &About{Project: a.ProjectID, User: a.UserID, Toolkit: a.Toolkit, Account: a.ID, AuthConfig: a.AuthConfigID}
	again := "Connect it again: sluice connect " + a.Toolkit + " --user " + quoted(a.UserID)
	one := func(check string, s State, mend, format string, args ...any) Finding {
		return Finding{Check: check, State: s, Found: fmt.Sprintf(format, args...), Mend: mend, About: about}
	}
	name := fmt.Sprintf("%s of %s", a.Toolkit, quoted(a.UserID))
	switch {
	case a.Origin == domain.OriginSandbox:
		return []Finding{one("account", StateSkipped, "", "%s: of the embedded sandbox, which lives in the router", name)}
	case a.Disabled:
		return []Finding{one("account", StateSkipped, "", "%s: disabled", name)}
	case a.Status == domain.AccountInitiated:
		return []Finding{one("account", StateSkipped, "", "%s: its user has not finished connecting", name)}
	case a.Status != domain.AccountActive:
		return []Finding{one("account", StateFailure, again, "%s: it is %s%s", name, a.Status, because(a.StatusReason))}
	}
	cfg, err := conn.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	switch {
	case err != nil:
		return []Finding{one("account", StateFailure, again, "%s: %s", name, domain.AsError(err).Message)}
	case cfg.Disabled:
		return []Finding{one("account", StateSkipped, "", "%s: its auth config is disabled", name)}
	}
	tk, err := cat.Toolkit(ctx, a.ProjectID, a.Toolkit)
	if err != nil {
		return []Finding{one("account", StateFailure, "Run a program that has this toolkit, or remove the account.", "%s: there is no such toolkit any more", name)}
	}
	probe, err := conn.Probe(ctx, a)
	var out []Finding
	switch e := domain.AsError(err); {
	case err == nil:
		who := probe.Identity["email"]
		if who == "" {
			who = probe.Identity["name"]
		}
		out = append(out, one("account", StateOK, "", "%s: %s answers, as %s", name, probe.Site, who))
	case probe.Answered && e.Code == domain.CodeInvalid:
		out = append(out, one("account", StateFailure, again, "%s: %s", name, e.Message))
	default:
		mend := e.Fix
		if mend == "" {
			mend = again
		}
		out = append(out, one("account", StateFailure, mend, "%s: %s", name, e.Message))
	}
	if probe.HasDate && probe.Skew.Abs() > maxSkew {
		out = append(out, one("clock", StateWarning, "Set the clock by the network (NTP).", "this machine's clock is %s", apart(probe.Skew, probe.Site)))
	}
	if now, err := conn.Account(ctx, a.ProjectID, a.ID); err == nil {
		a = now // its tokens may have been renewed on the way
	}
	if f := lackingScopes(tk, cfg, a, name, again); f != nil {
		f.About = about
		out = append(out, *f)
	}
	if f := d.expiry(a, name, again); f != nil {
		f.About = about
		out = append(out, *f)
	}
	return out
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// quoted is a user's id as a shell takes it.
func quoted(id string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@+", r)
	}
	if id != "" && strings.IndexFunc(id, func(r rune) bool { return !plain(r) }) < 0 {
		return id
	}
	return "'" + strings.ReplaceAll(id, "'", `'\''`) + "'"
}

// lackingScopes counts the tools that may run on the account and that its scopes are
// too few for.
func lackingScopes(tk *toolkit.Toolkit, cfg *domain.AuthConfig, a *domain.ConnectedAccount, name, again string) *Finding {
	if a.Scopes == nil {
		return nil // not known: an API token has its user's rights
	}
	var without []ToolWithout
	var grant []string
	all := 0
	for i := range tk.Tools {
		if len(cfg.Tools) > 0 && !slices.Contains(cfg.Tools, tk.Tools[i].Slug) {
			continue
		}
		all++
		missing := tk.Tools[i].Scopes.Missing(a.Scopes)
		if len(missing) == 0 {
			continue
		}
		without = append(without, ToolWithout{Tool: tk.Tools[i].Slug, Scopes: missing})
		for _, need := range missing {
			if len(need) > 0 && !slices.Contains(grant, need[0]) {
				grant = append(grant, need[0])
			}
		}
	}
	if len(without) == 0 {
		return &Finding{Check: "scopes", State: StateOK, Found: fmt.Sprintf("%s: enough for all %d tools", name, all)}
	}
	slices.Sort(grant)
	return &Finding{
		Check: "scopes", State: StateWarning, Tools: without,
		Found: fmt.Sprintf("%s: %d of %d tools will fail for want of scopes", name, len(without), all),
		Mend:  "Grant " + strings.Join(grant, ", ") + ". " + again,
	}
}

// expiry tells of a token that ends and is not renewed.
func (d *doctor) expiry(a *domain.ConnectedAccount, name, again string) *Finding {
	left := a.ExpiresAt.Sub(d.Now())
	switch {
	case a.Failures > 0:
		return &Finding{
			Check: "token", State: StateWarning, Mend: again + " unless the next renewal succeeds.",
			Found: fmt.Sprintf("%s: %d renewals of its token have failed", name, a.Failures),
		}
	case a.ExpiresAt.IsZero() || !a.RefreshAt.IsZero():
		return nil
	case left <= 0:
		return &Finding{Check: "token", State: StateFailure, Mend: again, Found: fmt.Sprintf("%s: its token ended on %s, and it cannot be renewed", name, a.ExpiresAt.UTC().Format(time.DateOnly))}
	case left < soon:
		return &Finding{Check: "token", State: StateWarning, Mend: again, Found: fmt.Sprintf("%s: its token ends on %s, and it cannot be renewed", name, a.ExpiresAt.UTC().Format(time.DateOnly))}
	}
	return nil
}

// redirects compares where providers send browsers back to with the public URL.
func (d *doctor) redirects(ctx context.Context, conn *connect.Service, p domain.Project) {
	for offset := 0; ; offset += 200 {
		list, n, err := conn.AuthConfigs(ctx, p.ID, "", store.Page{Offset: offset, Limit: 200})
		if err != nil {
			d.fault("redirect", err)
			return
		}
		for i := range list {
			d.redirect(&list[i])
		}
		if offset+len(list) >= n || len(list) == 0 {
			return
		}
	}
}

// redirectField is the auth config's own address for browsers to come back to.
const redirectField = "oauth_redirect_uri"

func (d *doctor) redirect(c *domain.AuthConfig) {
	if c.Scheme != domain.SchemeOAuth2 || c.Disabled || d.Toolkit != "" && !strings.EqualFold(c.Toolkit, d.Toolkit) {
		return
	}
	f := Finding{Check: "redirect", State: StateOK, About: &About{Project: c.ProjectID, Toolkit: c.Toolkit, AuthConfig: c.ID}}
	name, own, router := fmt.Sprintf("%s (%s)", c.Name, c.Toolkit), c.Fields[redirectField], d.origin()
	if own == "" && router != "" {
		own = router + connect.CallbackPath
	}
	u, err := url.Parse(own)
	at, _ := url.Parse(router) // validated, or our own
	switch {
	case router == "":
		f.State, f.Mend = StateWarning, "Set public_url (SLUICE_PUBLIC_URL), and register its "+connect.CallbackPath+" at the provider."
		f.Found = name + ": public_url is not set, so where browsers come back to depends on how they reach the router"
	case err != nil || u.Scheme != at.Scheme || !strings.EqualFold(u.Host, at.Host):
		f.State, f.Mend = StateFailure, "Change "+redirectField+" of the auth config to begin with "+router+", here and at the provider, or correct public_url."
		f.Found = fmt.Sprintf("%s: browsers are sent back to %s, and the router is at %s", name, clean(own), router)
	case ui.Serves(u.Path) != ui.RouteCallback:
		f.State, f.Mend = StateFailure, "Change "+redirectField+" of the auth config to "+router+connect.CallbackPath+", here and at the provider."
		f.Found = fmt.Sprintf("%s: browsers are sent back to %s, where the router does not expect them", name, clean(own))
	default:
		f.Found = fmt.Sprintf("%s: browsers come back to %s, which must be registered at the provider", name, clean(own))
	}
	d.add(f)
}

// origin is the router's, as browsers reach it; empty when that is not known.
func (d *doctor) origin() string {
	if public := strings.TrimRight(d.cfg.PublicURL, "/"); public != "" {
		return public
	}
	host, port, err := net.SplitHostPort(d.cfg.Addr)
	if err != nil || port == "0" || !isLoopback(host) {
		return ""
	}
	if d.cfg.TLS() {
		return "https://" + d.cfg.Addr
	}
	return "http://" + d.cfg.Addr
}
