package policy

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// Over is the cause of the error of a call that a limit refused.
type Over struct{ Verdict Verdict }

func (o *Over) Error() string { return "policy: over the rate of its " + o.Verdict.Limit.kind }

// Err is the error of a refused call: which limit, how much it is, how long to
// wait. whose names the one that is limited ("this API key"), what its calls.
func (v Verdict) Err(whose, what string) *domain.Error {
	wait := Seconds(v.Wait)
	e := domain.Errorf(domain.CodeRateLimited, "%s has made as many %s as it may: %s", whose, what, v.Limit.rate).
		WithFix("Wait %d s and send it again; nothing was run.", wait).WithCause(&Over{Verdict: v})
	e.RetryAfter = v.Wait
	return e
}

// String says the rate for people: "20 in 1m".
func (r Rate) String() string { return fmt.Sprintf("%d in %s", r.Burst, span(r.Window)) }

// span is a duration without the zeros that its own String has.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Seconds are whole ones, rounded up: who waits as long is not too early.
func Seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// headerText is what of the headers is the same for every call.
type headerText struct{ item, policy, burst, window string }

func headerTextOf(kind string, r Rate) headerText {
	return headerText{
		item:   `"` + kind + `"`,
		policy: fmt.Sprintf(`"%s";q=%d;w=%d`, kind, r.Burst, Seconds(r.Window)),
		burst:  strconv.Itoa(r.Burst),
		window: strconv.Itoa(Seconds(r.Window)) + "s",
	}
}

// The headers by which a client learns of limits, as net/http spells them. The
// first two are of draft-ietf-httpapi-ratelimit-headers, and list every limit that
// had a say; the next three are what most clients know; the last two are the
// contract's own.
const (
	headerRateLimit = "Ratelimit"
	headerPolicy    = "Ratelimit-Policy"
	headerLimit     = "X-Ratelimit-Limit"
	headerRemaining = "X-Ratelimit-Remaining"
	headerReset     = "X-Ratelimit-Reset"
	headerTotal     = "X-Ratelimit"
	headerWindow    = "X-Ratelimit-Window-Size"
)

// RateHeaders names all of them, for browsers.
const RateHeaders = "RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit, X-RateLimit-Window-Size"

// Tell adds the limit to the headers that list all, and puts it into those that
// hold one. Times are seconds from now, rounded up, until the bucket is full.
func (v Verdict) Tell(h http.Header) {
	if v.Limit == nil {
		return
	}
	t := &v.Limit.text
	left, reset := strconv.Itoa(v.Remaining), strconv.Itoa(Seconds(v.Reset))
	h[headerPolicy] = append(h[headerPolicy], t.policy)
	h[headerRateLimit] = append(h[headerRateLimit], t.item+";r="+left+";t="+reset)
	one := [...]string{t.burst, left, reset, t.burst, t.window}
	for i, name := range [...]string{headerLimit, headerRemaining, headerReset, headerTotal, headerWindow} {
		h[name] = one[i : i+1 : i+1]
	}
}
