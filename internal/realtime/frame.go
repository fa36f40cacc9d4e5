package realtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/domain"
)

// frame is a message of Pusher's protocol from a client. Its data is an object or
// a string that holds one: clients differ.
type frame struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

// subscription is the data of pusher:subscribe and pusher:unsubscribe.
type subscription struct {
	Channel string `json:"channel"`
	Auth    string `json:"auth"`
}

const (
	// maxFrame bounds a message from a client in bytes: as Pusher does.
	maxFrame = 10 << 10
	// maxName bounds the name of a channel.
	maxName = 200
)

var errFrame = errors.New("expected a JSON object with an event")

func parseFrame(text []byte) (frame, error) {
	var f frame
	if len(text) > maxFrame || !utf8.Valid(text) || json.Unmarshal(text, &f) != nil || f.Event == "" || len(f.Event) > maxName {
		return frame{}, errFrame
	}
	return f, nil
}

func parseSubscription(data json.RawMessage) (subscription, error) {
	var s subscription
	var text string
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte(`"`)) {
		if json.Unmarshal(data, &text) != nil {
			return s, errFrame
		}
		data = json.RawMessage(text)
	}
	if json.Unmarshal(data, &s) != nil || s.Channel == "" || len(s.Channel) > maxName {
		return subscription{}, errors.New("expected data with a channel")
	}
	return s, nil
}

// said is a message to a client. Data is a string that holds JSON, but for errors.
type said struct {
	Event   string `json:"event"`
	Channel string `json:"channel,omitempty"`
	Data    any    `json:"data"`
}

// Detail is what an event does not say of its trigger.
type Detail struct {
	Toolkit string          // slug
	Config  json.RawMessage // of the trigger instance; an empty object when it is gone
	Active  bool            // the account
}

// The message of a trigger as the contract's older clients read it; newer ones
// take it too.
type (
	legacyMessage struct {
		AppName         string          `json:"appName"`
		ClientID        string          `json:"clientId"`
		Payload         json.RawMessage `json:"payload"`
		OriginalPayload json.RawMessage `json:"originalPayload"`
		Metadata        legacyMetadata  `json:"metadata"`
	}
	legacyMetadata struct {
		ID            string           `json:"id"`
		NanoID        string           `json:"nanoId"`
		TriggerName   string           `json:"triggerName"`
		TriggerData   string           `json:"triggerData"`
		TriggerConfig json.RawMessage  `json:"triggerConfig"`
		Connection    legacyConnection `json:"connection"`
	}
	legacyConnection struct {
		ID            string `json:"id"`
		AccountID     string `json:"connectedAccountNanoId"`
		IntegrationID string `json:"integrationId"`
		AuthConfigID  string `json:"authConfigNanoId"`
		UserID        string `json:"clientUniqueUserId"`
		Status        string `json:"status"`
	}
)

func legacyOf(e *domain.Event, d Detail) ([]byte, error) {
	status := "INACTIVE"
	if d.Active {
		status = "ACTIVE"
	}
	if len(d.Config) == 0 {
		d.Config = json.RawMessage("{}")
	}
	return json.Marshal(legacyMessage{
		AppName: d.Toolkit, ClientID: e.ProjectID, Payload: e.Payload, OriginalPayload: e.Payload,
		Metadata: legacyMetadata{
			ID: domain.TwinID("trigger", e.Source), NanoID: e.Source, TriggerName: e.Trigger, TriggerConfig: d.Config,
			Connection: legacyConnection{
				ID: domain.TwinID("account", e.AccountID), AccountID: e.AccountID,
				IntegrationID: domain.TwinID("auth_config", e.AuthConfigID), AuthConfigID: e.AuthConfigID,
				UserID: e.UserID, Status: status,
			},
		},
	})
}

// chunkSize is how many bytes of a message go into one: Pusher sends 10 KB at most,
// and clients are told a larger one in pieces. It leaves room for the envelope, and
// for what a string in a string in a string costs.
const chunkSize = 3 << 10

// maxWhole is the longest message that is sent in one piece.
const maxWhole = 9 << 10

// piece is the data of a chunked message.
type piece struct {
	ID    string `json:"id"`
	Index int    `json:"index"`
	Chunk string `json:"chunk"`
	Final bool   `json:"final"`
}

// cut makes pieces of a text, none of which splits a character.
func cut(id, text string) []piece {
	var out []piece
	for len(text) > 0 {
		n := min(chunkSize, len(text))
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n--
		}
		out = append(out, piece{ID: id, Index: len(out), Chunk: text[:n]})
		text = text[n:]
	}
	if len(out) > 0 {
		out[len(out)-1].Final = true
	}
	return out
}
