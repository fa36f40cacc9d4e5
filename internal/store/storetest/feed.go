package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

var feedAttempts = []attempt{
	{"PlaceEvents", func(ctx context.Context, q store.Queries, project string, _ tenant) error {
		_, err := q.PlaceEvents(ctx, project, 10) // what it did shows in the dump
		return unlessGone(err)
	}, ""},
	{"EventsAfter", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.EventsAfter(ctx, project, store.FeedFilter{}, 0, 1<<40, 100)
		return leak(err, got, func(e domain.Event) bool { return e.ProjectID == v.project.ID })
	}, ""},
	{"KeepProjectSecret", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.KeepProjectSecret(ctx, project, "own", []byte("sealed for another"))
		if err == nil && string(got) == "sealed for "+v.name() {
			err = fmt.Errorf("another project has the secret %q", got)
		}
		return unlessGone(err)
	}, ""},
	{"ProjectSecret", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ProjectSecret(ctx, project, "own")
		if err == nil && string(got) == "sealed for "+v.name() {
			err = fmt.Errorf("another project has the secret %q", got)
		}
		return unlessGone(err)
	}, ""},
}

func (n tenant) name() string { return strings.TrimPrefix(n.project.ID, "pr_") }

// unlessGone passes over the refusal of a project that there is not.
func unlessGone(err error) error {
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil
	}
	return err
}

func testFeed(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	place := func(limit int) (n int) {
		t.Helper()
		ok(t, s.InTx(ctx, func(tx store.Tx) (err error) {
			n, err = tx.PlaceEvents(ctx, project, limit)
			return err
		}))
		return n
	}
	after := func(f store.FeedFilter, from, upto int64, limit int) string {
		t.Helper()
		got := must(s.EventsAfter(ctx, project, f, from, upto, limit))(t)
		return ids(got, func(e domain.Event) string { return fmt.Sprintf("%d:%s", e.Seq, e.ID) })
	}
	for i, id := range []string{"evt_1", "evt_2", "evt_3"} {
		e := told(project, id, 10-i) // the last is the oldest
		e.Trigger, e.UserID = "T"+id, "user "+id
		must(s.AddEvent(ctx, e))(t)
	}
	if un := must(s.UnplacedEvents(ctx, 10))(t); !slices.Contains(un, project) || len(un) != 1 {
		t.Errorf("unplaced: %v", un)
	}
	if got := after(store.FeedFilter{}, 1, 100, 10); got != "" {
		t.Errorf("before they have places: %s", got)
	}
	if a, b, c := place(2), place(2), place(2); a != 2 || b != 1 || c != 0 {
		t.Errorf("placed %d, %d, %d", a, b, c)
	}
	same(t, map[string]int64{project: 4, w.b.project.ID: 1}, must(s.EventHeads(ctx, []string{project, w.b.project.ID, "pr_none"}))(t))
	same(t, map[string]int64{}, must(s.EventHeads(ctx, nil))(t))
	const all = "1:evt_told_a 2:evt_3 3:evt_2 4:evt_1"
	for _, tt := range []struct {
		f          store.FeedFilter
		from, upto int64
		limit      int
		want       string
	}{
		{store.FeedFilter{}, 0, 100, 10, all},
		{store.FeedFilter{}, 1, 3, 10, "2:evt_3 3:evt_2"},
		{store.FeedFilter{}, 1, 4, 1, "2:evt_3"},
		{store.FeedFilter{}, 4, 100, 10, ""},
		{store.FeedFilter{Triggers: []string{"Tevt_1", "Tevt_3"}}, 0, 4, 10, "2:evt_3 4:evt_1"},
		{store.FeedFilter{UserIDs: []string{"user evt_2"}}, 0, 4, 10, "3:evt_2"},
		{store.FeedFilter{Sources: []string{"ti_1"}, AccountIDs: []string{"ca_1"}, Types: []domain.EventType{domain.EventTriggerMessage}}, 0, 4, 10, all},
		{store.FeedFilter{Sources: []string{"ti_2"}}, 0, 4, 10, ""},
		{store.FeedFilter{Types: []domain.EventType{domain.EventAccountExpired}}, 0, 4, 10, ""},
	} {
		if got := after(tt.f, tt.from, tt.upto, tt.limit); got != tt.want {
			t.Errorf("%+v from %d to %d, %d at most: %s, want %s", tt.f, tt.from, tt.upto, tt.limit, got, tt.want)
		}
	}
	// A place is not given again when what had it is gone, and an event that was
	// kept with an older time comes behind what has a place.
	must(s.DropEvents(ctx, at(60), 100))(t)
	late := told(project, "evt_late", -500)
	must(s.AddEvent(ctx, late))(t)
	if n := place(10); n != 1 {
		t.Errorf("placed %d", n)
	}
	if got := after(store.FeedFilter{}, 0, 100, 10); got != "5:evt_late" {
		t.Errorf("after pruning: %s", got)
	}
	same(t, int64(5), must(s.Event(ctx, project, "evt_late"))(t).Seq)
}

// testFeedAtOnce has many keep events and many give places: each event gets one,
// there are no holes, and who reads on from a place misses nothing.
func testFeedAtOnce(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	const writers, each = 4, 8
	var read []int64
	var seen []string
	next := func() error {
		heads, err := s.EventHeads(ctx, []string{project})
		if err != nil {
			return err
		}
		from := int64(len(read))
		got, err := s.EventsAfter(ctx, project, store.FeedFilter{}, from, heads[project], 1000)
		for _, e := range got {
			read, seen = append(read, e.Seq), append(seen, e.ID)
		}
		return err
	}
	atOnce(t, writers+2, func(i int) (bool, error) {
		for k := range each {
			var err error
			switch {
			case i < writers:
				err = s.InTx(ctx, func(tx store.Tx) error {
					_, err := tx.AddEvent(ctx, told(project, fmt.Sprintf("evt_%d_%d", i, k), k))
					return err
				})
			case i == writers:
				err = next()
				fallthrough
			default:
				err = errors.Join(err, s.InTx(ctx, func(tx store.Tx) error {
					_, err := tx.PlaceEvents(ctx, project, 3)
					return err
				}))
			}
			if err != nil {
				return false, err
			}
		}
		return true, nil
	})
	ok(t, s.InTx(ctx, func(tx store.Tx) error {
		_, err := tx.PlaceEvents(ctx, project, 1000)
		return err
	}))
	ok(t, next())
	for i, seq := range read {
		if seq != int64(i+1) {
			t.Fatalf("place %d is the %dth that was read", seq, i+1)
		}
	}
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); n != writers*each+1 || len(read) != n {
		t.Errorf("%d events read, %d of them different; want %d", len(read), n, writers*each+1)
	}
}
