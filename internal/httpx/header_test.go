package httpx_test

import (
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/httpx"
)

func TestValidHeader(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, value string
		want        bool
	}{
		{"X-Atlassian-Token", "no-check", true},
		{"accept", "text/plain;\tq=1", true},
		{"x", "größe", true},
		{"", "x", false},
		{"X Y", "x", false},
		{"X:Y", "x", false},
		{"Xü", "x", false},
		{"X", "a\r\nHost: b", false},
		{"X", "a\x00", false},
		{"X", strings.Repeat("x", 9<<10), false},
		{strings.Repeat("x", 300), "x", false},
	} {
		if got := httpx.ValidHeader(tc.name, tc.value); got != tc.want {
			t.Errorf("%.20q: %.20q: %v", tc.name, tc.value, got)
		}
	}
}

func TestCallersHeader(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"accept": true, "x-atlassian-token": true, "content-type": true, "If-Match": true,
		"authorization": false, "cookie": false, "HOST": false, "transfer-encoding": false, "proxy-authorization": false,
		"x-forwarded-for": false, "connection": false, "content-length": false,
	} {
		if got := httpx.CallersHeader(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
