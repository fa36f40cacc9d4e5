package mcpserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
)

// An idle session ends after its time; a request, however long, holds that off.
func TestIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 10 * time.Minute
		table := newLegacyTable(mcp.NewServer(&mcp.Implementation{Name: "test"}, nil), idle, 2, 2)
		p := domain.Principal{ProjectID: "pr_1", KeyID: "key_1"}
		open := func() *legacySession {
			s, done, err := table.open(t.Context(), "trs_1", p)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(
				`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
			s.transport.ServeHTTP(httptest.NewRecorder(), r)
			return s
		}
		alive := func(s *legacySession) bool {
			_, done, ok := table.use(s.id, "trs_1", p)
			if ok {
				done()
			}
			return ok
		}
		idler, worker := open(), open()
		if _, _, err := table.open(t.Context(), "trs_1", p); domain.CodeOf(err) != domain.CodeRateLimited {
			t.Errorf("a third session: %v", err)
		}
		_, done, ok := table.use(worker.id, "trs_1", p)
		if !ok {
			t.Fatal("the worker is not there")
		}
		<-time.After(idle - time.Second)
		if !alive(idler) {
			t.Fatal("ended before its time")
		}
		<-time.After(idle - time.Second) // that was a request
		if !alive(idler) {
			t.Fatal("a request did not hold it off")
		}
		<-time.After(idle + time.Second)
		synctest.Wait()
		if alive(idler) {
			t.Error("the idle session is still there")
		}
		if !alive(worker) {
			t.Error("a request in progress did not keep its session")
		}
		// A call of a session that closes is cancelled first: closing waits for it.
		ctx, cancel := context.WithCancelCause(t.Context())
		untrack := worker.track(cancel)
		done()
		<-time.After(idle + time.Second)
		synctest.Wait()
		if ctx.Err() == nil {
			t.Error("closing did not cancel the call")
		}
		untrack()
		table.closeAll(errClosing)
		if _, _, err := table.open(t.Context(), "trs_1", p); domain.CodeOf(err) != domain.CodeUnavailable {
			t.Errorf("a session after the end: %v", err)
		}
	})
}

// What a session stands on is compared whole.
func TestLegacySessionBelongs(t *testing.T) {
	table := newLegacyTable(mcp.NewServer(&mcp.Implementation{Name: "test"}, nil), time.Minute, 10, 10)
	p := domain.Principal{ProjectID: "pr_1", KeyID: "key_1"}
	s, done, err := table.open(t.Context(), "trs_1", p)
	if err != nil {
		t.Fatal(err)
	}
	done()
	defer table.closeAll(errClosing)
	for _, tt := range []struct {
		id, router string
		p          domain.Principal
		want       bool
	}{
		{s.id, "trs_1", p, true},
		{s.id, "trs_2", p, false},
		{s.id, "trs_1", domain.Principal{ProjectID: "pr_1", KeyID: "key_2"}, false},
		{s.id, "trs_1", domain.Principal{ProjectID: "pr_2", KeyID: "key_1"}, false},
		{s.id + "x", "trs_1", p, false},
		{"", "trs_1", p, false},
	} {
		_, done, ok := table.use(tt.id, tt.router, tt.p)
		if ok {
			done()
		}
		if ok != tt.want {
			t.Errorf("use(%q, %q, %v) = %v", tt.id, tt.router, tt.p, ok)
		}
	}
}

// One key cannot take every place; what ends gives its place back, once.
func TestSessionsOfOneKey(t *testing.T) {
	table := newLegacyTable(mcp.NewServer(&mcp.Implementation{Name: "test"}, nil), time.Minute, 4, 2)
	defer table.closeAll(errClosing)
	open := func(key string) (*legacySession, error) {
		s, done, err := table.open(t.Context(), "trs_1", domain.Principal{ProjectID: "pr_1", KeyID: key})
		if err == nil {
			done()
		}
		return s, err
	}
	var greedy []*legacySession
	for range 2 {
		s, err := open("greedy")
		if err != nil {
			t.Fatal(err)
		}
		greedy = append(greedy, s)
	}
	if _, err := open("greedy"); domain.CodeOf(err) != domain.CodeRateLimited {
		t.Errorf("one more than its share: %v", err)
	}
	if _, err := open("other"); err != nil {
		t.Errorf("another key: %v", err)
	}
	table.close(greedy[0], context.Canceled)
	table.close(greedy[0], context.Canceled)
	if _, err := open("greedy"); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	if _, err := open("greedy"); domain.CodeOf(err) != domain.CodeRateLimited {
		t.Errorf("a place was given back twice: %v", err)
	}
	if _, err := open("third"); err != nil {
		t.Errorf("the last place: %v", err)
	}
	if _, err := open("fourth"); domain.CodeOf(err) != domain.CodeUnavailable {
		t.Errorf("no place left: %v", err)
	}
}
