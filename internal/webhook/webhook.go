// Package webhook signs the messages that are posted to an application's webhook
// address, and verifies them.
//
// The signature is that of the contract: HMAC-SHA256 over
//
//	webhook-id + "." + webhook-timestamp + "." + body
//
// with the bytes of the secret as they are given: a prefix such as whsec_ is part
// of it. It travels as "v1," and base 64; several, one for each secret that is
// valid, are separated by spaces, so that a secret can be rotated while
// receivers still know the old one only. The three versions of the body are
// signed alike.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a message.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
	HeaderVersion   = "x-composio-webhook-version"
)

const (
	// Tolerance is how far the time of a message may be from the receiver's.
	Tolerance = 5 * time.Minute
	// MaxSecrets is how many secrets a message is signed with at most: the
	// current one and the one before it.
	MaxSecrets = 2

	scheme = "v1,"
	// maxSignatures bounds how many signatures of a message are looked at.
	maxSignatures = 16
	maxSignature  = 4096
	maxID         = 256
)

// Version is the shape of a message's body.
type Version string

// The versions.
const (
	V1 Version = "V1" // trigger_name, connection_id, trigger_id, payload, log_id
	V2 Version = "V2" // type, timestamp, log_id, data
	V3 Version = "V3" // id, timestamp, type, metadata, data
)

// ParseVersion reads the name of a version, in any case.
func ParseVersion(name string) (Version, error) {
	switch v := Version(strings.ToUpper(strings.TrimSpace(name))); v {
	case V1, V2, V3:
		return v, nil
	}
	return "", fmt.Errorf("webhook version: expected V1, V2 or V3, got %.10q", name)
}

// VersionOf tells the version of a body by its shape.
func VersionOf(body []byte) (Version, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil {
		return "", errors.New("the body of the webhook is not a JSON object")
	}
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := keys[n]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("id", "type", "metadata", "data"):
		return V3, nil
	case has("type", "data"):
		return V2, nil
	case has("trigger_name", "payload"):
		return V1, nil
	}
	return "", errors.New("the body of the webhook is of no version that is known")
}

// Message is what a signature is made over, and the version of its body.
type Message struct {
	ID      string // msg_…; the same at every attempt to deliver it
	At      time.Time
	Version Version
	Body    []byte
}

// Sign gives the headers of a message, with a signature for each secret, the
// current one first. It takes one secret, or two while one is being replaced.
func Sign(m Message, secrets ...string) (http.Header, error) {
	if err := checkSecrets(secrets); err != nil {
		return nil, err
	}
	if !validID(m.ID) {
		return nil, errors.New("webhook id: expected 1 to 256 printable characters without a dot or a space")
	}
	if _, err := ParseVersion(string(m.Version)); err != nil {
		return nil, err
	}
	if m.At.Unix() <= 0 {
		return nil, errors.New("webhook timestamp: expected a time after 1970")
	}
	stamp := strconv.FormatInt(m.At.Unix(), 10)
	all := make([]string, 0, len(secrets))
	for _, s := range secrets {
		all = append(all, scheme+base64.StdEncoding.EncodeToString(sum(s, m.ID, stamp, m.Body)))
	}
	h := http.Header{}
	h.Set(HeaderID, m.ID)
	h.Set(HeaderTimestamp, stamp)
	h.Set(HeaderSignature, strings.Join(all, " "))
	h.Set(HeaderVersion, string(m.Version))
	return h, nil
}

func checkSecrets(secrets []string) error {
	if len(secrets) == 0 || len(secrets) > MaxSecrets {
		return fmt.Errorf("webhook secrets: expected 1 to %d, got %d", MaxSecrets, len(secrets))
	}
	for _, s := range secrets {
		if s == "" {
			return errors.New("webhook secrets: one is empty")
		}
	}
	return nil
}

// validID says whether an id can be signed without doubt about where it ends.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '.' {
			return false
		}
	}
	return true
}

func sum(secret, id, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// What Verify finds wrong. Neither says which secret was tried.
var (
	ErrUnsigned = errors.New("the webhook has no signature that can be read: webhook-id, webhook-timestamp and webhook-signature are needed")
	ErrStale    = errors.New("the webhook's timestamp is more than 5 minutes away from now")
	ErrForged   = errors.New("the webhook's signature does not fit: the secret is another one, or the message was changed on the way")
)

// Verify checks that body with the headers h was signed with one of the secrets,
// at most Tolerance away from now, and gives the message. The version is that of
// the header, or of the body's shape where there is none; it is not signed.
func Verify(h http.Header, body []byte, now time.Time, secrets ...string) (Message, error) {
	if err := checkSecrets(secrets); err != nil {
		return Message{}, err
	}
	id, stamp, sent := h.Get(HeaderID), h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if !validID(id) || err != nil || stamp != strconv.FormatInt(seconds, 10) || len(sent) > maxSignature {
		return Message{}, ErrUnsigned
	}
	given := signatures(sent)
	if len(given) == 0 {
		return Message{}, ErrUnsigned
	}
	// Every secret is compared with every signature, so that the time it takes
	// does not tell which one fits.
	fits := 0
	for _, s := range secrets {
		want := sum(s, id, stamp, body)
		for _, g := range given {
			if hmac.Equal(want, g) {
				fits++
			}
		}
	}
	if fits == 0 {
		return Message{}, ErrForged
	}
	// A number of seconds that no time holds is far away as well.
	if diff := now.Unix() - seconds; seconds < 0 || diff > int64(Tolerance.Seconds()) || diff < -int64(Tolerance.Seconds()) {
		return Message{}, ErrStale
	}
	m := Message{ID: id, At: time.Unix(seconds, 0).UTC(), Body: body}
	if name := h.Get(HeaderVersion); name != "" {
		m.Version, err = ParseVersion(name)
	} else {
		m.Version, err = VersionOf(body)
	}
	return m, err
}

// signatures reads those of the scheme that is known; others are passed over.
func signatures(header string) [][]byte {
	var out [][]byte
	for one := range strings.FieldsSeq(header) {
		text, ok := strings.CutPrefix(one, scheme)
		if !ok {
			continue
		}
		sig, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(sig) != sha256.Size {
			continue
		}
		if out = append(out, sig); len(out) == maxSignatures {
			break
		}
	}
	return out
}
