package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/api"
	"github.com/sluice-run/sluice/internal/policy"
)

// The headers of a limit, to the letter, while the clock stands still.
func TestRateHeaders(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	w := newWorld(t, func(o *api.Options) {
		o.Rate = policy.NewLimiter(policy.LimiterOptions{
			Kind: policy.LimitKey, Rate: policy.Rate{Burst: 2, Window: 3 * time.Second}, Now: func() time.Time { return now },
		})
	})
	for _, tt := range []struct {
		status             int
		later              time.Duration // before it
		left, reset, retry string
		message            string
	}{
		{status: 200, left: "1", reset: "2"},
		{status: 200, left: "0", reset: "3"},
		{status: 429, left: "0", reset: "3", retry: "2", message: "this API key has made as many requests as it may: 2 in 3s"},
		{status: 429, later: 1499 * time.Millisecond, left: "0", reset: "2", retry: "1", message: "this API key"},
		{status: 200, later: time.Millisecond, left: "0", reset: "3"},
	} {
		now = now.Add(tt.later)
		a := w.do("GET", "/api/v3.1/toolkits", nil)
		want := http.Header{
			"Ratelimit": {`"key";r=` + tt.left + `;t=` + tt.reset}, "Ratelimit-Policy": {`"key";q=2;w=3`},
			"X-Ratelimit-Limit": {"2"}, "X-Ratelimit-Remaining": {tt.left}, "X-Ratelimit-Reset": {tt.reset},
			"X-Ratelimit": {"2"}, "X-Ratelimit-Window-Size": {"3s"},
		}
		if tt.retry != "" {
			want["Retry-After"] = []string{tt.retry}
		}
		got := http.Header{}
		for name, values := range a.Header {
			if strings.Contains(name, "atelimit") || strings.Contains(name, "Retry") {
				got[name] = values
			}
		}
		if d := cmp.Diff(want, got); d != "" || a.Status != tt.status {
			t.Errorf("status %d, want %d; headers (-want +got):\n%s", a.Status, tt.status, d)
		}
		if tt.message != "" && (!strings.Contains(a.text("error.message"), tt.message) || a.text("error.suggested_fix") != "Wait "+tt.retry+" s and send it again; nothing was run.") {
			t.Errorf("body %s", a.Raw)
		}
	}
}
