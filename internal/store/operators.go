package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// OperatorKeys keeps hashed keys of whoever operates the server. They are of no
// project: their ProjectID is empty.
type OperatorKeys interface {
	// CreateOperatorKey fails with CodeConflict when the id or the key is there.
	CreateOperatorKey(ctx context.Context, k domain.APIKey) error
	// OperatorKeyByHash finds a key, revoked ones too.
	OperatorKeyByHash(ctx context.Context, hash [32]byte) (domain.APIKey, error)
	// ListOperatorKeys gives the keys, revoked ones too, newest first, at most 1,000.
	ListOperatorKeys(ctx context.Context) ([]domain.APIKey, error)
	// RevokeOperatorKey marks a key revoked; a key already revoked keeps its time.
	RevokeOperatorKey(ctx context.Context, id string, at time.Time) error
}

// ProjectEnds takes projects apart. A project that has ended is found and listed no
// more; what it had goes bit by bit, and its own row last.
type ProjectEnds interface {
	// EndProject ends a project: its keys go at once, its name is free again. It
	// fails with CodeNotFound when there is none that has not ended. Call it in a
	// transaction.
	EndProject(ctx context.Context, id string, at time.Time) error
	// EndedProjects gives projects that have ended and are still there, at most
	// 1,000.
	EndedProjects(ctx context.Context) ([]string, error)
	// DropOfProject removes rows of a project that has ended, at most limit of one
	// kind and what belongs to those, and says how many; 0 means that only files
	// are left. Of other projects it removes nothing.
	DropOfProject(ctx context.Context, id string, limit int) (int, error)
	// ExpireFiles has all files of a project that has ended expire at the given time,
	// those in mounts too.
	ExpireFiles(ctx context.Context, id string, at time.Time) error
	// DropProject removes a project that has ended, if it is there. It fails with
	// CodeNotFound when something of the project is left.
	DropProject(ctx context.Context, id string) error
}
