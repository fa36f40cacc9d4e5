package api

import (
	"context"
	"strings"

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

// seen is what is learnt of a request on its way, for the access log and the
// metrics, which are written outside of it.
type seen struct {
	principal domain.Principal
	route     string // the pattern of the operation
}

func withSeen(ctx context.Context, s *seen) context.Context {
	return context.WithValue(ctx, seenKey{}, s)
}

func noteSeen(ctx context.Context, p domain.Principal) {
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		s.principal = p
	}
}

func noteRoute(ctx context.Context, pattern string) {
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		_, s.route, _ = strings.Cut(pattern, " ")
	}
}
