package storetest

import (
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testLinks(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, l := w.a.project.ID, w.a.link
	same(t, l, must(s.LinkByHash(ctx, l.TokenHash))(t))
	_, err := s.LinkByHash(ctx, hash("unknown"))
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreateLink(ctx, l), domain.CodeConflict)
	lost := l
	lost.TokenHash, lost.AccountID = hash("lost"), "ca_none"
	wantCode(t, s.CreateLink(ctx, lost), domain.CodeNotFound)
	lost.AccountID = w.b.account.ID // of the other project
	wantCode(t, s.CreateLink(ctx, lost), domain.CodeNotFound)

	for _, tc := range []struct {
		name string
		hash [32]byte
		at   time.Time
		want bool
	}{
		{"unknown", hash("unknown"), at(1), false},
		{"expired", l.TokenHash, at(11), false},
		{"at the end", l.TokenHash, l.ExpiresAt, false},
		{"just before", l.TokenHash, l.ExpiresAt.Add(-time.Microsecond), true},
		{"again", l.TokenHash, at(2), false},
	} {
		if got := must(s.UseLink(ctx, project, tc.hash, tc.at))(t); got != tc.want {
			t.Errorf("%s: got %v", tc.name, got)
		}
	}
	l.UsedAt = l.ExpiresAt.Add(-time.Microsecond)
	same(t, l, must(s.LinkByHash(ctx, l.TokenHash))(t))
	// Without a time the link would stay unused: that must not pass for success.
	_, err = s.UseLink(ctx, w.b.project.ID, w.b.link.TokenHash, time.Time{})
	wantCode(t, err, domain.CodeInvalid)
}

func testLinkRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	wonOnce(t, "the link was used", func(int) (bool, error) {
		return s.UseLink(t.Context(), w.a.project.ID, w.a.link.TokenHash, at(1))
	})
}

func testBindLink(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, l := w.a.project.ID, w.a.link
	if must(s.BindLink(ctx, project, hash("unknown"), hash("browser")))(t) {
		t.Error("bound an unknown link")
	}
	won := 0
	for i, bound := range atOnce(t, 16, func(i int) (bool, error) {
		return s.BindLink(t.Context(), project, l.TokenHash, hash(string(rune('a'+i))))
	}) {
		if bound {
			won++
			l.BrowserHash = hash(string(rune('a' + i)))
		}
	}
	if won != 1 {
		t.Fatalf("the link was bound to %d browsers", won)
	}
	same(t, l, must(s.LinkByHash(ctx, l.TokenHash))(t))
	if !must(s.BindLink(ctx, project, l.TokenHash, l.BrowserHash))(t) {
		t.Error("refused the browser that it is bound to")
	}
	if must(s.BindLink(ctx, project, l.TokenHash, hash("other")))(t) {
		t.Error("bound to another browser")
	}
	_, err := s.BindLink(ctx, project, l.TokenHash, [32]byte{})
	wantCode(t, err, domain.CodeInvalid)
}

func testBrandings(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	same(t, domain.Branding{}, must(s.Branding(ctx, w.a.project.ID))(t))
	for _, b := range []domain.Branding{{Name: "Acme", Logo: "https://acme.example/l.png", Color: "#112233"}, {Name: "Acme 2"}, {}} {
		ok(t, s.PutBranding(ctx, w.a.project.ID, b))
		same(t, b, must(s.Branding(ctx, w.a.project.ID))(t))
	}
	same(t, domain.Branding{}, must(s.Branding(ctx, w.b.project.ID))(t))
	wantCode(t, s.PutBranding(ctx, "pr_none", domain.Branding{Name: "x"}), domain.CodeNotFound)
}

// Of an account's links those that are unused are void at once; others' stay.
func testVoidLinks(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, l := w.a.project.ID, w.a.link
	used := l
	used.TokenHash, used.UsedAt = hash("used"), at(1)
	ok(t, s.CreateLink(ctx, used))
	more := l
	more.TokenHash = hash("more")
	ok(t, s.CreateLink(ctx, more))
	same(t, 2, must(s.VoidLinks(ctx, project, l.AccountID, at(2)))(t))
	same(t, 0, must(s.VoidLinks(ctx, project, l.AccountID, at(3)))(t))
	for _, hash := range [][32]byte{l.TokenHash, more.TokenHash} {
		same(t, at(2), must(s.LinkByHash(ctx, hash))(t).UsedAt)
		if must(s.UseLink(ctx, project, hash, at(4)))(t) {
			t.Error("a void link was used")
		}
	}
	same(t, at(1), must(s.LinkByHash(ctx, used.TokenHash))(t).UsedAt)
	same(t, w.b.link, must(s.LinkByHash(ctx, w.b.link.TokenHash))(t))
	_, err := s.VoidLinks(ctx, project, l.AccountID, time.Time{})
	wantCode(t, err, domain.CodeInvalid)
}
