package api

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
)

// caller is who sent a request and how.
type caller struct {
	principal domain.Principal
	requestID string
	origin    string // see Options.Origin
	v3        bool   // came by /api/v3
}

type (
	callerKey struct{}
	seenKey   struct{}
)

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf gives the caller of a request; what is not known yet is empty.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// withSeen leaves a place where authenticate notes the principal for the access
// log, which is written outside of it.
func withSeen(ctx context.Context, p *domain.Principal) context.Context {
	return context.WithValue(ctx, seenKey{}, p)
}

func noteSeen(ctx context.Context, p domain.Principal) {
	if seen, ok := ctx.Value(seenKey{}).(*domain.Principal); ok {
		*seen = p
	}
}
