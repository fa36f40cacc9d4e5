package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

func (s *server) toolkitRoutes() {
	handle(s, operation{
		id: "listToolkits", method: http.MethodGet, path: "/toolkits", tag: "toolkits", summary: "List toolkits",
		query: paged(
			param{"category", huma.TypeString, "Only of this category"},
			param{"managed_by", huma.TypeString, "composio or all: every toolkit; project: those that the project imported"},
			param{"type", huma.TypeString, "native, custom or all"},
			param{"sort_by", huma.TypeString, "usage: those whose tools the project called most in the last 30 days first; alphabetically: by name"},
			param{"include_deprecated", huma.TypeBoolean, "No toolkit is deprecated yet"},
			param{"search", huma.TypeString, "Words of slug, name or description"},
		),
	}, s.listToolkits)
	handle(s, operation{
		id: "getToolkit", method: http.MethodGet, path: "/toolkits/{slug}", tag: "toolkits", summary: "Get a toolkit",
		query: []param{{"version", huma.TypeString, "A version of the toolkit, or latest"}},
	}, s.getToolkit)
	handle(s, operation{
		id: "listCategories", method: http.MethodGet, path: "/toolkits/categories", tag: "toolkits",
		summary: "List the categories of toolkits", query: paged(),
	}, s.listCategories)
	handle(s, operation{
		id: "findToolkits", method: http.MethodPost, path: "/toolkits/multi", tag: "toolkits",
		summary: "List toolkits, many of them by name",
	}, s.findToolkits)
	handle(s, operation{
		id: "listToolkitChanges", method: http.MethodGet, path: "/toolkits/changelog", tag: "toolkits",
		summary: "List the versions of toolkits that this server has",
	}, s.toolkitChanges)
}

type toolkitOut struct {
	Slug               string      `json:"slug"`
	Name               string      `json:"name"`
	Type               string      `json:"type" enum:"native,custom"`
	Status             string      `json:"status,omitempty"`
	AuthSchemes        []string    `json:"auth_schemes"`
	ManagedAuthSchemes []string    `json:"composio_managed_auth_schemes" doc:"Always empty: credentials are the project's own"`
	IsLocalToolkit     bool        `json:"is_local_toolkit"`
	NoAuth             bool        `json:"no_auth"`
	AuthGuideURL       *string     `json:"auth_guide_url"`
	Deprecated         toolkitTwin `json:"deprecated"`
	Meta               toolkitMeta `json:"meta"`
}

type toolkitTwin struct {
	ToolkitID string `json:"toolkitId"`
}

type toolkitMeta struct {
	CreatedAt     string         `json:"created_at"`
	UpdatedAt     string         `json:"updated_at"`
	Description   string         `json:"description"`
	Logo          string         `json:"logo"`
	AppURL        *string        `json:"app_url"`
	Categories    []listCategory `json:"categories"`
	TriggersCount int            `json:"triggers_count"`
	ToolsCount    int            `json:"tools_count"`
	Version       string         `json:"version"`
}

// A category is {id, name} in lists and {slug, name} in the detail.
type listCategory struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type detailCategory struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

type listQuery struct{ Query }

func toolkitWire(tk *toolkit.Toolkit, v3 bool) toolkitOut {
	out := toolkitOut{
		Slug: tk.Slug, Name: tk.Name, Type: "native", Status: activeStatus(v3), AuthSchemes: schemes(tk),
		ManagedAuthSchemes: []string{}, NoAuth: tk.NoAuth(), Deprecated: toolkitTwin{ToolkitID: twinID("toolkit", tk.Slug)},
		Meta: toolkitMeta{
			CreatedAt: catalogTime(tk.CreatedAt), UpdatedAt: catalogTime(tk.UpdatedAt), Description: tk.Description,
			Logo: tk.Logo, AppURL: optional(tk.AppURL), Categories: []listCategory{}, ToolsCount: len(tk.Tools), TriggersCount: len(tk.Triggers), Version: tk.Version,
		},
	}
	for _, k := range tk.Categories {
		out.Meta.Categories = append(out.Meta.Categories, listCategory{ID: k, Name: k})
	}
	return out
}

// activeStatus is the word that clients 1.26 and 1.27 require, under v3 alone.
func activeStatus(v3 bool) string {
	if v3 {
		return "active"
	}
	return ""
}

func schemes(tk *toolkit.Toolkit) []string {
	if tk.NoAuth() {
		return []string{string(domain.SchemeNoAuth)}
	}
	out := []string{}
	for _, a := range tk.Auth {
		out = append(out, a.Scheme)
	}
	return out
}

type toolkitPath struct {
	Slug string `path:"slug"`
	Query
}

type toolkitDetail struct {
	Slug               string            `json:"slug"`
	Name               string            `json:"name"`
	Type               string            `json:"type" enum:"native,custom"`
	Status             string            `json:"status,omitempty"`
	Enabled            bool              `json:"enabled"`
	ManagedAuthSchemes []string          `json:"composio_managed_auth_schemes"`
	ManagedAuth        []object          `json:"composio_managed_auth"`
	IsLocalToolkit     bool              `json:"is_local_toolkit"`
	AuthConfigDetails  []authDetail      `json:"auth_config_details"`
	AuthGuideURL       *string           `json:"auth_guide_url"`
	Meta               toolkitDetailMeta `json:"meta"`
	Deprecated         toolkitDetailTwin `json:"deprecated"`
}

type toolkitDetailTwin struct {
	ToolkitID    string   `json:"toolkitId"`
	RawProxyInfo []object `json:"rawProxyInfoByAuthSchemes"`
}

type toolkitDetailMeta struct {
	CreatedAt         string           `json:"created_at"`
	UpdatedAt         string           `json:"updated_at"`
	Description       string           `json:"description"`
	Logo              string           `json:"logo"`
	AppURL            *string          `json:"app_url"`
	Categories        []detailCategory `json:"categories"`
	TriggersCount     int              `json:"triggers_count"`
	ToolsCount        int              `json:"tools_count"`
	Version           string           `json:"version"`
	AvailableVersions []string         `json:"available_versions"`
}

type authDetail struct {
	Mode           string     `json:"mode"`
	Name           string     `json:"name"`
	Fields         authFields `json:"fields"`
	RequiredScopes []string   `json:"required_scopes"`
}

type authFields struct {
	Creation   fieldGroups `json:"auth_config_creation"`
	Initiation fieldGroups `json:"connected_account_initiation"`
}

type fieldGroups struct {
	Required []fieldOut `json:"required"`
	Optional []fieldOut `json:"optional"`
}

type fieldOut struct {
	Name        string  `json:"name"`
	DisplayName string  `json:"displayName"`
	Default     *string `json:"default,omitempty"`
	Type        string  `json:"type"`
	Description string  `json:"description"`
	Required    bool    `json:"required"`
	IsSecret    bool    `json:"is_secret,omitempty"`
	UserVisible bool    `json:"user_visible" doc:"Whether a form shows it; newer clients require the word"`
}

func (s *server) getToolkit(ctx context.Context, in *toolkitPath) (toolkitDetail, error) {
	c := callerOf(ctx)
	tk, err := s.Catalog.Toolkit(ctx, c.principal.ProjectID, in.Slug)
	if err != nil {
		return toolkitDetail{}, err
	}
	if err := checkVersion(tk, in.text("version")); err != nil {
		return toolkitDetail{}, err
	}
	short := toolkitWire(tk, c.v3)
	out := toolkitDetail{
		Slug: short.Slug, Name: short.Name, Type: short.Type, Status: short.Status, Enabled: true,
		ManagedAuthSchemes: []string{}, ManagedAuth: []object{}, AuthConfigDetails: []authDetail{},
		Meta: toolkitDetailMeta{
			CreatedAt: short.Meta.CreatedAt, UpdatedAt: short.Meta.UpdatedAt, Description: tk.Description, Logo: tk.Logo,
			AppURL: short.Meta.AppURL, Categories: []detailCategory{}, ToolsCount: len(tk.Tools), TriggersCount: len(tk.Triggers),
			Version: tk.Version, AvailableVersions: []string{tk.Version},
		},
		Deprecated: toolkitDetailTwin{ToolkitID: short.Deprecated.ToolkitID, RawProxyInfo: []object{}},
	}
	for _, k := range tk.Categories {
		out.Meta.Categories = append(out.Meta.Categories, detailCategory{Slug: k, Name: k})
	}
	for _, a := range tk.Auth {
		scopes := []string{}
		if a.OAuth != nil {
			scopes = texts(a.OAuth.Scopes)
		}
		out.AuthConfigDetails = append(out.AuthConfigDetails, authDetail{
			Mode: a.Scheme, Name: a.Name, RequiredScopes: scopes,
			Fields: authFields{Creation: fieldsWire(a.ConfigFields), Initiation: fieldsWire(a.Fields)},
		})
	}
	return out, nil
}

func fieldsWire(fields []toolkit.Field) fieldGroups {
	out := fieldGroups{Required: []fieldOut{}, Optional: []fieldOut{}}
	for _, f := range fields {
		w := fieldOut{
			Name: f.Name, DisplayName: f.DisplayName, Default: optional(f.Default), Type: "string",
			Description: f.Description, Required: f.Required, IsSecret: f.Secret, UserVisible: true,
		}
		if f.Required {
			out.Required = append(out.Required, w)
		} else {
			out.Optional = append(out.Optional, w)
		}
	}
	return out
}

func (s *server) listCategories(ctx context.Context, in *listQuery) (page[listCategory], error) {
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return page[listCategory]{}, err
	}
	var names []string
	for _, tk := range s.Catalog.Toolkits(ctx, callerOf(ctx).principal.ProjectID) {
		names = append(names, tk.Categories...)
	}
	slices.Sort(names)
	return cut(w, slices.Compact(names), func(k string) listCategory { return listCategory{ID: k, Name: k} }), nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// wireTime writes a time as the contract does: UTC with milliseconds.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// catalogTime writes a catalogue's date, which may be a day alone.
func catalogTime(s string) string {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return wireTime(t)
		}
	}
	return wireTime(time.Unix(0, 0))
}

// twinID gives the UUID that deprecated fields still ask for.
func twinID(kind, id string) string { return domain.TwinID(kind, id) }
