package importer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/client"
)

// Options say where to and how.
type Options struct {
	To *client.Client
	// Known maps the ids of things to what an earlier import made of them; Import
	// adds to it.
	Known map[string]string
	// Keep, when set, is called after each thing that was made, before the next one
	// is: it makes Known durable. Its error ends the import.
	Keep func() error
	// Credentials are the secrets of auth configs, by the id of before:
	// client_secret and the like.
	Credentials map[string]map[string]string
	// Links has a link made for each account that its user must connect again. Links
	// expire; another comes from client.RefreshAccount whenever one is needed.
	Links bool
	// CallbackURL is where the browser goes after such a link.
	CallbackURL string
	// DryRun only looks.
	DryRun bool
	// Progress, when set, hears of each thing as it is done with.
	Progress func(Item)
}

// Result is what became of one thing.
type Result string

// The results.
const (
	Made    Result = "made"    // it is here now
	Planned Result = "planned" // it would be made: of a dry run
	There   Result = "there"   // an earlier import made it
	Waiting Result = "waiting" // Why says for what; the next import goes on
	Left    Result = "left"    // it cannot come along; Why says why
)

// Item is one thing of the export.
type Item struct {
	Kind    string `json:"kind"` // auth_config, connected_account, trigger, session
	From    string `json:"from"` // its id of before
	To      string `json:"to,omitempty"`
	Name    string `json:"name,omitempty"`
	User    string `json:"user_id,omitempty"`
	Toolkit string `json:"toolkit,omitempty"`
	Result  Result `json:"result"`
	Why     string `json:"why,omitempty"`
	// Link is where the user connects the account again.
	Link string `json:"link,omitempty"`
	// URL is a session's MCP URL.
	URL string `json:"mcp_url,omitempty"`
}

// Report is what became of everything.
type Report struct {
	From   string         `json:"from"`
	To     string         `json:"to"`
	DryRun bool           `json:"dry_run"`
	Counts map[Result]int `json:"counts"`
	Items  []Item         `json:"items"`
}

// The kinds of things.
const (
	kindConfig  = "auth_config"
	kindAccount = "connected_account"
	kindTrigger = "trigger"
	kindSession = "session"
)

type run struct {
	Options
	report  *Report
	schemes map[string]*offer
	tools   map[string]bool
	configs map[string]*client.AuthConfig // of the export
	active  map[string]bool               // accounts of here that are usable
	planned map[string]bool               // ids of before that a dry run would make
}

// Import brings everything of the export that can come along. What cannot, or not
// yet, is in the report, which is given with an error too: the error is for what
// ends the import, such as a server that does not answer or ctx.
func Import(ctx context.Context, e *Export, o Options) (*Report, error) {
	if o.Known == nil {
		o.Known = map[string]string{}
	}
	r := &run{
		Options: o, schemes: map[string]*offer{}, tools: map[string]bool{}, configs: map[string]*client.AuthConfig{},
		active: map[string]bool{}, planned: map[string]bool{},
		report: &Report{From: e.From, To: o.To.BaseURL(), DryRun: o.DryRun, Counts: map[Result]int{}, Items: []Item{}},
	}
	for i := range e.AuthConfigs {
		r.configs[e.AuthConfigs[i].ID] = &e.AuthConfigs[i]
		if err := r.add(r.authConfig(ctx, &e.AuthConfigs[i])); err != nil {
			return r.report, err
		}
	}
	for i := range e.Accounts {
		if err := r.add(r.account(ctx, &e.Accounts[i])); err != nil {
			return r.report, err
		}
	}
	for i := range e.Triggers {
		if err := r.add(r.trigger(ctx, &e.Triggers[i])); err != nil {
			return r.report, err
		}
	}
	for i := range e.Sessions {
		if err := r.add(r.session(ctx, &e.Sessions[i])); err != nil {
			return r.report, err
		}
	}
	return r.report, r.disable(ctx, e)
}

// add notes what became of a thing. A server's refusal of it is its fate, and no
// error; that nobody answers is one.
func (r *run) add(item Item, err error) error {
	var refused *client.Error
	if errors.As(err, &refused) {
		switch {
		case refused.Status == http.StatusTooManyRequests || refused.Status == http.StatusConflict:
			item.Result, item.Why, err = Waiting, refused.Error(), nil
		case refused.Status >= 400 && refused.Status < 500 && refused.Status != http.StatusUnauthorized:
			item.Result, item.Why, err = Left, refused.Error(), nil
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", strings.ReplaceAll(item.Kind, "_", " "), item.From, err)
	}
	r.report.Items = append(r.report.Items, item)
	r.report.Counts[item.Result]++
	if r.Progress != nil {
		r.Progress(item)
	}
	return nil
}

// made notes that a thing is here now.
func (r *run) made(item Item, id string) (Item, error) {
	item.Result, item.To = Made, id
	r.Known[item.From] = id
	if r.Keep == nil {
		return item, nil
	}
	if err := r.Keep(); err != nil {
		return item, fmt.Errorf("keeping what was done: %w", err)
	}
	return item, nil
}

// plan says that a dry run would make the thing.
func (r *run) plan(item Item) (Item, error) {
	r.planned[item.From] = true
	item.Result = Planned
	return item, nil
}

// known gives what an earlier import made of a thing, if it is still there.
func known[T any](r *run, id string, get func(id string) (*T, error)) (*T, error) {
	to := r.Known[id]
	if to == "" {
		return nil, nil
	}
	got, err := get(to)
	if errors.Is(err, client.ErrNotFound) {
		delete(r.Known, id)
		return nil, nil
	}
	return got, err
}

// offer is how a toolkit connects here; nil schemes: it is not offered.
type offer struct{ schemes []client.AuthScheme }

func (r *run) offered(ctx context.Context, toolkit string) (*offer, error) {
	if o, ok := r.schemes[toolkit]; ok {
		return o, nil
	}
	schemes, err := r.To.AuthSchemes(ctx, toolkit)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return nil, err
	}
	r.schemes[toolkit] = &offer{schemes}
	return r.schemes[toolkit], nil
}

func (o *offer) scheme(name string) *client.AuthScheme {
	i := slices.IndexFunc(o.schemes, func(s client.AuthScheme) bool { return s.Scheme == name })
	if i < 0 {
		return nil
	}
	return &o.schemes[i]
}

// has says whether a tool is offered here.
func (r *run) has(ctx context.Context, slug string) (bool, error) {
	if has, ok := r.tools[slug]; ok {
		return has, nil
	}
	_, err := r.To.Tool(ctx, slug)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return false, err
	}
	r.tools[slug] = err == nil
	return err == nil, nil
}

// keepTools sorts tools into those that are offered here and the others.
func (r *run) keepTools(ctx context.Context, tools []string) (here, gone []string, err error) {
	for _, slug := range tools {
		has, err := r.has(ctx, slug)
		if err != nil {
			return nil, nil, err
		}
		if has {
			here = append(here, slug)
		} else {
			gone = append(gone, slug)
		}
	}
	return here, gone, nil
}

func (r *run) authConfig(ctx context.Context, c *client.AuthConfig) (Item, error) {
	item := Item{Kind: kindConfig, From: c.ID, Name: c.Name, Toolkit: c.Toolkit.Slug}
	there, err := known(r, c.ID, func(id string) (*client.AuthConfig, error) { return r.To.AuthConfig(ctx, id) })
	if err != nil {
		return item, err
	}
	if there != nil {
		item.Result, item.To = There, there.ID
		return item, nil
	}
	o, err := r.offered(ctx, c.Toolkit.Slug)
	if err != nil {
		return item, err
	}
	scheme := o.scheme(c.Scheme)
	switch {
	case len(o.schemes) == 0:
		item.Result, item.Why = Left, "toolkit "+c.Toolkit.Slug+" is not offered here"
		return item, nil
	case scheme == nil:
		item.Result, item.Why = Left, "toolkit "+c.Toolkit.Slug+" does not connect with "+c.Scheme+" here"
		return item, nil
	}
	values, missing := r.credentials(c, scheme)
	if len(missing) > 0 {
		item.Result = Waiting
		item.Why = "it needs " + strings.Join(missing, ", ") + ", which no export holds: give it with --credentials"
		if c.Managed {
			item.Why = "it used an OAuth app of the server that it comes from: make your own, and give its " + strings.Join(missing, ", ") + " with --credentials"
		}
		return item, nil
	}
	tools, gone, err := r.keepTools(ctx, c.Tools)
	if err != nil {
		return item, err
	}
	if len(gone) > 0 {
		item.Why = "without the tools that are not offered here: " + strings.Join(gone, ", ")
		if len(tools) == 0 { // no tools would mean all of them
			item.Result, item.Why = Left, "none of the tools that it allows is offered here"
			return item, nil
		}
	}
	if r.DryRun {
		return r.plan(item)
	}
	made, err := r.To.CreateAuthConfig(ctx, client.NewAuthConfig{
		Toolkit: c.Toolkit.Slug, Scheme: c.Scheme, Name: c.Name, Credentials: values, Scopes: scopes(c), Tools: tools, NotForSessions: !c.ForSessions,
	})
	if err != nil {
		return item, err
	}
	return r.made(item, made.ID)
}

// credentials gives the values that an auth config is made with here, and the
// names of those that are missing.
func (r *run) credentials(c *client.AuthConfig, scheme *client.AuthScheme) (values map[string]string, missing []string) {
	values = map[string]string{}
	given := r.Credentials[c.ID]
	for i := range scheme.Config {
		f := &scheme.Config[i]
		value := given[f.Name]
		if was, ok := c.Credentials[f.Name].(string); ok && value == "" && !f.Secret && !c.Managed {
			value = was
		}
		switch {
		case f.Name == "scopes" || f.Name == "oauth_redirect_uri": // scopes are told apart; the address was the other server's
		case value != "":
			values[f.Name] = value
		case f.Required && f.Default == "":
			missing = append(missing, f.Name)
		}
	}
	return values, missing
}

// scopes are those that the project chose; of a managed app the server did.
func scopes(c *client.AuthConfig) []string {
	if c.Managed {
		return nil
	}
	switch v := c.Credentials["scopes"].(type) {
	case string:
		return strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
	case []any:
		var out []string
		for _, s := range v {
			if s, ok := s.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// disable switches off here what is off there: at the end, because accounts are
// not added to a disabled auth config.
func (r *run) disable(ctx context.Context, e *Export) error {
	if r.DryRun {
		return nil
	}
	made := map[string]bool{}
	for i := range r.report.Items {
		if r.report.Items[i].Result == Made {
			made[r.report.Items[i].From] = true
		}
	}
	for i := range e.Accounts {
		if a := &e.Accounts[i]; a.Disabled && made[a.ID] {
			if err := r.To.EnableAccount(ctx, r.Known[a.ID], false); err != nil {
				return fmt.Errorf("disabling account %s: %w", r.Known[a.ID], err)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.configs)) {
		if c := r.configs[id]; c.Status == "DISABLED" && made[id] {
			if err := r.To.EnableAuthConfig(ctx, r.Known[id], false); err != nil {
				return fmt.Errorf("disabling auth config %s: %w", r.Known[id], err)
			}
		}
	}
	return nil
}
