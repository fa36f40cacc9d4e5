package webhook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/internal/webhook"
)

type vector struct {
	ID        string `json:"webhook_id"`
	Timestamp string `json:"webhook_timestamp"`
	Body      string `json:"body"`
	Secret    string `json:"secret"`
	Signature string `json:"signature"`
}

// golden are signatures that the official SDKs' own tests accept.
func golden(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("../../../shared/composio/webhook-golden-signatures.json")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("the golden vectors are absent: %v", err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 6 {
		t.Fatalf("%d vectors, want 6", len(all))
	}
	return all
}

func TestGoldenVectors(t *testing.T) {
	t.Parallel()
	for _, v := range golden(t) {
		seconds, err := strconv.ParseInt(v.Timestamp, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(seconds, 0)
		h, err := webhook.Sign(webhook.Message{ID: v.ID, At: at, Version: webhook.V3, Body: []byte(v.Body)}, v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"webhook-id": v.ID, "webhook-timestamp": v.Timestamp, "webhook-signature": v.Signature, "x-composio-webhook-version": "V3"}
		got := map[string]string{}
		for name := range want {
			got[name] = h.Get(name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.ID, diff)
		}
		if m, err := webhook.Verify(h, []byte(v.Body), at, v.Secret); err != nil || m.ID != v.ID {
			t.Errorf("%s: %+v, %v", v.ID, m, err)
		}
	}
}

var (
	when = time.Unix(1_790_000_000, 0)
	v1   = []byte(`{"trigger_name":"T","connection_id":"c","trigger_id":"t","payload":{},"log_id":"l"}`)
	v2   = []byte(`{"type":"t","timestamp":"2026-11-22T10:00:00Z","log_id":"l","data":{}}`)
	v3   = []byte(`{"id":"msg_1","timestamp":"2026-11-22T10:00:00Z","type":"composio.trigger.message","metadata":{},"data":{}}`)
)

func sign(t *testing.T, body []byte, version webhook.Version, secrets ...string) http.Header {
	t.Helper()
	h, err := webhook.Sign(webhook.Message{ID: "msg_1", At: when, Version: version, Body: body}, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestVersions: each version is signed alike, and known by its header, or by
// its shape where the header is lost.
func TestVersions(t *testing.T) {
	t.Parallel()
	for version, body := range map[webhook.Version][]byte{webhook.V1: v1, webhook.V2: v2, webhook.V3: v3} {
		h := sign(t, body, version, "secret")
		for range 2 {
			m, err := webhook.Verify(h, body, when, "secret")
			if err != nil || m.Version != version || !m.At.Equal(when) || string(m.Body) != string(body) {
				t.Errorf("%s: %+v, %v", version, m, err)
			}
			h.Del(webhook.HeaderVersion)
		}
	}
}

// TestRotation: while a secret is replaced, receivers with either one take the
// message, and receivers that know both take messages of before and after.
func TestRotation(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		signed, known []string
		ok            bool
	}{
		{[]string{"old"}, []string{"old"}, true},
		{[]string{"new", "old"}, []string{"old"}, true},
		{[]string{"new", "old"}, []string{"new"}, true},
		{[]string{"old"}, []string{"new", "old"}, true},
		{[]string{"new"}, []string{"new", "old"}, true},
		{[]string{"new"}, []string{"old"}, false},
		{[]string{"new"}, []string{"New"}, false},
		{[]string{"new"}, []string{"new "}, false},
		{[]string{"whsec_new"}, []string{"new"}, false},
	} {
		_, err := webhook.Verify(sign(t, v3, webhook.V3, tc.signed...), v3, when, tc.known...)
		if tc.ok != (err == nil) || !tc.ok && !errors.Is(err, webhook.ErrForged) {
			t.Errorf("signed with %v, known %v: %v", tc.signed, tc.known, err)
		}
	}
	h := sign(t, v3, webhook.V3, "new", "old")
	if n := len(strings.Fields(h.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d signatures, want one a secret", n)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(h http.Header) ([]byte, time.Time)
		want   error
	}{
		"the body":       {func(http.Header) ([]byte, time.Time) { return append([]byte{' '}, v3...), when }, webhook.ErrForged},
		"the id":         {func(h http.Header) ([]byte, time.Time) { h.Set("webhook-id", "msg_2"); return v3, when }, webhook.ErrForged},
		"the time":       {func(h http.Header) ([]byte, time.Time) { h.Set("webhook-timestamp", "1790000001"); return v3, when }, webhook.ErrForged},
		"a moved dot":    {func(h http.Header) ([]byte, time.Time) { h.Set("webhook-id", "msg_1.1790000000"); return v3, when }, webhook.ErrUnsigned},
		"no id":          {func(h http.Header) ([]byte, time.Time) { h.Del("webhook-id"); return v3, when }, webhook.ErrUnsigned},
		"no time":        {func(h http.Header) ([]byte, time.Time) { h.Del("webhook-timestamp"); return v3, when }, webhook.ErrUnsigned},
		"no signature":   {func(h http.Header) ([]byte, time.Time) { h.Del("webhook-signature"); return v3, when }, webhook.ErrUnsigned},
		"other scheme":   {func(h http.Header) ([]byte, time.Time) { h.Set("webhook-signature", "v2,AAAA"); return v3, when }, webhook.ErrUnsigned},
		"short":          {func(h http.Header) ([]byte, time.Time) { h.Set("webhook-signature", "v1,AAAA"); return v3, when }, webhook.ErrUnsigned},
		"too late":       {func(http.Header) ([]byte, time.Time) { return v3, when.Add(301 * time.Second) }, webhook.ErrStale},
		"too early":      {func(http.Header) ([]byte, time.Time) { return v3, when.Add(-301 * time.Second) }, webhook.ErrStale},
		"another number": {func(h http.Header) ([]byte, time.Time) { h.Set("webhook-timestamp", "+1790000000"); return v3, when }, webhook.ErrUnsigned},
	} {
		h := sign(t, v3, webhook.V3, "secret")
		body, now := tc.change(h)
		if _, err := webhook.Verify(h, body, now, "secret"); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	for _, now := range []time.Time{when.Add(300 * time.Second), when.Add(-300 * time.Second)} {
		if _, err := webhook.Verify(sign(t, v3, webhook.V3, "secret"), v3, now, "secret"); err != nil {
			t.Errorf("at the edge of the tolerance: %v", err)
		}
	}
	if _, err := webhook.Verify(sign(t, v3, webhook.V3, "secret"), v3, when); err == nil {
		t.Error("verified without a secret")
	}
	if _, err := webhook.Verify(sign(t, v3, webhook.V3, "secret"), v3, when, ""); err == nil {
		t.Error("verified with an empty secret")
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	good := webhook.Message{ID: "msg_1", At: when, Version: webhook.V3, Body: v3}
	for name, change := range map[string]func(*webhook.Message) []string{
		"no secret":     func(*webhook.Message) []string { return nil },
		"empty secret":  func(*webhook.Message) []string { return []string{"a", ""} },
		"three secrets": func(*webhook.Message) []string { return []string{"a", "b", "c"} },
		"no id":         func(m *webhook.Message) []string { m.ID = ""; return []string{"a"} },
		"a dot":         func(m *webhook.Message) []string { m.ID = "a.b"; return []string{"a"} },
		"a line break":  func(m *webhook.Message) []string { m.ID = "a\nb"; return []string{"a"} },
		"no time":       func(m *webhook.Message) []string { m.At = time.Time{}; return []string{"a"} },
		"no version":    func(m *webhook.Message) []string { m.Version = ""; return []string{"a"} },
	} {
		m := good
		secrets := change(&m)
		if h, err := webhook.Sign(m, secrets...); err == nil {
			t.Errorf("%s: signed: %v", name, h)
		}
	}
}

// TestWhatIsSignedVerifies: any body and secret, and nothing but them.
func TestWhatIsSignedVerifies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := webhook.Message{
			ID:      rapid.StringMatching(`msg_[A-Za-z0-9_-]{1,40}`).Draw(t, "id"),
			At:      time.Unix(rapid.Int64Range(1, 1<<40).Draw(t, "at"), 0),
			Version: rapid.SampledFrom([]webhook.Version{webhook.V1, webhook.V2, webhook.V3}).Draw(t, "version"),
			Body:    rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		}
		secret := rapid.StringN(1, 40, -1).Draw(t, "secret")
		other := rapid.StringN(1, 40, -1).Draw(t, "other")
		h, err := webhook.Sign(m, secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := webhook.Verify(h, m.Body, m.At, other, secret); err != nil {
			t.Fatal(err)
		}
		if _, err := webhook.Verify(h, m.Body, m.At, other); other != secret && !sameKey(other, secret) && !errors.Is(err, webhook.ErrForged) {
			t.Fatalf("verified with %q what was signed with %q: %v", other, secret, err)
		}
	})
}

// sameKey: HMAC fills keys up with zeros, so that these two are one key.
func sameKey(a, b string) bool { return strings.TrimRight(a, "\x00") == strings.TrimRight(b, "\x00") }

// FuzzVerify: no header and no body passes without the secret, or panics.
func FuzzVerify(f *testing.F) {
	h, err := webhook.Sign(webhook.Message{ID: "msg_1", At: when, Version: webhook.V3, Body: v3}, "another secret")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("msg_1", h.Get(webhook.HeaderTimestamp), h.Get(webhook.HeaderSignature), "V3", v3)
	f.Add("", "", "v1,", "", v1)
	f.Add("msg_1", "-9223372036854775808", "v1,"+strings.Repeat("A", 43)+"= v1,x", "V9", v2)
	f.Fuzz(func(t *testing.T, id, stamp, signature, version string, body []byte) {
		h := http.Header{}
		h.Set(webhook.HeaderID, id)
		h.Set(webhook.HeaderTimestamp, stamp)
		h.Set(webhook.HeaderSignature, signature)
		h.Set(webhook.HeaderVersion, version)
		if m, err := webhook.Verify(h, body, when, "secret", "older secret"); err == nil {
			t.Errorf("verified: %+v", m)
		}
		if v, err := webhook.VersionOf(body); err == nil && v == "" {
			t.Error("a version without a name")
		}
	})
}
