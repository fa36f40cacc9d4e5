package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// Store is an open database.
type Store interface {
	Queries
	// InTx runs f in one transaction that commits when f returns nil. f must use
	// only tx, make no upstream call and be safe to run again: a serialization
	// failure repeats it.
	InTx(ctx context.Context, f func(tx Tx) error) error
	// Ready says whether the database answers.
	Ready(ctx context.Context) error
	Close() error
}

// Tx is an open transaction. A statement that fails, other than by finding
// nothing, spoils it: InTx then fails even when f returns nil. To go on after a
// clash, repeat InTx.
type Tx interface {
	Queries
}

// Queries is everything that can be asked, inside or outside a transaction.
// Services take the aggregates they use, not this.
type Queries interface {
	Projects
	ProjectEnds
	Brandings
	APIKeys
	OperatorKeys
	AuthConfigs
	Accounts
	AccountEvents
	Events
	EventFeed
	Webhooks
	Deliveries
	Triggers
	Polls
	Endpoints
	Inbounds
	TriggerSettings
	TriggerLogs
	Leases
	Flows
	Secrets
	ProjectSecrets
	SecretWalk
	Uses
	Links
	Sessions
	MCPServers
	ProjectSettings
	Executions
	Approvals
	Files
	FileChunks
	Keyset
}

// Page is a window of a list. Limit is clamped to 1–1000; 0 means 20.
type Page struct{ Offset, Limit int }

// Projects keeps tenants.
type Projects interface {
	// CreateProject fails with CodeConflict when the id or name is taken.
	CreateProject(ctx context.Context, p domain.Project) error
	Project(ctx context.Context, id string) (domain.Project, error)
	// ListProjects gives the projects, oldest first, at most 1,000.
	ListProjects(ctx context.Context) ([]domain.Project, error)
}

// Brandings keeps how projects' connect pages look.
type Brandings interface {
	// Branding gives the zero value where there is none.
	Branding(ctx context.Context, projectID string) (domain.Branding, error)
	PutBranding(ctx context.Context, projectID string, b domain.Branding) error
}

// APIKeys keeps hashed keys.
type APIKeys interface {
	CreateAPIKey(ctx context.Context, k domain.APIKey) error
	// APIKeyByHash finds a key of any project, revoked ones too: this is how a
	// request's project becomes known.
	APIKeyByHash(ctx context.Context, hash [32]byte) (domain.APIKey, error)
	// ListAPIKeys gives the project's keys, revoked ones too, newest first, at
	// most 1,000.
	ListAPIKeys(ctx context.Context, projectID string) ([]domain.APIKey, error)
	// RevokeAPIKey marks a key revoked; a key already revoked keeps its time.
	RevokeAPIKey(ctx context.Context, projectID, id string, at time.Time) error
	// RevokeAPIKeys marks all keys of the project revoked that are not.
	RevokeAPIKeys(ctx context.Context, projectID string, at time.Time) error
	// RevokedAPIKeys gives those of ids that are revoked or gone.
	RevokedAPIKeys(ctx context.Context, ids []string) ([]string, error)
}

// AuthConfigs keeps how projects connect.
type AuthConfigs interface {
	CreateAuthConfig(ctx context.Context, c domain.AuthConfig) error
	AuthConfig(ctx context.Context, projectID, id string) (domain.AuthConfig, error)
	// FindAuthConfig gives the oldest enabled config of the toolkit with the
	// given origin.
	FindAuthConfig(ctx context.Context, projectID, toolkit string, origin domain.Origin) (domain.AuthConfig, error)
	// ListAuthConfigs gives configs, newest first, and how many there are in
	// all. An empty toolkit means every toolkit.
	ListAuthConfigs(ctx context.Context, projectID, toolkit string, page Page) ([]domain.AuthConfig, int, error)
	// UpdateAuthConfig replaces the mutable fields: name, disabled, fields,
	// scopes, tools, creation tools, router off, updated time.
	UpdateAuthConfig(ctx context.Context, projectID string, c domain.AuthConfig) error
	// DeleteAuthConfig removes the config with its secrets and its accounts.
	DeleteAuthConfig(ctx context.Context, projectID, id string) error
	// PutConfigSecret keeps a sealed value of the config.
	PutConfigSecret(ctx context.Context, projectID, configID, field string, sealed []byte) error
	// ConfigSecrets gives the sealed values by field.
	ConfigSecrets(ctx context.Context, projectID, configID string) (map[string][]byte, error)
}

// AccountFilter narrows a list of accounts; empty fields do not.
type AccountFilter struct {
	IDs, UserIDs, Toolkits, AuthConfigIDs []string
	Statuses                              []domain.AccountStatus
	OrderByUpdated, Ascending             bool // default: newest created first
}

// Accounts keeps users' connections.
type Accounts interface {
	// CreateAccount fails with CodeConflict when the user already has an account
	// with the same word id or alias.
	CreateAccount(ctx context.Context, a domain.ConnectedAccount) error
	Account(ctx context.Context, projectID, id string) (domain.ConnectedAccount, error)
	// UpdateAccount replaces the mutable fields: alias, status, reason, disabled,
	// fields, identity, updated time; never the grant.
	UpdateAccount(ctx context.Context, projectID string, a domain.ConnectedAccount) error
	ListAccounts(ctx context.Context, projectID string, f AccountFilter, page Page) ([]domain.ConnectedAccount, int, error)
	// ActiveAccounts gives the user's usable accounts of the toolkit, newest
	// first, at most 50. It is on the path of every tool call.
	ActiveAccounts(ctx context.Context, projectID, userID, toolkit string) ([]domain.ConnectedAccount, error)
	// SwapGrant replaces status, reason, updated time and grant of the account
	// when its generation is still a.Generation, and raises that by one; it
	// reports false, and changes nothing, when somebody else was first. The new
	// tokens are put in the same transaction.
	SwapGrant(ctx context.Context, projectID string, a domain.ConnectedAccount) (bool, error)
	// DueAccounts gives ACTIVE accounts of all projects, disabled ones left out,
	// whose RefreshAt has come, the most urgent first.
	DueAccounts(ctx context.Context, now time.Time, limit int) ([]domain.ConnectedAccount, error)
	// DeleteAccount removes the account with its secrets and links.
	DeleteAccount(ctx context.Context, projectID, id string) error
	// DropWaitingAccounts removes up to limit accounts of all projects, the oldest
	// first, that were made before the given time, still wait for their user, or were
	// given up or failed before they were ever connected, and have no link that was
	// good then or later. It says how many.
	DropWaitingAccounts(ctx context.Context, before time.Time, limit int) (int, error)
}

// AccountEventFilter narrows a list of events; empty fields do not.
type AccountEventFilter struct {
	AccountID string
	Types     []domain.AccountEventType
}

// AccountEvents keeps what became of accounts. They go with their account.
type AccountEvents interface {
	// AddAccountEvent fails with CodeNotFound when the project has no such
	// account, and with CodeConflict when it has the event already.
	AddAccountEvent(ctx context.Context, e domain.AccountEvent) error
	// ListAccountEvents gives events, newest first, and how many there are in all.
	ListAccountEvents(ctx context.Context, projectID string, f AccountEventFilter, page Page) ([]domain.AccountEvent, int, error)
	// DropAccountEvents removes up to limit events of all projects, the oldest first,
	// that are older than the given time; the last of each account stays. It says how
	// many.
	DropAccountEvents(ctx context.Context, before time.Time, limit int) (int, error)
}

// Leases let one process at a time do something. They are advice: what must not
// happen twice is guarded by a compare-and-swap as well.
type Leases interface {
	// TakeLease gives name to owner until the time given when nobody has it, its
	// time has passed at now, or owner has it already; false when another has it.
	TakeLease(ctx context.Context, name, owner string, now, until time.Time) (bool, error)
	// DropLease gives name back if owner has it.
	DropLease(ctx context.Context, name, owner string) error
	// DropEndedLeases removes up to limit leases whose time ended before the given
	// one, and says how many.
	DropEndedLeases(ctx context.Context, before time.Time, limit int) (int, error)
}

// Flows keeps browsers that are on their way to a provider.
type Flows interface {
	CreateFlow(ctx context.Context, f domain.OAuthFlow) error
	// FlowByState finds a flow of any project, used and expired ones too: this is
	// how a callback's project becomes known.
	FlowByState(ctx context.Context, stateHash [32]byte) (domain.OAuthFlow, error)
	// UseFlow marks an unused, unexpired flow used; it reports false, and changes
	// nothing, for any other.
	UseFlow(ctx context.Context, projectID string, stateHash [32]byte, at time.Time) (bool, error)
	// DropExpiredFlows removes up to limit flows of all projects, used ones too, that
	// expired before the given time, and says how many.
	DropExpiredFlows(ctx context.Context, before time.Time, limit int) (int, error)
}

// Secrets keeps sealed bytes by account and field.
type Secrets interface {
	PutSecret(ctx context.Context, projectID, accountID, field string, sealed []byte) error
	Secrets(ctx context.Context, projectID, accountID string) (map[string][]byte, error)
	// DropSecretsOfFlows removes up to limit secrets with the field's name, of all
	// projects, whose account has no flow that was used at the given time or later. It
	// says how many.
	DropSecretsOfFlows(ctx context.Context, field string, usedSince time.Time, limit int) (int, error)
}

// Links keeps connect links by the hash of their token.
type Links interface {
	CreateLink(ctx context.Context, l domain.ConnectLink) error
	// LinkByHash finds a link of any project, used and expired ones too.
	LinkByHash(ctx context.Context, hash [32]byte) (domain.ConnectLink, error)
	// BindLink ties a link to the browser that began with it. It reports true when
	// the link is that browser's now, or was; another browser is told false.
	BindLink(ctx context.Context, projectID string, hash, browserHash [32]byte) (bool, error)
	// UseLink marks an unused, unexpired link used; it reports false, and
	// changes nothing, for any other.
	UseLink(ctx context.Context, projectID string, hash [32]byte, at time.Time) (bool, error)
	// VoidLinks marks the account's unused links used: none of them connects it any
	// more. It says how many.
	VoidLinks(ctx context.Context, projectID, accountID string, at time.Time) (int, error)
	// DropExpiredLinks removes up to limit links of all projects, used ones too,
	// that expired before the given time, and says how many.
	DropExpiredLinks(ctx context.Context, before time.Time, limit int) (int, error)
}

// Sessions keeps router sessions.
type Sessions interface {
	CreateSession(ctx context.Context, s domain.Session) error
	Session(ctx context.Context, projectID, id string) (domain.Session, error)
	// UpdateSession stores s.Config when the stored version is still
	// s.Version-1, else it fails with CodeConflict.
	UpdateSession(ctx context.Context, projectID string, s domain.Session) error
	DeleteSession(ctx context.Context, projectID, id string) error
	// SessionVersions gives the configurations that a session had, the current one
	// among them, newest first, and how many there are: the last thousand are kept.
	// Of a session that is not there it gives none.
	SessionVersions(ctx context.Context, projectID, id string, page Page) ([]domain.SessionVersion, int, error)
}

// FileFilter narrows a list of files; empty fields do not.
type FileFilter struct {
	Toolkit, Tool string
	// At leaves out files that have expired by then.
	At time.Time
}

// MountFilter names files in a mount of a session; all that lie in it with
// neither Path nor Under.
type MountFilter struct {
	SessionID, Mount string
	// Path is the one file at the path.
	Path string
	// Under is the file at the path, or all that lie in the folder of that name.
	Under string
	// At leaves out files that have expired by then.
	At time.Time
}

// Files keeps what is known of files. Their content is in FileChunks or
// elsewhere.
type Files interface {
	// AddFile keeps f unless the project's files, expired ones too, would then
	// have more than quota bytes together; it says whether it did. It fails with
	// CodeConflict when the project has a file with the key, or at the path.
	AddFile(ctx context.Context, f domain.File, quota int64) (bool, error)
	// File gives a file, expired ones too.
	File(ctx context.Context, projectID, key string) (domain.File, error)
	// ListFiles gives files that lie in no mount, newest first, and how many there
	// are in all.
	ListFiles(ctx context.Context, projectID string, f FileFilter, page Page) ([]domain.File, int, error)
	// MountFiles gives the files of a mount, by path, and how many there are in all.
	MountFiles(ctx context.Context, projectID string, f MountFilter, page Page) ([]domain.File, int, error)
	// LeaveMount takes files out of their mount and has them expire at the given
	// time. It says how many. An empty Mount means all of the session's.
	LeaveMount(ctx context.Context, projectID string, f MountFilter, at time.Time) (int, error)
	// DropExpiredFiles removes up to limit files of all projects that have
	// expired at the given time, those first that expired first, and gives the
	// contents that no file has any more. Call it in a transaction.
	DropExpiredFiles(ctx context.Context, at time.Time, limit int) ([][32]byte, error)
	// HasExpiredFiles says whether DropExpiredFiles would remove any.
	HasExpiredFiles(ctx context.Context, at time.Time) (bool, error)
	// FileContentUsed says whether a file of any project has the content.
	FileContentUsed(ctx context.Context, sha256 [32]byte) (bool, error)
}

// FileChunks keeps contents of files by their hash, in pieces numbered from 0.
type FileChunks interface {
	// PutFileChunk keeps a piece; one that is there already stays.
	PutFileChunk(ctx context.Context, sha256 [32]byte, piece int, data []byte) error
	// FileChunk gives a piece, or fails with CodeNotFound.
	FileChunk(ctx context.Context, sha256 [32]byte, piece int) ([]byte, error)
	// DropFileChunks removes all pieces of a content; there may be none.
	DropFileChunks(ctx context.Context, sha256 [32]byte) error
}

// Keyset keeps the vault's sealed keyset, of which there is one.
type Keyset interface {
	// LoadKeyset gives nil when there is none yet.
	LoadKeyset(ctx context.Context) ([]byte, error)
	// SaveKeyset stores sealed unless there is one already, and gives what is
	// stored now.
	SaveKeyset(ctx context.Context, sealed []byte) ([]byte, error)
	// SwapKeyset puts sealed in the place of was; it reports false, and changes
	// nothing, when the store holds another one by now.
	SwapKeyset(ctx context.Context, was, sealed []byte) (bool, error)
}
