package session

import (
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
)

func TestCompiledIsBounded(t *testing.T) {
	t.Parallel()
	c := newCompiled(2)
	at := func(id string, version int) *entry { return c.get(&domain.Session{ID: id, Version: version}) }
	a, b := at("a", 1), at("b", 1)
	if at("a", 1) != a || at("b", 1) != b {
		t.Error("what was just used is made again")
	}
	if at("a", 2) == a {
		t.Error("a new version has the rules of the old one")
	}
	if c.lru.Len() != 2 || len(c.at) != 2 {
		t.Errorf("%d entries, %d keys", c.lru.Len(), len(c.at))
	}
	if at("b", 1) != b || at("a", 1) == a {
		t.Error("not the least recently used one was dropped")
	}
}
