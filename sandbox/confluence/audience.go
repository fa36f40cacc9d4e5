package confluence

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

func viewRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /analytics/content/{id}/views":   countViews(false),
		"GET /analytics/content/{id}/viewers": countViews(true),
	}
}

// viewing counts an account's views of a content within an hour.
type viewing struct {
	hour    time.Time
	account string // "" for somebody who is not signed in
	n       int
	last    time.Time
}

// maxViewings bounds what is kept of a content's views; the oldest go first.
const maxViewings = 10_000

func (a *audience) view(account string, at time.Time) {
	hour := at.Truncate(time.Hour)
	for i := len(a.views) - 1; i >= 0 && !a.views[i].hour.Before(hour); i-- {
		if v := &a.views[i]; v.account == account && v.hour.Equal(hour) {
			v.n, v.last = v.n+1, at
			return
		}
	}
	if len(a.views) >= maxViewings {
		a.views = slices.Delete(a.views, 0, 1)
	}
	a.views = append(a.views, viewing{hour: hour, account: account, n: 1, last: at})
}

// View counts that an account looked at a page or blog post in a browser; reading
// through the API does not count. An empty account is somebody who is not signed
// in. False when there is no such content or account.
func (s *Sandbox) View(contentID, accountID string) bool {
	s.mu.Lock()
	defer s.unlock()
	x := s.st.byRef(contentID)
	if x == nil || accountID != "" && s.st.users[accountID] == nil {
		return false
	}
	x.audience.view(accountID, s.now())
	return true
}

type v1Views struct {
	ID    int64 `json:"id"`
	Count int   `json:"count"`
}

func countViews(viewers bool) endpoint {
	return func(c *call) (any, *apiError) {
		var from time.Time
		if raw := c.q.Get("fromDate"); raw != "" {
			var ok bool
			if from, ok = parseMoment(raw); !ok {
				return nil, badRequest("fromDate must be a date or a time in ISO 8601, got '%s'", raw)
			}
		}
		c.rlock()
		x, err := c.contentV1()
		if err != nil {
			return nil, err
		}
		n, seen := 0, map[string]bool{}
		for _, v := range x.audience.views {
			if !v.last.Before(from) {
				n += v.n
				seen[v.account] = true
			}
		}
		if viewers {
			n = len(seen)
		}
		return v1Views{ID: x.id, Count: n}, nil
	}
}

func parseMoment(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.000Z0700", "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// recent gives the contents that an account viewed, the latest first.
func (st *store) recent(account string) []*content {
	last := map[*content]time.Time{}
	for _, x := range st.contents {
		for _, v := range x.audience.views {
			if v.account == account && v.last.After(last[x]) {
				last[x] = v.last
			}
		}
	}
	return slices.SortedFunc(maps.Keys(last), func(a, b *content) int { return cmp.Or(last[b].Compare(last[a]), cmp.Compare(b.id, a.id)) })
}

// recentSpaces gives the keys of the spaces whose contents an account viewed, the
// latest first.
func (st *store) recentSpaces(account string) []string {
	var out []string
	for _, x := range st.recent(account) {
		if sp := st.spaces[x.spaceID]; sp != nil {
			join(&out, sp.key)
		}
	}
	return out
}
