package client

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/internal/webhook"
)

// What VerifyWebhook finds wrong: ask with [errors.Is]. None says which secret was
// tried.
var (
	ErrWebhookUnsigned = webhook.ErrUnsigned
	ErrWebhookStale    = webhook.ErrStale // more than 5 minutes away from now
	ErrWebhookForged   = webhook.ErrForged
)

// WebhookMessage is a message that a webhook subscription was sent.
type WebhookMessage struct {
	ID      string    // the same at every attempt to deliver it: drop what was seen
	At      time.Time // when it was signed
	Version string    // V1, V2 or V3: the shape of Body; not signed
	Body    json.RawMessage
}

// VerifyWebhook checks that the body of a request with these headers was signed
// with one of the subscription's secrets, within 5 minutes of now. While a secret
// is replaced give both. Bound the body before, with [http.MaxBytesReader], and
// give its very bytes.
func VerifyWebhook(header http.Header, body []byte, secrets ...string) (*WebhookMessage, error) {
	m, err := webhook.Verify(header, body, time.Now(), secrets...)
	if err != nil {
		return nil, err
	}
	return &WebhookMessage{ID: m.ID, At: m.At, Version: string(m.Version), Body: m.Body}, nil
}
