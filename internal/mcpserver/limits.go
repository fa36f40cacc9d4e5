package mcpserver

import "sync"

// limits counts what each key has open.
type limits struct {
	calls, streams, all int // the most at a time: per key, per key, in all

	mu         sync.Mutex
	open       map[string]*usage
	allStreams int
}

type usage struct{ calls, streams int }

// startCall takes a place for a request of the key; ok is false when the key
// has all its places taken.
func (l *limits) startCall(key string) (done func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.of(key)
	if u.calls >= l.calls {
		return nil, false
	}
	u.calls++
	return func() { l.end(key, func(u *usage) { u.calls-- }) }, true
}

// startStream takes a place for an open stream. full says that it was the whole
// server, not the key, that had no place left.
func (l *limits) startStream(key string) (done func(), full, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.allStreams >= l.all {
		return nil, true, false
	}
	u := l.of(key)
	if u.streams >= l.streams {
		return nil, false, false
	}
	u.streams++
	l.allStreams++
	return func() { l.end(key, func(u *usage) { u.streams--; l.allStreams-- }) }, false, true
}

func (l *limits) of(key string) *usage {
	if l.open == nil {
		l.open = map[string]*usage{}
	}
	u := l.open[key]
	if u == nil {
		u = &usage{}
		l.open[key] = u
	}
	return u
}

func (l *limits) end(key string, give func(*usage)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.open[key]
	give(u)
	if *u == (usage{}) {
		delete(l.open, key)
	}
}
