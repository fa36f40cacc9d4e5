package realtime_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/realtime"
)

func statusOf(err error) int {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// A stream tells what its project hears of from its beginning on, in order, and
// nothing of another's.
func TestStream(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		n := start(t, where)
		mine, _ := n.key("pr_a")
		other, _ := n.key("pr_b")
		n.publish("pr_a", "before")
		l, o := listen(t, n.client(mine), client.ListenQuery{}), listen(t, n.client(other), client.ListenQuery{})
		l.connected()
		o.connected()
		n.publish("pr_a", "1", "2")
		n.publish("pr_b", "theirs")
		n.publish("pr_a", "3")
		e := l.want("1", "2", "3")
		o.want("theirs")
		if e.Cursor != "4" {
			t.Errorf("the cursor of the fourth event is %s", e.Cursor)
		}
		// Whoever comes again begins where they were, however long ago.
		l.stop()
		if err := l.end(); err != nil {
			t.Errorf("a stream that its reader ended ends with %v", err)
		}
		var many []string
		for i := range 40 {
			many = append(many, fmt.Sprint("later ", i))
		}
		n.publish("pr_a", many...)
		listen(t, n.client(mine), client.ListenQuery{After: e.Cursor}).want(many...)
		listen(t, n.client(mine), client.ListenQuery{After: client.FromOldest}).want(append([]string{"before", "1", "2", "3"}, many...)...)
	})
}

// Each replica tells what any of them has kept: nothing is missed over the death
// of one, and nothing told twice.
func TestStreamOfReplicas(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		one := start(t, where)
		key, _ := one.key("pr_a")
		two := start(t, where)
		const writers, each = 3, 10
		l := listen(t, two.client(key), client.ListenQuery{})
		l.connected()
		go func() { // the connection breaks again and again
			for range 5 {
				two.server.CloseClientConnections()
				select {
				case <-t.Context().Done():
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		}()
		failed := make(chan error, writers)
		for w := range writers {
			go func() {
				var err error
				for i := range each {
					err = errors.Join(err, []*node{one, two}[w%2].keep(message("pr_a", fmt.Sprintf("%d/%d", w, i))))
				}
				failed <- err
			}()
		}
		for range writers {
			must(t, <-failed)
		}
		seen := map[string]int{}
		var last string
		for range writers * each {
			select {
			case e := <-l.events:
				seen[keyOf(e)]++
				last = e.Cursor
			case err := <-l.ended:
				t.Fatalf("the stream ended: %v", err)
			case <-time.After(patience):
				t.Fatalf("only %d of %d events came", len(seen), writers*each)
			}
		}
		if len(seen) != writers*each || last != fmt.Sprint(writers*each) {
			t.Errorf("%d different events of %d came, the last at %s", len(seen), writers*each, last)
		}
	})
}

// A revoked key's stream ends, whichever process revoked it, and is not opened
// again.
func TestRevokedKey(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		one, two := start(t, where), start(t, where)
		key, id := one.key("pr_a")
		l := listen(t, two.client(key), client.ListenQuery{})
		l.connected()
		must(t, one.ids.Revoke(t.Context(), "pr_a", id))
		if err := l.end(); statusOf(err) != http.StatusUnauthorized {
			t.Errorf("it ended with %v, want status 401", err)
		}
	})
}

// Filters narrow a stream, and do not hold it back: it goes on from where the
// others are.
func TestFilter(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		n := start(t, where)
		key, _ := n.key("pr_a")
		n.publish("pr_a", "1", "2")
		e := message("pr_a", "else")
		e.Trigger = "ELSE"
		must(t, n.keep(e))
		n.publish("pr_a", "3")
		l := listen(t, n.client(key), client.ListenQuery{After: client.FromOldest, Triggers: []string{"ELSE"}})
		if got := l.want("else").Cursor; got != "3" {
			t.Errorf("its place is %s", got)
		}
	})
}

// What was pruned is told as a gap.
func TestGap(t *testing.T) {
	onBoth(t, func(t *testing.T, where place) {
		n := start(t, where)
		key, _ := n.key("pr_a")
		n.publish("pr_a", "1", "2", "3", "4")
		first := listen(t, n.client(key), client.ListenQuery{After: client.FromOldest})
		cursor := first.want("1").Cursor
		first.want("2", "3", "4")
		_, err := n.db.DropEvents(t.Context(), time.Now().Add(time.Hour), 3)
		must(t, err)
		l := listen(t, n.client(key), client.ListenQuery{After: cursor})
		l.want("4")
		for {
			if note := <-l.notes; note.Missed != 0 {
				if note.Missed != 2 {
					t.Errorf("%d are told to be missed, want 2", note.Missed)
				}
				break
			}
		}
		_, err = n.db.DropEvents(t.Context(), time.Now().Add(time.Hour), 3)
		must(t, err)
		l = listen(t, n.client(key), client.ListenQuery{After: cursor})
		l.connected()
		if note := <-l.notes; note.Missed != 3 {
			t.Errorf("%d are told to be missed, want 3", note.Missed)
		}
		n.publish("pr_a", "5")
		l.want("5")
	})
}

// Cursors that are none, or of another database, are refused.
func TestWrongCursor(t *testing.T) {
	t.Parallel()
	n := start(t, onSQLite(t))
	key, _ := n.key("pr_a")
	for _, cursor := range []string{"1", "x", "-1", "1e3", "99999999999999999999"} {
		if err := listen(t, n.client(key), client.ListenQuery{After: cursor}).end(); statusOf(err) != http.StatusBadRequest {
			t.Errorf("%q: %v", cursor, err)
		}
	}
	if err := listen(t, n.client("ak_wrong"), client.ListenQuery{}).end(); statusOf(err) != http.StatusUnauthorized {
		t.Errorf("a wrong key: %v", err)
	}
}

// A key has so many streams, and the server.
func TestBounds(t *testing.T) {
	t.Parallel()
	n := start(t, onSQLite(t), func(o *realtime.Options) { o.MaxStreams, o.MaxAllStreams = 2, 3 })
	one, _ := n.key("pr_a")
	two, _ := n.key("pr_a")
	var open []*listening
	for _, key := range []string{one, one, two} {
		l := listen(t, n.client(key), client.ListenQuery{})
		l.connected()
		open = append(open, l)
	}
	if err := listen(t, n.client(two), client.ListenQuery{}).end(); statusOf(err) != http.StatusServiceUnavailable {
		t.Errorf("a fourth of three: %v", err)
	}
	open[2].stop()
	// Its place is free when the server has noticed that it went.
	for begun := time.Now(); ; {
		l := listen(t, n.client(one), client.ListenQuery{})
		if err := l.end(); statusOf(err) == http.StatusTooManyRequests {
			break
		} else if time.Since(begun) > patience {
			t.Fatalf("a third of two: %v", err)
		}
	}
	l := listen(t, n.client(two), client.ListenQuery{})
	l.connected()
}

// A reader who does not read is cut, and holds up nobody.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 10)
	n := start(t, onSQLite(t), func(o *realtime.Options) {
		o.WriteTime = 300 * time.Millisecond
		o.Opened = func() func() { return func() { gone <- struct{}{} } }
	})
	key, _ := n.key("pr_a")
	conn, err := net.Dial("tcp", n.server.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	must(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\n\r\n", key)
	must(t, err)
	status, err := bufio.NewReader(conn).ReadString('\n') // and never again
	must(t, err)
	if !strings.Contains(status, "200") {
		t.Fatal(status)
	}
	l := listen(t, n.client(key), client.ListenQuery{})
	l.connected()
	var keys []string
	for i := range 40 {
		k := fmt.Sprint(i, strings.Repeat("x", 200<<10))
		keys = append(keys, k)
		must(t, n.keep(message("pr_a", fmt.Sprint(i))))
		e := message("pr_a", "big"+fmt.Sprint(i))
		e.Payload = []byte(`{"key":"` + k + `"}`)
		must(t, n.keep(e))
	}
	for i := range keys {
		l.want(fmt.Sprint(i), keys[i])
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the slow reader is not cut")
	}
	n.publish("pr_a", "after")
	l.want("after")
}

// A silent stream shows life, and a server that stops ends it and takes no more.
func TestKeepAliveAndDrain(t *testing.T) {
	t.Parallel()
	n := start(t, onSQLite(t), func(o *realtime.Options) { o.KeepAlive = 10 * time.Millisecond })
	key, _ := n.key("pr_a")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.server.URL, nil)
	must(t, err)
	req.Header.Set("X-Api-Key", key)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for alive := 0; alive < 3 && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), ": alive") {
			alive++
		}
	}
	n.live.Drain()
	for lines.Scan() {
	}
	again, err := http.DefaultClient.Do(req.Clone(t.Context()))
	must(t, err)
	again.Body.Close()
	if again.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a stream during the stop: %d", again.StatusCode)
	}
	if _, err := realtime.New(realtime.Options{}); err == nil {
		t.Error("a server without what it needs")
	}
	if err := n.live.Start(t.Context()); domain.CodeOf(err) != domain.CodeInternal {
		t.Errorf("a second start: %v", err)
	}
}
