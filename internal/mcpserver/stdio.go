package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
)

// RunStdio serves one session, both eras, a message a line, until in ends, ctx
// ends or the key is revoked. A change of the session is seen by the next
// message.
func (s *Server) RunStdio(ctx context.Context, h *session.Handle, in io.ReadCloser, out io.WriteCloser) error {
	ctx, stop := s.opts.Identity.Watch(ctx, h.Principal)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-s.closing:
			cancel(errClosing)
		case <-ctx.Done():
		}
	}()
	find := func(ctx context.Context, _ *mcp.RequestExtra) (*flight, error) {
		now, err := s.opts.Sessions.Open(ctx, h.Principal, h.ID)
		if err != nil {
			return nil, err
		}
		now.Principal, now.Origin = h.Principal, h.Origin
		return &flight{handle: now, requestID: domain.NewID(domain.PrefixRequest), door: execute.DoorStdio, cancel: cancel}, nil
	}
	err := s.newSDKServer(find).Run(ctx, &mcp.IOTransport{Reader: in, Writer: out})
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("mcpserver: stdio: %w", err)
}
