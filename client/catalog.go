package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Tool is a tool of the catalogue.
type Tool struct {
	Slug        string          `json:"slug"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Toolkit     ToolkitRef      `json:"toolkit"`
	Input       json.RawMessage `json:"input_parameters"`
	Output      json.RawMessage `json:"output_parameters"`
	Version     string          `json:"version"`
	Scopes      []string        `json:"scopes"`
	Tags        []string        `json:"tags"`
	NoAuth      bool            `json:"no_auth"`
	Deprecated  bool            `json:"is_deprecated"`
	Versions    []string        `json:"available_versions"`
}

// ToolkitRef names the toolkit of a tool.
type ToolkitRef struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// Toolkit is an application that agents can work in.
type Toolkit struct {
	Slug        string   `json:"slug"`
	Name        string   `json:"name"`
	AuthSchemes []string `json:"auth_schemes"`
	NoAuth      bool     `json:"no_auth"`
	GuideURL    string   `json:"auth_guide_url"` // how to bring an application of one's own
	Meta        struct {
		Description string     `json:"description"`
		Categories  []Category `json:"categories"`
		Logo        string     `json:"logo"`
		AppURL      string     `json:"app_url"`
		Tools       int        `json:"tools_count"`
		Triggers    int        `json:"triggers_count"`
		Version     string     `json:"version"`
	} `json:"meta"`
}

// AuthField is one value that connecting asks for.
type AuthField struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
	Secret      bool   `json:"is_secret"`
	Default     string `json:"default"`
}

// ToolQuery narrows a list of tools; empty fields do not.
type ToolQuery struct {
	Toolkit   string
	Slugs     []string
	Search    string
	Important bool
	Tags      []string // with one of them
	Scopes    []string // that need no more than these
	// AuthConfigs keeps tools that may run on accounts of one of these auth configs.
	AuthConfigs []string
	Deprecated  bool              // deprecated tools too
	Versions    map[string]string // by toolkit
}

// Tool gives one tool by slug.
func (c *Client) Tool(ctx context.Context, slug string) (*Tool, error) {
	var t Tool
	if err := c.do(ctx, http.MethodGet, "/tools/"+url.PathEscape(slug), nil, nil, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// ConnectFields gives what a person must supply to connect to a toolkit with a
// scheme, such as "API_KEY": required fields first.
func (c *Client) ConnectFields(ctx context.Context, toolkit, scheme string) ([]AuthField, error) {
	s, err := c.scheme(ctx, toolkit, scheme)
	if err != nil {
		return nil, err
	}
	return s.Connect, nil
}

// AuthConfigFields gives what the project must supply to make an auth config of
// a toolkit with a scheme: required fields first.
func (c *Client) AuthConfigFields(ctx context.Context, toolkit, scheme string) ([]AuthField, error) {
	s, err := c.scheme(ctx, toolkit, scheme)
	if err != nil {
		return nil, err
	}
	return s.Config, nil
}

// AuthScheme is one way to connect to a toolkit.
type AuthScheme struct {
	Scheme string // "OAUTH2", "S2S_OAUTH2", "API_KEY"
	Name   string
	// Config is asked of the project, Connect of the user; required fields first.
	Config, Connect []AuthField
}

// AuthSchemes gives the ways to connect to a toolkit.
func (c *Client) AuthSchemes(ctx context.Context, toolkit string) ([]AuthScheme, error) {
	type groups struct {
		Required []AuthField `json:"required"`
		Optional []AuthField `json:"optional"`
	}
	var a struct {
		Details []struct {
			Mode   string `json:"mode"`
			Name   string `json:"name"`
			Fields struct {
				Creation   groups `json:"auth_config_creation"`
				Initiation groups `json:"connected_account_initiation"`
			} `json:"fields"`
		} `json:"auth_config_details"`
	}
	if err := c.do(ctx, http.MethodGet, "/toolkits/"+url.PathEscape(toolkit), nil, nil, &a); err != nil {
		return nil, err
	}
	list := make([]AuthScheme, 0, len(a.Details))
	for _, d := range a.Details {
		list = append(list, AuthScheme{
			Scheme: d.Mode, Name: d.Name,
			Config:  append(d.Fields.Creation.Required, d.Fields.Creation.Optional...),
			Connect: append(d.Fields.Initiation.Required, d.Fields.Initiation.Optional...),
		})
	}
	return list, nil
}

func (c *Client) scheme(ctx context.Context, toolkit, scheme string) (*AuthScheme, error) {
	list, err := c.AuthSchemes(ctx, toolkit)
	if err != nil {
		return nil, err
	}
	offered := make([]string, 0, len(list))
	for i := range list {
		if list[i].Scheme == scheme {
			return &list[i], nil
		}
		offered = append(offered, list[i].Scheme)
	}
	return nil, &Error{
		Message: "toolkit " + toolkit + " does not connect with " + scheme + ".",
		Fix:     "It offers: " + strings.Join(offered, ", ") + ".",
	}
}

// ExecuteRequest is a call of one tool outside a session.
type ExecuteRequest struct {
	Tool      string
	UserID    string
	AccountID string // empty: the user's newest active account
	Version   string
	Arguments any // marshals to a JSON object
	// Text says in plain words what to do, in place of Arguments. It needs a router
	// with a model.
	Text string
	// Credentials are for this call alone, in place of an account's.
	Credentials *Credentials
	// Parameters are sent to the application along with the account's.
	Parameters *Parameters
}

// Credentials connect one call: the router keeps them nowhere.
type Credentials struct {
	Toolkit string            // slug
	Scheme  string            // "API_KEY", "OAUTH2"
	Values  map[string]string // what ConnectFields asks for; of OAUTH2 an access_token
}

func (c *Credentials) wire() *credentialsIn {
	if c == nil {
		return nil
	}
	return &credentialsIn{c.Toolkit, c.Scheme, c.Values}
}

type credentialsIn struct {
	Toolkit string            `json:"toolkitSlug"`
	Scheme  string            `json:"authScheme"`
	Values  map[string]string `json:"val"`
}

// Parameters are added to the requests of one call.
type Parameters struct {
	BaseURL string // in place of the account's
	Query   url.Values
	Header  http.Header
}

func (p *Parameters) wire() *parametersIn {
	if p == nil {
		return nil
	}
	out := &parametersIn{BaseURL: p.BaseURL}
	for kind, values := range map[string]map[string][]string{"query": p.Query, "header": p.Header} {
		for name, list := range values {
			for _, v := range list {
				out.Parameters = append(out.Parameters, parameterIn{In: kind, Name: name, Value: v})
			}
		}
	}
	return out
}

type parametersIn struct {
	BaseURL    string        `json:"base_url,omitempty"`
	Parameters []parameterIn `json:"parameters,omitempty"`
}

type parameterIn struct {
	In    string `json:"in"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Execute runs one tool for a user.
func (c *Client) Execute(ctx context.Context, r ExecuteRequest) (*Result, error) {
	in := struct {
		UserID    string `json:"user_id,omitempty"`
		AccountID string `json:"connected_account_id,omitempty"`
		Version   string `json:"version,omitempty"`
		Arguments any    `json:"arguments,omitempty"`
		Text      string `json:"text,omitempty"`

		Credentials *credentialsIn `json:"custom_connection_data,omitempty"`
		Parameters  *parametersIn  `json:"custom_auth_params,omitempty"`
	}{r.UserID, r.AccountID, r.Version, r.Arguments, r.Text, r.Credentials.wire(), r.Parameters.wire()}
	var a struct {
		Result
		Error *string `json:"error"`
	}
	if err := c.do(ctx, http.MethodPost, "/tools/execute/"+url.PathEscape(r.Tool), nil, in, &a); err != nil {
		return nil, err
	}
	if a.Error != nil {
		a.Result.Error = *a.Error
	}
	return &a.Result, nil
}

// PhraseRequest is a text that is to become the arguments of a tool.
type PhraseRequest struct {
	Tool    string
	Version string
	Text    string // what the tool is to do, in plain words
	// Description is added to the tool's, Guidance to the model's instructions.
	Description, Guidance string
}

// Phrase gives the arguments that the router's model makes of a text; nothing is
// run. An [Error] says what the text leaves out, or that the router has no model.
func (c *Client) Phrase(ctx context.Context, r PhraseRequest) (json.RawMessage, error) {
	in := struct {
		Text        string `json:"text"`
		Description string `json:"custom_description,omitempty"`
		Guidance    string `json:"system_prompt,omitempty"`
		Version     string `json:"version,omitempty"`
	}{r.Text, r.Description, r.Guidance, r.Version}
	var a struct {
		Arguments json.RawMessage `json:"arguments"`
		Error     string          `json:"error"`
	}
	if err := c.do(ctx, http.MethodPost, "/tools/execute/"+url.PathEscape(r.Tool)+"/input", nil, in, &a); err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, &Error{Message: a.Error, Fix: "Say it in other words, or give the arguments."}
	}
	return a.Arguments, nil
}
