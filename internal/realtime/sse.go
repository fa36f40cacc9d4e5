package realtime

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/store"
)

// ServeEvents tells the events of the caller's project until the caller goes, the key is
// revoked or the server stops. An error means that nothing was written.
//
// Each event is a message with its place as id. A message that is no event has a
// name: "gap", when what lies between the place to begin at and the oldest event
// is kept no more. A line with an id alone says how far the stream is.
func (s *Server) ServeEvents(w http.ResponseWriter, r *http.Request, q event.Stream) (err error) {
	after, err := parsePlace(q.After)
	if err != nil {
		return err
	}
	ctx, leave, err := s.enter(r.Context(), q.Principal)
	if err != nil {
		return err
	}
	defer leave()
	defer func() {
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = domain.AsError(cause) // the reason of the reason
		}
	}()
	project := q.Principal.ProjectID
	watcher, head, stop, err := s.watch(ctx, project)
	if err != nil {
		return err
	}
	defer stop()
	if after > head {
		return domain.Invalid("Last-Event-ID", "Last-Event-ID: this stream has not come that far").
			WithFix("Begin without it, or with 0 for the oldest event that is kept.")
	}
	t := &teller{server: s, out: &sse{w: w, control: http.NewResponseController(w), most: s.opts.WriteTime}, q: q, head: head, place: head}
	missed := int64(0)
	if after >= 0 {
		t.place = after
		if missed, err = s.missed(ctx, project, after, head); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return domain.AsError(context.Cause(ctx))
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if missed > 0 {
		t.place += missed
		t.out.write(fmt.Appendf(nil, "event: gap\nid: %d\ndata: {\"missed\":%d}\n\n", t.place, missed))
	} else {
		t.out.write(fmt.Appendf(nil, "retry: 1000\nid: %d\n\n", t.place))
	}
	t.follow(ctx, watcher, s.opts.KeepAlive)
	return nil
}

// parsePlace reads where to begin; -1 is from now on.
func parsePlace(text string) (int64, error) {
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, domain.Invalid("Last-Event-ID", "Last-Event-ID: expected the id of an event of this stream, a number").
			WithFix("Begin without it, or with 0 for the oldest event that is kept.")
	}
	return n, nil
}

// missed says how many places behind after hold nothing any more. Places have no
// holes but those that pruning leaves, and it takes the oldest.
func (s *Server) missed(ctx context.Context, project string, after, head int64) (int64, error) {
	if after == 0 || after == head {
		return 0, nil
	}
	next, err := s.opts.Events.After(ctx, project, store.FeedFilter{}, after, head, 1)
	switch {
	case err != nil:
		return 0, err
	case len(next) == 0:
		return head - after, nil
	}
	return next[0].Seq - after - 1, nil
}

// teller reads on for one stream.
type teller struct {
	server      *Server
	out         *sse
	q           event.Stream
	head, place int64
}

// follow tells what is there, then what comes.
func (t *teller) follow(ctx context.Context, w *watcher, keepAlive time.Duration) {
	beat := time.NewTimer(keepAlive)
	defer beat.Stop()
	for {
		if err := t.catchUp(ctx); err != nil {
			if ctx.Err() == nil && t.out.err == nil {
				t.server.log.WarnContext(ctx, "a stream of events broke off; its reader comes again", "error", err)
			}
			return
		}
		if t.q.Once {
			t.out.write(fmt.Appendf(nil, "id: %d\n\n", t.place))
			return
		}
		beat.Reset(keepAlive)
		select {
		case <-ctx.Done():
			return
		case t.head = <-w.news:
		case <-beat.C:
			t.out.write(fmt.Appendf(nil, ": alive\nid: %d\n\n", t.place))
		}
		if t.out.err != nil {
			return
		}
	}
}

// catchUp tells the events up to the head.
func (t *teller) catchUp(ctx context.Context) error {
	for t.place < t.head {
		events, err := t.server.opts.Events.After(ctx, t.q.Principal.ProjectID, t.q.Filter, t.place, t.head, batch)
		if err != nil {
			return err
		}
		for i := range events {
			data, err := t.q.Write(&events[i])
			if err != nil {
				return err
			}
			t.place = events[i].Seq
			if ctx.Err() != nil {
				return ctx.Err() // what is told after the end of a key would be told to nobody's
			}
			t.out.write(fmt.Appendf(nil, "id: %d\ndata: %s\n\n", t.place, bytes.ReplaceAll(data, []byte("\n"), []byte(" "))))
			if t.out.err != nil {
				return t.out.err
			}
		}
		if len(events) < batch {
			t.place = t.head
		}
	}
	return nil
}

// sse writes to a connection. After an error it writes no more.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
	most    time.Duration
	err     error
}

func (o *sse) write(p []byte) {
	if o.err != nil {
		return
	}
	_ = o.control.SetReadDeadline(time.Time{}) // the request's own time does not count
	_ = o.control.SetWriteDeadline(time.Now().Add(o.most))
	if _, o.err = o.w.Write(p); o.err == nil {
		o.err = o.control.Flush()
	}
	_ = o.control.SetWriteDeadline(time.Time{})
}
