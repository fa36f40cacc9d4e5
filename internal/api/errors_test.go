package api

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// TestKinds pins the wire of every domain code: clients branch on it.
func TestKinds(t *testing.T) {
	t.Parallel()
	want := map[domain.Code][2]int{
		domain.CodeInvalid: {400, 4000}, domain.CodeUnauthenticated: {401, 4010}, domain.CodeForbidden: {403, 4030},
		domain.CodeNotFound: {404, 4040}, domain.CodeConflict: {409, 4090}, domain.CodeNoConnection: {400, 1803},
		domain.CodeRateLimited: {429, 4290}, domain.CodeTooLarge: {413, 4130}, domain.CodeUnsupported: {501, 5010},
		domain.CodeUnavailable: {503, 5030}, domain.CodeCanceled: {499, 4990}, domain.CodeInternal: {500, 5000},
		"nobody's": {500, 5000},
	}
	for code, w := range want {
		e := fail(domain.Errorf(code, "no"), http.MethodPost, "req_1")
		if e.Body.Status != w[0] || e.Body.Code != w[1] || e.Body.RequestID != "req_1" {
			t.Errorf("%s: %+v, want %v", code, e.Body, w)
		}
		dead := w[0] == 409 || w[0] >= 500
		if got := e.header.Get("X-Should-Retry") == "false"; got != dead {
			t.Errorf("%s: X-Should-Retry %q after a POST", code, e.header.Get("X-Should-Retry"))
		}
	}
	if len(kinds) != len(want)-1 {
		t.Errorf("the table has %d codes, this test %d", len(kinds), len(want)-1)
	}
	option := fail(notOfferedOption("text", "fix it"), http.MethodPost, "")
	if option.Body.Status != 400 || option.Body.SuggestedFix != "fix it" || !strings.HasPrefix(option.Body.Errors[0], "text") {
		t.Errorf("an option: %+v", option.Body)
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		if got := fail(retryAfter(d, "slow down"), http.MethodGet, "").header.Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q, want %q", d, got, want)
		}
	}
}

// TestCauseStaysInside makes an error whose cause must not reach a client.
func TestCauseStaysInside(t *testing.T) {
	t.Parallel()
	e := fail(domain.AsError(errors.New("SELECT secret FROM t")), http.MethodGet, "")
	if e.Body.Status != 500 || strings.Contains(e.Body.Message, "SELECT") {
		t.Errorf("%+v", e.Body)
	}
}
