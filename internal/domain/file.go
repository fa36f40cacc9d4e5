package domain

import "time"

// File is a file that a project keeps for a while: one that an application
// handed in for a tool, or one that a tool gave as its result. Its content is
// kept elsewhere, by its SHA-256.
type File struct {
	ProjectID string
	Key       string // names the file in its project; cannot be guessed
	Name      string // without folders
	MIME      string
	Toolkit   string // slug; which toolkit and tool it was kept for; may be empty
	Tool      string
	// SessionID, Mount and Path say where the file lies in a session's mount; they
	// are empty for a file outside of sessions.
	SessionID string
	Mount     string
	Path      string // relative, with folders
	Size      int64
	SHA256    [32]byte
	MD5       string // 32 hexadecimal digits
	CreatedAt time.Time
	ExpiresAt time.Time // not to be had any more from then on
}
