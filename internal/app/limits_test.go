package app_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// One key cannot take the whole router: what is too much is refused with when
// to come again, other keys go on, and it ends with the calls.
func TestRequestsOfOneKey(t *testing.T) {
	t.Parallel()
	const most = 3
	r := testApp(t, func(o *app.Options) { o.Config.MaxConcurrentPerKey = most })
	id := r.session("ann", "")
	r.execute(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)
	_, other := r.secondProject()
	theirs := r.session("ann", "", "X-Api-Key", other)
	for door, call := range map[string]func(session string, header ...string) answer{
		"MCP": func(s string, h ...string) answer { return r.call(s, "CONFLUENCE_GET_SPACES", `{}`, h...) },
		"REST": func(s string, h ...string) answer {
			return r.execute(s, "CONFLUENCE_GET_SPACES", `{}`, h...)
		},
	} {
		t.Run(door, func(t *testing.T) {
			r.Site().Fail(confluence.Fault{Times: most, Hang: true, Path: "/spaces"})
			before := r.Site().Requests()
			var wg sync.WaitGroup
			for range most {
				wg.Go(func() { call(id) })
			}
			eventually(t, 10*time.Second, "the calls upstream", func() bool { return r.Site().Requests() >= before+most })
			a := call(id)
			wait, err := strconv.Atoi(a.header.Get("Retry-After"))
			if a.status != http.StatusTooManyRequests || err != nil || wait < 1 {
				t.Errorf("one more: %v, Retry-After %q", a, a.header.Get("Retry-After"))
			}
			says(t, door, a, r.key, status(429), strconv.Itoa(most))
			if res := call(theirs, "X-Api-Key", other).result(t); !res.Successful {
				t.Errorf("another key: %+v", res)
			}
			if a := r.send(http.MethodGet, "/readyz", ""); a.status != http.StatusOK {
				t.Errorf("health: %v", a)
			}
			r.Site().ClearFaults()
			wg.Wait()
			if res := call(id).result(t); !res.Successful {
				t.Errorf("afterwards: %+v", res)
			}
		})
	}
}

// Open streams are bounded, and one that ends makes room.
func TestOpenStreams(t *testing.T) {
	t.Parallel()
	const all = 4 // half of them for one key
	r := testApp(t, func(o *app.Options) { o.Config.MaxStreams, o.Config.Sandbox = all, false })
	id := r.session("ann", "")
	_, other := r.secondProject()
	theirs := r.session("ann", "", "X-Api-Key", other)
	open := func(session string, header ...string) (*http.Response, bool) {
		res, err := r.openStream(session, header...)
		must(t, err)
		if res.StatusCode == http.StatusOK {
			return res, true
		}
		if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("one stream too many: %d %v", res.StatusCode, res.Header)
		}
		_ = res.Body.Close()
		return nil, false
	}
	var mine []*http.Response
	for range all / 2 {
		res, ok := open(id)
		if !ok {
			t.Fatal("too few streams")
		}
		mine = append(mine, res)
	}
	if _, ok := open(id); ok {
		t.Error("one key has more than half of all streams")
	}
	for range all / 2 {
		if _, ok := open(theirs, "X-Api-Key", other); !ok {
			t.Error("another key has no stream")
		}
	}
	if _, ok := open(theirs, "X-Api-Key", other); ok {
		t.Error("more streams than there are")
	}
	must(t, mine[0].Body.Close())
	eventually(t, 5*time.Second, "room", func() bool { _, ok := open(id); return ok })
	if strings.Contains(r.logs.String(), "panic") {
		t.Error("a panic")
	}
}
