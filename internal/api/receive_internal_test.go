package api

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/trigger"
)

// What arrives is read whole or refused, in whatever portions it comes and whether
// or not its length was told.
func FuzzReadReceived(f *testing.F) {
	f.Add([]byte(nil), uint16(0), int64(0), false)
	f.Add([]byte(`{"event":"created"}`), uint16(1), int64(-1), false)
	f.Add([]byte(`{"event":"created"}`), uint16(1), int64(5), true)
	f.Add([]byte("0123456789abcdef"), uint16(trigger.MaxReceived/16), int64(-1), false)
	f.Add([]byte("0123456789abcdef"), uint16(trigger.MaxReceived/16+1), int64(3), true)
	f.Fuzz(func(t *testing.T, part []byte, times uint16, length int64, torn bool) {
		if len(part) > 1024 {
			part = part[:1024]
		}
		body := bytes.Repeat(part, int(times)%(2*trigger.MaxReceived/max(len(part), 1)))
		var from io.Reader = iotest.HalfReader(bytes.NewReader(body))
		if torn {
			from = io.MultiReader(from, iotest.ErrReader(io.ErrUnexpectedEOF))
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/we_1", from)
		r.ContentLength = length
		got, err := readReceived(httptest.NewRecorder(), r)
		switch {
		case len(body) > trigger.MaxReceived:
			if domain.CodeOf(err) != domain.CodeTooLarge || got != nil {
				t.Errorf("%d bytes: %d, %v", len(body), len(got), err)
			}
		case torn:
			if domain.CodeOf(err) != domain.CodeInvalid || got != nil {
				t.Errorf("torn after %d bytes: %d, %v", len(body), len(got), err)
			}
		case err != nil || !bytes.Equal(got, body):
			t.Errorf("%d bytes: %d, %v", len(body), len(got), err)
		}
	})
}
