package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// Result is how a tool call ended. A call that ran and failed is a Result, not
// an error.
type Result struct {
	Successful bool            `json:"successful"`
	Data       json.RawMessage `json:"data"`
	Error      string          `json:"error"`
	LogID      string          `json:"log_id"`
	// AccountID is the account that the tool ran on; empty where it needed none.
	AccountID string `json:"connected_account_id"`
}

// Decode reads the data into v, as [json.Unmarshal] does. Of a call that failed it
// gives an *Error with the tool's own words.
func (r *Result) Decode(v any) error {
	if !r.Successful {
		return &Error{Message: r.Error}
	}
	if err := json.Unmarshal(r.Data, v); err != nil {
		return fmt.Errorf("client: the tool's data: %w", err)
	}
	return nil
}

// Execute runs a tool, a meta tool too, in the session. arguments marshals to a
// JSON object; nil means none. account chooses among several accounts and may
// be empty.
func (s *Session) Execute(ctx context.Context, tool string, arguments any, account string) (*Result, error) {
	path, in := "/execute", map[string]any{"tool_slug": tool}
	if slices.Contains(s.MetaTools, tool) { // the other address takes custom tools along
		path, in = "/execute_meta", map[string]any{"slug": tool}
		if own := experimental(nil, s.custom, ""); own != nil {
			in["experimental"] = own
		}
	} else if account != "" {
		in["account"] = account
	}
	if arguments != nil {
		in["arguments"] = arguments
	}
	var a struct {
		Data  json.RawMessage `json:"data"`
		Error *string         `json:"error"`
		LogID string          `json:"log_id"`
		On    string          `json:"connected_account_id"`
	}
	if err := s.client.do(ctx, http.MethodPost, s.path(path), nil, in, &a); err != nil {
		return nil, err
	}
	r := &Result{Successful: a.Error == nil, Data: a.Data, LogID: a.LogID, AccountID: a.On}
	if a.Error != nil {
		r.Error = *a.Error
	}
	return r, nil
}

// Found is the answer of a search for one use case.
type Found struct {
	UseCase  string   `json:"use_case"`
	Primary  []string `json:"primary_tool_slugs"`
	Related  []string `json:"related_tool_slugs"`
	Steps    []string `json:"recommended_plan_steps"`
	Pitfalls []string `json:"known_pitfalls"`
	Guidance string   `json:"execution_guidance"`
	Toolkits []string `json:"toolkits"`
	Error    *string  `json:"error"`
}

// FoundToolkit says whether the session's user is connected to a toolkit of what
// was found.
type FoundToolkit struct {
	Slug        string `json:"toolkit"`
	Description string `json:"description"`
	Connected   bool   `json:"has_active_connection"`
	Status      string `json:"status_message"` // in words, for the agent
}

// FoundTool is what a search says of one tool.
type FoundTool struct {
	Slug        string          `json:"tool_slug"`
	Toolkit     string          `json:"toolkit"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"`
}

// SearchAnswer is the outcome of a search.
type SearchAnswer struct {
	Results []Found              `json:"results"`
	Tools   map[string]FoundTool `json:"tool_schemas"`
	// Toolkits are those of the tools that were found.
	Toolkits []FoundToolkit `json:"toolkit_connection_statuses"`
	// Next says what an agent does next.
	Next []string `json:"next_steps_guidance"`
}

// Search finds tools for use cases in plain words, among those that the session
// may use.
func (s *Session) Search(ctx context.Context, useCases ...string) (*SearchAnswer, error) {
	type query struct {
		UseCase string `json:"use_case"`
	}
	var in struct {
		Queries      []query              `json:"queries"`
		Experimental *sessionExperimental `json:"experimental,omitempty"`
	}
	in.Experimental = experimental(nil, s.custom, "")
	for _, u := range useCases {
		in.Queries = append(in.Queries, query{u})
	}
	var a SearchAnswer
	if err := s.client.ask(ctx, s.path("/search"), in, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// Link is a page on which a person connects an account.
type Link struct {
	URL       string `json:"redirect_url"`
	Token     string `json:"link_token"`
	AccountID string `json:"connected_account_id"`
}

// ConnectOptions say what a session's user connects to.
type ConnectOptions struct {
	Toolkit     string
	Alias       string // a name for the account, to tell several apart
	CallbackURL string // where the browser goes afterwards; the session's when empty
}

// Connect starts a connection of the session's user to a toolkit: show the
// person the link, then Client.WaitForAccount.
func (s *Session) Connect(ctx context.Context, o ConnectOptions) (*Link, error) {
	in := struct {
		Toolkit     string `json:"toolkit"`
		Alias       string `json:"alias,omitempty"`
		CallbackURL string `json:"callback_url,omitempty"`
	}{o.Toolkit, o.Alias, o.CallbackURL}
	var l Link
	if err := s.client.do(ctx, http.MethodPost, s.path("/link"), nil, in, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

// SessionToolkit is a toolkit of a session, with its user's connection.
type SessionToolkit struct {
	Slug   string `json:"slug"`
	Name   string `json:"name"`
	NoAuth bool   `json:"is_no_auth"`
	// Account is the one that calls run on; nil where the user has none.
	Account *SessionAccount `json:"connected_account"`
}

// SessionAccount is an account as a session tells of it.
type SessionAccount struct {
	ID        string `json:"id"`
	UserID    string `json:"user_id"`
	Status    string `json:"status"`
	CreatedAt string `json:"created_at"`
}

// SessionToolkitQuery narrows a list of a session's toolkits; what is empty does
// not.
type SessionToolkitQuery struct {
	Slugs     []string
	Search    string // words of slug, name or description
	Connected *bool  // only those that the user is connected to, or only the others
}

// Toolkits lists the session's toolkits, with what its user is connected to.
func (s *Session) Toolkits(ctx context.Context, q SessionToolkitQuery) iter.Seq2[SessionToolkit, error] {
	v := values(map[string]string{"search": q.Search}, map[string][]string{"toolkits": q.Slugs})
	if q.Connected != nil {
		v.Set("is_connected", strconv.FormatBool(*q.Connected))
	}
	return pages[SessionToolkit](ctx, s.client, s.path("/toolkits"), v)
}

// Tools lists what the session's MCP URL shows: meta tools and preloaded ones.
// Search finds the others.
func (s *Session) Tools(ctx context.Context) iter.Seq2[Tool, error] {
	return pages[Tool](ctx, s.client, s.path("/tools"), url.Values{})
}
