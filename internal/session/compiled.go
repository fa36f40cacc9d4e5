package session

import (
	"container/list"
	"sync"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
)

// maxCompiled bounds how many sessions' rules and tool sets are kept.
const maxCompiled = 4096

// version names one state of a session's configuration. It never changes, so
// what is made of it can be kept; which version is current is read from the
// store with each request.
type version struct {
	id     string
	number int
}

// entry is what is made of a version.
type entry struct {
	key   version
	rules *policy.Rules

	once sync.Once
	set  *ToolSet
}

// compiled keeps the entries used last.
type compiled struct {
	max int
	mu  sync.Mutex
	at  map[version]*list.Element
	lru *list.List // of *entry, newest first
}

func newCompiled(maxEntries int) *compiled {
	return &compiled{max: maxEntries, at: map[version]*list.Element{}, lru: list.New()}
}

// get gives the entry of the session's version, made if need be.
func (c *compiled) get(s *domain.Session) *entry {
	key := version{s.ID, s.Version}
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.at[key]; ok {
		c.lru.MoveToFront(el)
		return el.Value.(*entry)
	}
	e := &entry{key: key, rules: policy.Compile(s.Config)}
	c.at[key] = c.lru.PushFront(e)
	if c.lru.Len() > c.max {
		oldest := c.lru.Remove(c.lru.Back()).(*entry)
		delete(c.at, oldest.key)
	}
	return e
}
