package cli

import (
	"context"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
)

// ownInterrupt annotates commands that handle ctrl-c themselves; every other
// command's context ends with it.
const ownInterrupt = "own-interrupt"

// handleInterrupt ends the command's context at ctrl-c.
func (s *shared) handleInterrupt(cmd *cobra.Command, _ []string) {
	if cmd.Annotations[ownInterrupt] != "" {
		return
	}
	ctx, _ := interruptible(cmd.Context()) // until the process ends
	s.running = ctx
	cmd.SetContext(ctx)
}

// interruptible gives a context that ends at ctrl-c. From then on another ctrl-c
// ends the process, in case stopping hangs.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
