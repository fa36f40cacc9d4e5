package toolkit

import (
	"context"
	"net/http"
)

// Toolkit is one application that agents can work in.
type Toolkit struct {
	Slug        string // lower case, the catalogue's key: "confluence"
	Name        string // "Confluence"
	Description string // one sentence
	Logo        string // https address or a data: URI
	AppURL      string
	Categories  []string
	Version     string // YYYYMMDD_NN, raised whenever a tool's public shape changes
	CreatedAt   string // RFC 3339 dates for the catalogue
	UpdatedAt   string
	Auth        []Auth
	Tools       []Tool
	Triggers    []Trigger
	// TriggerNotes is Markdown that is true of all triggers, for the documentation.
	TriggerNotes string
	// Synonyms say how people call the application's things, by the word that
	// the tools' names use: "page": {"document", "article"}. Search reads them.
	Synonyms map[string][]string

	// Check makes the cheapest call that proves the credentials good and says
	// whose they are. It runs when an account is connected. It may be nil only
	// when Auth is empty.
	Check func(ctx context.Context, call *Call) (Identity, error)
}

// NoAuth says whether the toolkit works without any account.
func (t *Toolkit) NoAuth() bool { return len(t.Auth) == 0 }

// Auth is one way to connect an account: which fields are asked for, and how
// they become a base address and credentials on requests.
type Auth struct {
	Scheme string // "API_KEY", "OAUTH2", "S2S_OAUTH2"
	Name   string // the mode's own name: "confluence_api_key"
	// ConfigFields are asked of the project when it makes an auth config;
	// Fields are asked of the user when connecting.
	ConfigFields []Field
	Fields       []Field
	// BaseURL gives the address that the account's requests may go to, from the
	// connection's public fields. It fails on malformed fields with an *Error
	// that names the field.
	BaseURL func(fields map[string]string) (string, error)
	// Resolve finds out public fields that nobody should have to type, with a Call
	// that has the connection's address and credentials; config holds the public
	// values of the auth config. It runs once, before Check. Optional.
	Resolve func(ctx context.Context, call *Call, config map[string]string) (map[string]string, error)
	// OAuth is set for OAUTH2 and S2S_OAUTH2, whose secrets come from the provider.
	OAuth *OAuth
	// Authorize puts the credentials on a request that goes to BaseURL.
	Authorize func(r *http.Request, fields map[string]string, secrets Secrets)
}

// Field is one value asked for when connecting.
type Field struct {
	Name        string // wire name: "subdomain", "generic_api_key"
	DisplayName string // what a person reads
	Description string
	Placeholder string
	Required    bool
	Secret      bool // sealed in the vault, never shown again
	Advanced    bool // for unusual set-ups; forms show it apart
	Default     string
	Type        string // input type of the connect page: text (default), email, url, password
}

// Secrets are the secret fields of a connection. They live for one request.
type Secrets map[string]string

// String hides the values, so that a stray %v leaks nothing.
func (Secrets) String() string { return "[secrets]" }

// GoString hides the values as String does.
func (Secrets) GoString() string { return "[secrets]" }

// Identity is whom the credentials belong to, as the upstream says: display
// name, e-mail and account id under the keys name, email and id.
type Identity map[string]string
