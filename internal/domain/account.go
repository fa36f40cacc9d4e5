package domain

import "time"

// AuthScheme names a way to authenticate against a toolkit, as the wire spells
// it (contract §2.6).
type AuthScheme string

// The schemes. Others of the contract are added with the issue that needs them.
const (
	SchemeOAuth2    AuthScheme = "OAUTH2"
	SchemeS2SOAuth2 AuthScheme = "S2S_OAUTH2"
	SchemeAPIKey    AuthScheme = "API_KEY"
	SchemeNoAuth    AuthScheme = "NO_AUTH"
)

// AuthConfig is how a project connects to a toolkit.
type AuthConfig struct {
	ID        string
	ProjectID string
	Toolkit   string // slug
	Name      string
	Scheme    AuthScheme
	Origin    Origin
	Disabled  bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Origin says who made an auth config.
type Origin string

// The origins.
const (
	OriginProject Origin = "project" // made by the project
	OriginAuto    Origin = "auto"    // made by Sluice when a session first needed one
	OriginSandbox Origin = "sandbox" // made for the embedded sandbox
)

// AccountStatus is the state of a connection (contract §2.5).
type AccountStatus string

// The states.
const (
	AccountInitiated AccountStatus = "INITIATED"
	AccountActive    AccountStatus = "ACTIVE"
	AccountFailed    AccountStatus = "FAILED"
	AccountExpired   AccountStatus = "EXPIRED"
	AccountInactive  AccountStatus = "INACTIVE"
	AccountRevoked   AccountStatus = "REVOKED"
)

// ConnectedAccount is one user's connection to one toolkit. It holds no secret:
// those are sealed in the vault under the account's id.
type ConnectedAccount struct {
	ID           string
	ProjectID    string
	UserID       string // the application's own id of its user
	Toolkit      string
	AuthConfigID string
	Scheme       AuthScheme
	Origin       Origin // of its auth config
	WordID       string // a readable name, unique per user, such as confluence_amber_fox
	Alias        string // the user's own name for it; optional
	Status       AccountStatus
	StatusReason string
	Disabled     bool
	// Fields are the connection's public parameters, such as subdomain or base_url.
	Fields map[string]string
	// Identity is who the upstream says this account is: account id, name, e-mail.
	Identity map[string]string
	// Scopes are what the account's credentials were granted; nil is unknown,
	// as it is with keys whose scopes nobody tells.
	Scopes    []string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Usable says whether a tool may run on the account now.
func (a *ConnectedAccount) Usable() bool { return a.Status == AccountActive && !a.Disabled }

// ConnectLink is a single-use, expiring page address on which a user gives a
// connection its credentials. Only the SHA-256 of the token is kept.
type ConnectLink struct {
	TokenHash   [32]byte
	ProjectID   string
	AccountID   string
	CallbackURL string // where the browser goes afterwards; optional
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      time.Time // zero while unused
}
