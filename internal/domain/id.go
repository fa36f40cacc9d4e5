package domain

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Prefixes of the ids that leave the process. The first six are the wire's own
// (contract §1.8); the rest are ours.
const (
	PrefixSession    = "trs_"
	PrefixAccount    = "ca_"
	PrefixAuthConfig = "ac_"
	PrefixLink       = "lt_"
	PrefixExecution  = "log_"
	PrefixProject    = "pr_"
	PrefixAPIKey     = "key_"  // the id of a key, not the key
	PrefixOperator   = "okey_" // the id of an operator's key
	PrefixRequest    = "req_"
	PrefixFile       = "file_"
	PrefixEvent      = "evt_"
	PrefixMessage    = "msg_" // an event on the wire: evt_X is delivered as msg_X
	PrefixWebhook    = "whs_"
	PrefixDelivery   = "dlv_"
	PrefixTrigger    = "ti_" // a trigger instance, as the wire has it
	PrefixPoll       = "tp_"
	PrefixEndpoint   = "we_" // a webhook endpoint, as the wire has it
	PrefixInbound    = "in_" // what one received
	PrefixApproval   = "apr_"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes an id: the prefix and 26 characters of Crockford base32 that hold
// 48 bits of milliseconds and 80 random bits, so that ids sort by time and
// cannot be guessed.
func NewID(prefix string) string { return newIDAt(prefix, time.Now()) }

func newIDAt(prefix string, t time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(t.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // crypto/rand.Read never fails (Go 1.24)
	return prefix + idEncoding.EncodeToString(b[:])
}

// NewSecret makes a secret of 256 random bits behind the prefix, for keys and
// single-use tokens.
func NewSecret(prefix string) string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return prefix + idEncoding.EncodeToString(b[:])
}

// HasPrefix says whether id could be one of the kind that prefix names.
func HasPrefix(id, prefix string) bool {
	return len(id) > len(prefix) && strings.HasPrefix(id, prefix)
}

// TwinID gives the UUID of a thing that deprecated fields of the contract still ask
// for. It is derived, so that it stays the same without being kept.
func TwinID(kind, id string) string {
	h := sha256.Sum256([]byte(kind + ":" + id))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
