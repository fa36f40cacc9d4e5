package httpx_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
)

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://h.example/p":                   "https://h.example/p",
		"https://u:pw@h.example:8443/p%2Fq#f":   "https://h.example:8443/p%2Fq",
		"https://h.example/p?token=a&limit=5&b": "https://h.example/p?token=REDACTED&limit=REDACTED&REDACTED",
		"mailto:a@b":                            "mailto:REDACTED",
	} {
		if got := httpx.RedactURL(mustURL(t, in)); got != want {
			t.Errorf("RedactURL(%s) = %s, want %s", in, got, want)
		}
	}
	if httpx.RedactURL(nil) != "" {
		t.Error("nil")
	}
}

func TestRedactHeader(t *testing.T) {
	t.Parallel()
	in := http.Header{"Authorization": {"Bearer x"}, "X-Anything": {"x"}, "Content-Type": {"text/html"}, "X-Ratelimit-Reset": {"5"}}
	want := http.Header{"Authorization": {"REDACTED"}, "X-Anything": {"REDACTED"}, "Content-Type": {"text/html"}, "X-Ratelimit-Reset": {"5"}}
	if diff := cmp.Diff(want, httpx.RedactHeader(in)); diff != "" {
		t.Error(diff)
	}
	if in.Get("Authorization") != "Bearer x" {
		t.Error("the argument was changed")
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://h.example/p?token=s3cret", Err: err}
	}
	tests := map[string]struct {
		err  error
		code domain.Code
		says string
	}{
		"no such host": {wrap(&net.DNSError{Name: "h.example", IsNotFound: true}), domain.CodeUnavailable, "no such host"},
		"timeout":      {wrap(context.DeadlineExceeded), domain.CodeUnavailable, "in time"},
		"canceled":     {wrap(context.Canceled), domain.CodeCanceled, "canceled"},
		"other":        {wrap(errors.New("reset")), domain.CodeUnavailable, "connection to h.example failed"},
		"blocked":      {wrap(&httpx.BlockedError{Host: "h.example", Kind: "private"}), domain.CodeForbidden, "not public"},
		"too large":    {wrap(&httpx.TooLargeError{What: "response", Limit: 7}), domain.CodeTooLarge, "7 bytes"},
	}
	for name, tt := range tests {
		got := httpx.Explain(tt.err)
		if got.Code != tt.code || !strings.Contains(got.Message, tt.says) {
			t.Errorf("%s: %s %s", name, got.Code, got.Message)
		}
		for err := error(got); err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: shows the secret: %v", name, err)
			}
		}
	}
	if httpx.Explain(nil) != nil {
		t.Error("nil")
	}
}
