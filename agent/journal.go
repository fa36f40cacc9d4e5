package agent

import (
	"context"
	"fmt"
	"sync"
)

// Pending is an event that was taken and is not settled.
type Pending struct {
	Event TriggerEvent
	// Tries began so far; Failure is how the last one that failed did.
	Tries   int
	Failure string
	// History is the conversation that the tries left.
	History History
}

// Journal keeps which events were taken and what became of them. What a method
// noted when it returns nil is still known after a crash, as far as the journal is
// durable. It is safe for concurrent use, and belongs to one [On] at a time.
type Journal interface {
	// Cursor is the place of the event that was taken last, or that Pass noted since.
	Cursor(ctx context.Context) (string, error)
	// Pass notes that the source came to a place without an event.
	Pass(ctx context.Context, cursor string) error
	// Pending gives what was taken and not settled, the oldest first.
	Pending(ctx context.Context) ([]Pending, error)
	// Take notes an event; it reports false where the event's id is known.
	Take(ctx context.Context, e TriggerEvent) (bool, error)
	// Begin counts a try, before it is made.
	Begin(ctx context.Context, id string) error
	// Keep keeps the conversation of a try.
	Keep(ctx context.Context, id string, h History) error
	// Failed notes why a try failed, Release that one was cut off and does not count.
	Failed(ctx context.Context, id string, failure error) error
	Release(ctx context.Context, id string) error
	// Settle ends an event: it was handled, or given up with the failure. Its id
	// stays known.
	Settle(ctx context.Context, id string, failure error) error
}

// maxKnown is how many ids of settled events are known, the latest.
const maxKnown = 20_000

// ledger is the state of a journal. Its owner locks it.
type ledger struct {
	cursor  string
	pending map[string]*Pending
	order   []string // ids of pending, as they were taken
	settled map[string]bool
	done    []string // ids of settled, as they were
}

func newLedger() *ledger {
	return &ledger{pending: map[string]*Pending{}, settled: map[string]bool{}}
}

func (l *ledger) knows(id string) bool { return l.settled[id] || l.pending[id] != nil }

func (l *ledger) take(e TriggerEvent) bool {
	if e.Cursor != "" {
		l.cursor = e.Cursor
	}
	if l.knows(e.ID) {
		return false
	}
	l.pending[e.ID] = &Pending{Event: e}
	l.order = append(l.order, e.ID)
	return true
}

// of gives a pending event.
func (l *ledger) of(id string) (*Pending, error) {
	p := l.pending[id]
	if p == nil {
		return nil, fmt.Errorf("agent: event %q is not pending", id)
	}
	return p, nil
}

func (l *ledger) settle(id string) {
	delete(l.pending, id)
	for i, one := range l.order {
		if one == id {
			l.order = append(l.order[:i:i], l.order[i+1:]...)
			break
		}
	}
	l.know(id)
}

func (l *ledger) know(id string) {
	if l.settled[id] {
		return
	}
	l.settled[id] = true
	l.done = append(l.done, id)
	if len(l.done) > maxKnown {
		delete(l.settled, l.done[0])
		l.done = l.done[1:]
	}
}

func (l *ledger) list() []Pending {
	out := make([]Pending, 0, len(l.order))
	for _, id := range l.order {
		p := *l.pending[id]
		p.History = p.History.Clone()
		out = append(out, p)
	}
	return out
}

// MemoryJournal is a [Journal] that ends with the process.
type MemoryJournal struct {
	mu sync.Mutex
	l  *ledger
}

// NewMemoryJournal gives an empty journal. It knows the ids of the last 20,000
// events.
func NewMemoryJournal() *MemoryJournal { return &MemoryJournal{l: newLedger()} }

// Cursor implements [Journal].
func (m *MemoryJournal) Cursor(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.l.cursor, nil
}

// Pass implements [Journal].
func (m *MemoryJournal) Pass(_ context.Context, cursor string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.l.cursor = cursor
	return nil
}

// Pending implements [Journal].
func (m *MemoryJournal) Pending(context.Context) ([]Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.l.list(), nil
}

// Take implements [Journal].
func (m *MemoryJournal) Take(_ context.Context, e TriggerEvent) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.l.take(e), nil
}

// change does f with a pending event.
func (m *MemoryJournal) change(id string, f func(p *Pending)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.l.of(id)
	if err == nil {
		f(p)
	}
	return err
}

// Begin implements [Journal].
func (m *MemoryJournal) Begin(_ context.Context, id string) error {
	return m.change(id, func(p *Pending) { p.Tries++ })
}

// Keep implements [Journal].
func (m *MemoryJournal) Keep(_ context.Context, id string, h History) error {
	return m.change(id, func(p *Pending) { p.History = h.Clone() })
}

// Failed implements [Journal].
func (m *MemoryJournal) Failed(_ context.Context, id string, failure error) error {
	return m.change(id, func(p *Pending) { p.Failure = failure.Error() })
}

// Release implements [Journal].
func (m *MemoryJournal) Release(_ context.Context, id string) error {
	return m.change(id, func(p *Pending) { p.Tries-- })
}

// Settle implements [Journal].
func (m *MemoryJournal) Settle(_ context.Context, id string, _ error) error {
	return m.change(id, func(*Pending) { m.l.settle(id) })
}
