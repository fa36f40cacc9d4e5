package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// Error is a refusal of the server. Its message never holds the API key.
type Error struct {
	// Status is the HTTP status; 0 when the error came inside a stream.
	Status  int
	Message string
}

func (e *Error) Error() string {
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return fmt.Sprintf("the model server refused the API key (%d %s); check the key and what it may use", e.Status, http.StatusText(e.Status))
	case e.Status == 0:
		return "the model server reported: " + e.Message
	default:
		return strings.TrimSuffix(fmt.Sprintf("the model server answered %d %s: %s", e.Status, http.StatusText(e.Status), e.Message), ": ")
	}
}

// maxErrorBody bounds what is read of a refusal, in bytes.
const maxErrorBody = 64 << 10

// plainErrors gives every refusal the one body that the SDK can read: servers
// answer with strings, other objects, or HTML.
func plainErrors(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	resp, err := next(req)
	if err != nil || resp.StatusCode < http.StatusBadRequest {
		return resp, err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		data = nil // the status says enough
	}
	_ = resp.Body.Close()
	body, err := json.Marshal(map[string]map[string]string{"error": {"message": messageIn(data, "")}})
	if err != nil {
		return nil, fmt.Errorf("reading the refusal: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// readable turns the SDK's errors into ones for people, with no secret.
func (m *Model) readable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("asking %s: %w", m.Name(), ctx.Err())
	}
	var own *Error
	if errors.As(err, &own) {
		own.Message = m.scrub(own.Message)
		return err
	}
	var api *sdk.Error
	if errors.As(err, &api) {
		return &Error{Status: api.StatusCode, Message: m.scrub(messageIn([]byte(api.RawJSON()), api.Message))}
	}
	if text := err.Error(); m.scrub(text) != text {
		return errors.New(m.scrub(text))
	}
	return err
}

// refusesStrict says whether the server refused the request for the strict form
// of a tool, so that nothing was answered and it may be sent again without.
func refusesStrict(err error) bool {
	var api *sdk.Error
	if !errors.As(err, &api) || api.StatusCode != http.StatusBadRequest && api.StatusCode != http.StatusUnprocessableEntity {
		return false
	}
	message := strings.ToLower(messageIn([]byte(api.RawJSON()), api.Message))
	return strings.Contains(message, "strict") || strings.Contains(message, "schema")
}

// messageIn finds the message in the many shapes of error bodies:
// {"message":…}, {"error":{"message":…}}, {"error":"…"}, {"detail":"…"}, text.
func messageIn(data []byte, fallback string) string {
	if fallback != "" {
		return short(fallback)
	}
	var text string
	if json.Unmarshal(data, &text) == nil {
		return short(text)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) == nil {
		for _, name := range []string{"message", "error", "detail"} {
			if inner, ok := object[name]; ok {
				if found := messageIn(inner, ""); found != "" {
					return found
				}
			}
		}
		return ""
	}
	return short(string(data))
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > 400 {
		return string(runes[:400]) + " …"
	}
	return s
}

var keyLike = regexp.MustCompile(`\b(?:sk|key)-[A-Za-z0-9_*\-]{4,}`)

// scrub removes the key, and what looks like one, from a message.
func (m *Model) scrub(s string) string {
	if m.key != "" {
		s = strings.ReplaceAll(s, m.key, "[key]")
	}
	return keyLike.ReplaceAllString(s, "[key]")
}
