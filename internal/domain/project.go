package domain

import "time"

// Project is the tenant: everything belongs to one, every query names one.
type Project struct {
	ID        string
	Name      string
	CreatedAt time.Time
}

// Branding is how a project's connect pages look. Empty fields mean the usual.
type Branding struct {
	Name  string // of the application, as its users know it
	Logo  string // https address or data: URI of a picture
	Color string // #rrggbb, of buttons
}

// APIKey is one credential of a project, or of whoever operates the server: then
// it is of no project. The key itself is never kept: Hash is
// its SHA-256.
type APIKey struct {
	ID        string
	ProjectID string
	Name      string
	Hash      [32]byte
	Hint      string // the last four characters, to tell keys apart in a list
	CreatedAt time.Time
	RevokedAt time.Time // zero while the key is good
}

// Principal is who a request acts for, as established by its key.
type Principal struct {
	ProjectID string
	KeyID     string
	// Operator is set for a key of whoever operates the server. ProjectID is empty
	// then: such a key may do nothing within a project.
	Operator bool
}
