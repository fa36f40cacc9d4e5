package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// ToolkitQuery narrows a list of toolkits; empty fields do not.
type ToolkitQuery struct {
	Category string
	Search   string // words of slug, name or description
	// ByUse puts those first whose tools the project called most in the last 30
	// days; else they come by name.
	ByUse bool
}

// FindToolkits lists toolkits, page by page, until the loop ends or a request
// fails.
func (c *Client) FindToolkits(ctx context.Context, q ToolkitQuery) iter.Seq2[Toolkit, error] {
	v := url.Values{"sort_by": {"alphabetically"}}
	if q.ByUse {
		v.Set("sort_by", "usage")
	}
	if q.Category != "" {
		v.Set("category", q.Category)
	}
	if q.Search != "" {
		v.Set("search", q.Search)
	}
	return pages[Toolkit](ctx, c, "/toolkits", v)
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
	err := c.do(ctx, http.MethodPost, "/tools/scopes/required", nil, in, &a)
	return a.Scopes, err
}

// values are the query parameters of q.
func (q *ToolQuery) values() url.Values {
	v := url.Values{}
	for key, list := range map[string][]string{
		"toolkit_slug": {q.Toolkit}, "query": {q.Search}, "tool_slugs": q.Slugs,
		"tags": q.Tags, "scopes": q.Scopes, "auth_config_ids": q.AuthConfigs,
	} {
		if text := strings.Join(list, ","); text != "" {
			v.Set(key, text)
		}
	}
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
