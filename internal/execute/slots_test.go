package execute_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
)

// One user's calls that hang leave slots of the project for the others.
func TestOneUserLeavesSlots(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *execute.Options) { o.MaxConcurrent, o.QueueWait = 4, 20*time.Millisecond })
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { _, _ = f.Run(ctx, request("NOTES_HANG", "")) })
		<-f.Upstream.Hanging
	}
	sum := request("ABACUS_ADD", `{"a":1,"b":1}`)
	if _, err := f.Run(t.Context(), sum); domain.CodeOf(err) != domain.CodeRateLimited || !strings.Contains(err.Error(), "this user already runs 3") {
		t.Errorf("one more of the user: %v", err)
	}
	sum.UserID = "bob"
	if _, err := f.Run(t.Context(), sum); err != nil {
		t.Errorf("another user: %v", err)
	}
	cancel()
	wg.Wait()
	sum.UserID = "ann"
	if _, err := f.Run(t.Context(), sum); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
