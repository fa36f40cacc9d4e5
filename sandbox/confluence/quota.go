package confluence

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// defaultQuota is how many points an app may spend in an hour.
const defaultQuota = 65_000

// meter counts what an app or token spends.
type meter struct {
	hour   time.Time // when the hour began
	spent  int
	second time.Time
	calls  int
}

// admit refuses a call whose app has used up its points, or whose token calls
// too often. Calls at the site host are not limited.
func (c *call) admit() *apiError {
	p := c.from
	if p == nil {
		return nil
	}
	now := c.now()
	c.auth.mu.Lock()
	defer c.auth.mu.Unlock()
	m := c.auth.meter(p.meter, now)
	if sec := now.Truncate(time.Second); !m.second.Equal(sec) {
		m.second, m.calls = sec, 0
	}
	m.calls++
	if c.opts.Burst > 0 && m.calls > c.opts.Burst {
		return c.limited("confluence-burst-based", c.opts.Burst, now.Truncate(time.Second).Add(time.Second), now)
	}
	if p.app != "" && m.spent >= c.opts.Quota {
		return c.limited("confluence-quota-global-based", c.opts.Quota, m.hour.Add(time.Hour), now)
	}
	return nil
}

func (a *authority) meter(name string, now time.Time) *meter {
	m := a.meters[name]
	if m == nil {
		m = &meter{}
		a.meters[name] = m
	}
	if hour := now.Truncate(time.Hour); !m.hour.Equal(hour) {
		m.hour, m.spent = hour, 0
	}
	return m
}

// limited is a 429 with its headers.
func (c *call) limited(reason string, limit int, reset, now time.Time) *apiError {
	c.limitHeaders(reason, limit, reset, now)
	return &apiError{status: http.StatusTooManyRequests, raw: gatewayBody{http.StatusTooManyRequests, "Rate limit exceeded"}, title: "Rate limit exceeded"}
}

func (c *call) limitHeaders(reason string, limit int, reset, now time.Time) {
	h := c.w.Header()
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(reset.Sub(now).Seconds()))))
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", "0")
	h.Set("X-RateLimit-Reset", reset.Format(time.RFC3339))
	h.Set("RateLimit-Reason", reason)
}

// counted is an answer that holds several objects.
type counted interface{ objects() int }

func (l v2List[T]) objects() int      { return len(l.Results) }
func (l v1List[T]) objects() int      { return len(l.Results) }
func (l v1SearchPage) objects() int   { return len(l.Results) }
func (l v1LabelArray) objects() int   { return len(l.Results) }
func (l v1Restrictions) objects() int { return len(l.Results) }

// points is what a call costs: a write one; a read one and one for each object,
// two for each that tells of people or permissions.
func (c *call) points(out any) int {
	if c.r.Method != http.MethodGet {
		return 1
	}
	n := 1
	if l, ok := out.(counted); ok {
		n = l.objects()
	}
	for _, part := range []string{"/user", "/group", "permission", "/restriction", "/operations", "/space-roles", "role-assignments"} {
		if strings.Contains(c.r.URL.Path, part) {
			return 1 + 2*n
		}
	}
	return 1 + n
}

// charge takes the points of an answered call and tells what is left.
func (c *call) charge(out any) {
	p := c.from
	if p == nil || p.app == "" {
		return
	}
	now := c.now()
	c.auth.mu.Lock()
	defer c.auth.mu.Unlock()
	m := c.auth.meter(p.meter, now)
	m.spent += c.points(out)
	left, reset := max(0, c.opts.Quota-m.spent), m.hour.Add(time.Hour)
	h := c.w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(c.opts.Quota))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(left))
	h.Set("X-RateLimit-Reset", reset.Format(time.RFC3339))
	h.Set("X-RateLimit-NearLimit", strconv.FormatBool(left < c.opts.Quota/5))
	h.Set("Beta-RateLimit-Policy", fmt.Sprintf(`"global-app-quota";q=%d;w=3600`, c.opts.Quota))
	h.Set("Beta-RateLimit", fmt.Sprintf(`"global-app-quota";r=%d;t=%d`, left, int(math.Ceil(reset.Sub(now).Seconds()))))
}

// Throttle answers the next n calls below a path with 429 and the headers of a
// used-up quota, asking to come back after a time. An empty path means all.
func (s *Sandbox) Throttle(n int, path string, after time.Duration) {
	h := http.Header{}
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.opts.Quota))
	h.Set("X-RateLimit-Remaining", "0")
	h.Set("X-RateLimit-Reset", s.now().Add(after).Format(time.RFC3339))
	h.Set("RateLimit-Reason", "confluence-quota-global-based")
	s.Fail(Fault{Path: path, Times: n, Status: http.StatusTooManyRequests, RetryAfter: after, Header: h, Type: "application/json", Body: `{"code":429,"message":"Rate limit exceeded"}`})
}

// RefuseTokens answers the next n requests for a token with a grant_type ("" = any)
// with 403 and an OAuth error, as the cloud does with a dead refresh token:
// "unauthorized_client" (what a revoked one gets) or "invalid_grant". The tokens
// themselves stay good.
func (s *Sandbox) RefuseTokens(n int, grantType, oauthCode string) {
	text := map[string]string{"invalid_grant": "Unknown or invalid refresh token.", "unauthorized_client": "refresh_token is invalid"}[oauthCode]
	body, _ := json.Marshal(oauthError{oauthCode, text}) // strings always encode
	s.Fail(Fault{Method: http.MethodPost, Path: "/oauth/token", Grant: grantType, Times: n, Status: http.StatusForbidden, Type: "application/json", Body: string(body)})
}
