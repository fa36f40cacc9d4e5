package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// An upstream that hangs ends the call at its time, and says so.
func TestUpstreamHangs(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) { o.Times.Call = 300 * time.Millisecond })
	id := r.session("ann", "")
	r.execute(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)
	r.hang()
	for door, a := range map[string]answer{
		"MCP": r.call(id, "CONFLUENCE_GET_SPACES", `{}`), "REST": r.execute(id, "CONFLUENCE_GET_SPACES", `{}`),
	} {
		if text := failed(t, door, a); !strings.Contains(text, "300ms") && !strings.Contains(text, "time") {
			t.Errorf("%s: %s", door, text)
		}
		leaks(t, door, a.body, r.key)
	}
}

// Who goes away takes the upstream call along, and the record says it.
func TestCancellationReachesUpstream(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	s := r.session("ann", "")
	r.execute(s, "CONFLUENCE_GET_CURRENT_USER", `{}`)
	db := r.database()
	for door, path := range map[string]string{"MCP": mcpPath(s), "MCP handshake era": mcpPath(s), "REST": sessions + "/" + s + "/execute"} {
		t.Run(door, func(t *testing.T) {
			header, body := mcpHeader("tools/call", "CONFLUENCE_GET_SPACES"), mcpBody("CONFLUENCE_GET_SPACES", `{}`)
			switch door {
			case "REST":
				header, body = nil, `{"tool_slug":"CONFLUENCE_GET_SPACES","arguments":{}}`
			case "MCP handshake era":
				header, body = r.handshake(s), oldBody("CONFLUENCE_GET_SPACES", `{}`)
			}
			r.Site().Fail(confluence.Fault{Times: -1, Hang: true, Path: "/spaces"})
			defer r.Site().ClearFaults()
			count := len(executions(t, db, r.ProjectID(), s))
			before := r.Site().Requests()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gone := make(chan error, 1)
			go func() {
				_, err := r.try(ctx, http.MethodPost, path, body, header...)
				gone <- err
			}()
			eventually(t, 10*time.Second, "the call upstream", func() bool { return r.Site().Requests() > before })
			if door == "MCP handshake era" { // where going away is no cancellation
				note := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
				if a := r.send(http.MethodPost, path, note, header...); a.status != http.StatusAccepted {
					t.Errorf("cancelling: %v", a)
				}
			} else {
				cancel()
				if err := <-gone; err == nil {
					t.Error("a cancelled request was answered")
				}
			}
			// The record is written when the upstream call has ended, long before its time.
			eventually(t, 5*time.Second, "the record", func() bool { return len(executions(t, db, r.ProjectID(), s)) > count })
			if e := executions(t, db, r.ProjectID(), s)[0]; e.Outcome != domain.OutcomeCanceled || e.UpstreamCalls != 1 {
				t.Errorf("record %+v", e)
			}
		})
	}
}
