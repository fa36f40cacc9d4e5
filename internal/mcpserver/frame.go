package mcpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// The methods that this package knows; the SDK knows them all.
const (
	methodInitialize = "initialize"
	methodToolsList  = "tools/list"
	methodToolsCall  = "tools/call"
	methodListen     = "subscriptions/listen"
)

// Keys of _meta in the modern era.
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaClientInfo   = "io.modelcontextprotocol/clientInfo"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaServerInfo   = "io.modelcontextprotocol/serverInfo"
)

// frame is a message as far as routing needs it. Keys are matched exactly:
// encoding/json would fold their case when reading into a struct, and the SDK
// does not.
type frame struct {
	batch   bool
	empty   bool            // neither a request nor a response
	size    int             // messages of a batch
	id      json.RawMessage // nil for notifications
	method  string          // empty in responses and batches
	params  json.RawMessage
	version string // of JSON-RPC
}

var errNotJSON = errors.New("the body is not valid JSON")

// parseFrame reads the outermost level of a message. It fails on bodies that
// are not JSON; whether they are JSON-RPC is for the SDK to say.
func parseFrame(body []byte) (frame, error) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] != '{' {
		if !json.Valid(body) {
			return frame{}, errNotJSON
		}
		var messages []json.RawMessage // nil unless it is a batch
		_ = json.Unmarshal(body, &messages)
		return frame{batch: trimmed[0] == '[', size: len(messages)}, nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil {
		return frame{}, fmt.Errorf("%w: %w", errNotJSON, err)
	}
	f := frame{params: keys["params"]}
	if id := keys["id"]; string(id) != "null" {
		f.id = id
	}
	f.empty = keys["method"] == nil && keys["result"] == nil && keys["error"] == nil
	// A method or version of another type than string stays empty: not for us.
	_ = json.Unmarshal(keys["method"], &f.method)
	_ = json.Unmarshal(keys["jsonrpc"], &f.version)
	return f, nil
}

// plainID says whether the id can be repeated in an answer as it was sent: an
// integer or a string without escapes.
func (f frame) plainID() bool {
	n := len(f.id)
	if n == 0 || n > 256 {
		return false
	}
	if f.id[0] == '"' {
		return !bytes.ContainsAny(f.id, `\<>&`)
	}
	if n > 15 {
		return false
	}
	for i, c := range f.id {
		if (c < '0' || c > '9') && (c != '-' || i > 0) {
			return false
		}
	}
	return true
}

// object reads a JSON object's members; ok is false for anything else.
func object(raw json.RawMessage) (members map[string]json.RawMessage, ok bool) {
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false
	}
	return members, true
}
