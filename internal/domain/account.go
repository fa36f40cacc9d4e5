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
	// Fields are the public values of the project's own application at the
	// provider: client_id, oauth_redirect_uri. Its secret ones are sealed in the
	// vault under the config's id.
	Fields map[string]string
	// Scopes are asked for when an account connects; nil means the toolkit's own
	// choice.
	Scopes []string
	// Tools, when not empty, are all that may run on the config's accounts, by slug.
	Tools []string
	// CreationTools, when not empty, narrow the scopes asked for to what these
	// tools need.
	CreationTools []string
	// RouterOff keeps sessions from choosing the config by themselves.
	RouterOff bool
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
	Grant
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Grant is what is known of an account's tokens. It changes as a whole, with
// the sealed tokens, by compare-and-swap on Generation.
type Grant struct {
	// Scopes were granted by the provider; nil means that they are not known.
	Scopes []string
	// ExpiresAt is when the access token ends; zero means never or unknown.
	ExpiresAt time.Time
	// RefreshAt is when the tokens are to be renewed before they are needed; zero
	// means that they cannot be, or need not.
	RefreshAt time.Time
	// RefreshedAt is when they last were; zero means never.
	RefreshedAt time.Time
	// Failures counts renewals that failed since then.
	Failures int
	// Generation counts the tokens that the account has had.
	Generation int64
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
	// BrowserHash is of the cookie of the browser that began with the link; zero
	// while none has.
	BrowserHash [32]byte
}

// OAuthFlow is a browser on its way to a provider and back. Only hashes of the
// state, of the browser's cookie and of the link are kept.
type OAuthFlow struct {
	StateHash   [32]byte
	ProjectID   string
	AccountID   string
	LinkHash    [32]byte // of the connect link that it began on
	BrowserHash [32]byte // of the cookie of the browser that left
	Verifier    []byte   // PKCE, sealed in the vault; empty without
	RedirectURI string   // as it was sent: the exchange repeats it
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      time.Time // zero until the browser came back
}

// AccountEventType says what became of an account's credentials.
type AccountEventType string

// The types.
const (
	// AccountEventExpiring: the account ends soon, since its tokens cannot be
	// renewed, or have not been for some time.
	AccountEventExpiring AccountEventType = "expiring"
	// AccountEventExpired: the account is EXPIRED; its user must connect again.
	AccountEventExpired AccountEventType = "expired"
	// AccountEventRecovered: what was expiring or expired is good again.
	AccountEventRecovered AccountEventType = "recovered"
	// AccountEventRevoked: the account was revoked here.
	AccountEventRevoked AccountEventType = "revoked"
)

// AccountEvent is a change of an account's state that its project should hear
// of. It is kept in the transaction that changes the state.
type AccountEvent struct {
	ID        string // stays the same however often the event is delivered
	ProjectID string
	AccountID string
	UserID    string
	Toolkit   string
	Type      AccountEventType
	Reason    string // for a person; never a secret
	At        time.Time
}
