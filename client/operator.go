package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// Operator makes and deletes the projects of a server, with an operator's key
// (sluice keys create --operator, or SLUICE_OPERATOR_KEY). It may do nothing within
// a project: a Client with a key of the project does that. It is safe for concurrent
// use.
type Operator struct{ c *Client }

// NewOperator is New for an operator's key, in Options.APIKey.
func NewOperator(opts Options) (*Operator, error) {
	c, err := New(opts)
	if err != nil {
		return nil, err
	}
	c.header = "x-org-api-key"
	return &Operator{c: c}, nil
}

// String gives the server's address, and not the key.
func (o *Operator) String() string { return "client.Operator{" + o.c.base + "}" }

// GoString gives the server's address, and not the key.
func (o *Operator) GoString() string { return o.String() }

const ownedProjects = "/org/owner/project/"

// Projects lists all projects of the server, newest first.
func (o *Operator) Projects(ctx context.Context) iter.Seq2[Project, error] {
	return pages[Project](ctx, o.c, ownedProjects+"list", url.Values{})
}

// ProjectKey is an API key of a project. Key is the key itself where it was made
// just now, and is seen only then; else its last characters.
type ProjectKey struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Key       string `json:"key"`
	CreatedAt string `json:"created_at"`
}

// Project gives a project with those of its keys that are good.
func (o *Operator) Project(ctx context.Context, id string) (*Project, []ProjectKey, error) {
	var p struct {
		Project
		Keys []ProjectKey `json:"api_keys"`
	}
	if err := o.c.do(ctx, http.MethodGet, ownedProjects+url.PathEscape(id), nil, nil, &p); err != nil {
		return nil, nil, err
	}
	return &p.Project, p.Keys, nil
}

// CreateProject makes a project and gives its id and its first API key. The name is
// a line that no other project is called.
func (o *Operator) CreateProject(ctx context.Context, name string) (id, key string, err error) {
	var made struct {
		ID  string `json:"id"`
		Key string `json:"api_key"`
	}
	in := map[string]any{"name": name, "should_create_api_key": true}
	err = o.c.do(ctx, http.MethodPost, ownedProjects+"new", nil, in, &made)
	return made.ID, made.Key, err
}

// DeleteProject deletes a project for good, with everything in it. Providers of its
// users' connections are not told. The first project of a server stays.
func (o *Operator) DeleteProject(ctx context.Context, id string) error {
	return o.c.do(ctx, http.MethodDelete, ownedProjects+url.PathEscape(id), nil, nil, nil)
}

// RegenerateKey revokes all keys of a project and makes a new one.
func (o *Operator) RegenerateKey(ctx context.Context, project string) (*ProjectKey, error) {
	var made struct {
		Key ProjectKey `json:"api_key"`
	}
	if err := o.c.do(ctx, http.MethodPost, ownedProjects+url.PathEscape(project)+"/regenerate_api_key", nil, map[string]any{}, &made); err != nil {
		return nil, err
	}
	return &made.Key, nil
}

// Usage counts what all projects did, or those that are named. q may not narrow to
// users or sessions, which are a project's; GroupBy may be project_id.
func (o *Operator) Usage(ctx context.Context, entity string, q UsageQuery, projects ...string) (*Usage, error) {
	return o.c.usage(ctx, "/org/usage/"+url.PathEscape(entity), q.of(projects))
}

// UsageSummary gives the counts of all that is counted, by entity.
func (o *Operator) UsageSummary(ctx context.Context, q UsageQuery, projects ...string) (map[string]int64, error) {
	return o.c.usageSummary(ctx, "/org/usage/summary", q.of(projects))
}
