package client

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
)

// ToolkitQuery narrows a list of toolkits; empty fields do not.
type ToolkitQuery struct {
	Slugs    []string // at most 200; not together with Search
	Category string   // an id of Categories
	Search   string   // words of slug, name or description
	// ByUse puts those first whose tools the project called most in the last 30
	// days; else they come by name.
	ByUse bool
}

// Toolkits lists toolkits.
func (c *Client) Toolkits(ctx context.Context, q ToolkitQuery) iter.Seq2[Toolkit, error] {
	order := "alphabetically"
	if q.ByUse {
		order = "usage"
	}
	if len(q.Slugs) == 0 {
		return pages[Toolkit](ctx, c, "/toolkits", values(map[string]string{"sort_by": order, "category": q.Category, "search": q.Search}, nil))
	}
	in := map[string]any{"toolkits": q.Slugs, "sort_by": order, "limit": 200}
	if q.Category != "" {
		in["category"] = q.Category
	}
	return asked[Toolkit](ctx, c, "/toolkits/multi", in)
}

// Toolkit gives one toolkit by slug.
func (c *Client) Toolkit(ctx context.Context, slug string) (*Toolkit, error) {
	var a struct {
		Toolkit
		Details []struct {
			Mode string `json:"mode"`
		} `json:"auth_config_details"`
	}
	if err := c.do(ctx, http.MethodGet, "/toolkits/"+url.PathEscape(slug), nil, nil, &a); err != nil {
		return nil, err
	}
	a.NoAuth = true
	for _, d := range a.Details { // this answer has them here alone
		a.AuthSchemes = append(a.AuthSchemes, d.Mode)
		a.NoAuth = a.NoAuth && d.Mode == "NO_AUTH"
	}
	return &a.Toolkit, nil
}

// Category is a kind of toolkits.
type Category struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// UnmarshalJSON reads an id by either of the names that the wire has for it.
func (c *Category) UnmarshalJSON(data []byte) error {
	var a struct{ ID, Slug, Name string }
	if err := json.Unmarshal(data, &a); err != nil {
		return err
	}
	c.ID, c.Name = cmp.Or(a.ID, a.Slug), a.Name
	return nil
}

// Categories lists the categories that toolkits have.
func (c *Client) Categories(ctx context.Context) iter.Seq2[Category, error] {
	return pages[Category](ctx, c, "/toolkits/categories", url.Values{})
}

// ToolkitVersions gives the versions of toolkits that the server has, by slug.
func (c *Client) ToolkitVersions(ctx context.Context) (map[string][]string, error) {
	var a struct {
		Items []struct {
			Slug     string `json:"slug"`
			Versions []struct {
				Version string `json:"version"`
			} `json:"versions"`
		} `json:"items"`
	}
	if err := c.do(ctx, http.MethodGet, "/toolkits/changelog", nil, nil, &a); err != nil {
		return nil, err
	}
	out := make(map[string][]string, len(a.Items))
	for _, tk := range a.Items {
		for _, v := range tk.Versions {
			out[tk.Slug] = append(out[tk.Slug], v.Version)
		}
	}
	return out, nil
}

// RequiredScopes gives scopes that are enough for every one of the tools, which
// must be of one toolkit.
func (c *Client) RequiredScopes(ctx context.Context, tools ...string) ([]string, error) {
	in := struct {
		Tools []string `json:"tools"`
	}{tools}
	var a struct {
		Scopes []string `json:"scopes_required"`
	}
	err := c.ask(ctx, "/tools/scopes/required", in, &a)
	return a.Scopes, err
}

// Tools lists the catalogue's tools.
func (c *Client) Tools(ctx context.Context, q ToolQuery) iter.Seq2[Tool, error] {
	return pages[Tool](ctx, c, "/tools", q.values())
}

// values are the query parameters of q.
func (q *ToolQuery) values() url.Values {
	v := values(map[string]string{"toolkit_slug": q.Toolkit, "query": q.Search}, map[string][]string{
		"tool_slugs": q.Slugs, "tags": q.Tags, "scopes": q.Scopes, "auth_config_ids": q.AuthConfigs,
	})
	if q.Important {
		v.Set("important", "true")
	}
	if q.Deprecated {
		v.Set("include_deprecated", "true")
	}
	for slug, version := range q.Versions {
		v.Set("toolkit_versions["+slug+"]", version)
	}
	return v
}

// ToolSlugs gives the slugs of all tools.
func (c *Client) ToolSlugs(ctx context.Context) ([]string, error) {
	var slugs []string
	err := c.do(ctx, http.MethodGet, "/tools/enum", nil, nil, &slugs)
	return slugs, err
}
