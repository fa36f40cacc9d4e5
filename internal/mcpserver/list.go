package mcpserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/session"
)

// maxLists bounds the cached lists. There are few different tool sets; when
// there are more, the cache starts anew.
const maxLists = 256

// toolList is a session's tools/list result, marshalled, and what the endpoint
// must know of the tools by name.
type toolList struct {
	modern, legacy []byte
	headers        map[string][]headerParam // of tools with x-mcp-header
	names          map[string]bool
}

// lists keeps marshalled lists by the key of their tool set.
type lists struct {
	ttl  time.Duration
	self *mcp.Implementation

	mu  sync.Mutex
	all map[string]*toolList
}

func (ls *lists) get(set *session.ToolSet) (*toolList, error) {
	ls.mu.Lock()
	l := ls.all[set.Key]
	ls.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l, err := ls.build(set.Tools)
	if err != nil {
		return nil, err
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.all == nil || len(ls.all) >= maxLists {
		ls.all = map[string]*toolList{}
	}
	ls.all[set.Key] = l
	return l, nil
}

// listResult is the wire's tools/list result, in the member order of the SDK.
type listResult struct {
	ResultType string         `json:"resultType,omitempty"` // modern
	Meta       map[string]any `json:"_meta,omitempty"`      // modern
	TTLMs      int64          `json:"ttlMs"`
	CacheScope string         `json:"cacheScope"`
	Tools      []*mcp.Tool    `json:"tools"`
}

func (ls *lists) build(tools []*catalog.Tool) (*toolList, error) {
	l := &toolList{names: make(map[string]bool, len(tools)), headers: map[string][]headerParam{}}
	res := listResult{TTLMs: ls.ttl.Milliseconds(), CacheScope: "private", Tools: make([]*mcp.Tool, 0, len(tools))}
	for _, t := range tools {
		res.Tools = append(res.Tools, wireTool(t))
		l.names[t.Slug] = true
		if params := headerParams(t.Input); len(params) > 0 {
			l.headers[t.Slug] = params
		}
	}
	var err error
	if l.legacy, err = marshal(res); err != nil {
		return nil, fmt.Errorf("mcpserver: marshal the tool list: %w", err)
	}
	res.ResultType = "complete"
	res.Meta = map[string]any{metaServerInfo: ls.self}
	if l.modern, err = marshal(res); err != nil {
		return nil, fmt.Errorf("mcpserver: marshal the tool list: %w", err)
	}
	return l, nil
}

// wireTool is a tool as MCP lists it. All hints are written out: what clients
// assume of an absent one differs.
func wireTool(t *catalog.Tool) *mcp.Tool {
	w := &mcp.Tool{
		Name: t.Slug, Title: t.Name, Description: t.Description,
		InputSchema: t.Input,
		Annotations: &mcp.ToolAnnotations{
			Title: t.Name, ReadOnlyHint: t.Hints.ReadOnly, IdempotentHint: t.Hints.Idempotent,
			DestructiveHint: new(t.Hints.Destructive), OpenWorldHint: new(t.Hints.OpenWorld),
		},
	}
	// Of other tools the structured content would be the envelope's data: they
	// answer with text alone, so no output schema binds them.
	if t.Verbatim && len(t.Output) > 0 {
		w.OutputSchema = t.Output
	}
	return w
}

// marshal is json.Marshal without HTML escapes, as the SDK writes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// rawResult is a result whose JSON is known already.
type rawResult struct {
	mcp.ResultBase
	json []byte
}

// MarshalJSON gives the known JSON.
func (r *rawResult) MarshalJSON() ([]byte, error) { return r.json, nil }

// answerList answers tools/list with cached bytes.
func answerList(w http.ResponseWriter, id json.RawMessage, result []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Content-Type-Options", "nosniff")
	head := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	head = append(head, `,"result":`...)
	h.Set("Content-Length", strconv.Itoa(len(head)+len(result)+1))
	w.WriteHeader(http.StatusOK)
	for _, part := range [][]byte{head, result, {'}'}} { // the list is large: it is not copied
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

// plain says whether a request can be answered without the SDK, as far as its
// frame tells.
func (f frame) plain(h http.Header) bool {
	return f.version == "2.0" && f.plainID() && len(h.Values("Last-Event-ID")) == 0
}

// plainList says whether a message is a tools/list request that needs nothing
// but the list. Whatever is odd about a message, the SDK shall say.
func plainList(f frame, h http.Header) (params map[string]json.RawMessage, ok bool) {
	if f.method != methodToolsList || !f.plain(h) {
		return nil, false
	}
	if len(f.params) == 0 {
		return nil, true
	}
	if params, ok = object(f.params); !ok {
		return nil, false
	}
	for name, value := range params {
		// Else it is a cursor, or what we do not know.
		if _, isObject := object(value); name != "_meta" || !isObject {
			return nil, false
		}
	}
	return params, true
}

// plainModernList is plainList for the modern era: the headers repeat the
// message, and _meta holds what it must.
func plainModernList(f frame, h http.Header) bool {
	params, ok := plainList(f, h)
	if !ok || h.Get("Mcp-Method") != methodToolsList {
		return false
	}
	_, ok = plainMeta(params["_meta"], h)
	return ok
}

// plainMeta reads a _meta of the modern era that is as it must be and asks for
// no event stream.
func plainMeta(raw json.RawMessage, h http.Header) (meta map[string]json.RawMessage, ok bool) {
	if meta, ok = object(raw); !ok {
		return nil, false
	}
	for name, value := range meta {
		switch name {
		case metaVersion:
			if string(value) != `"`+modernVersion+`"` {
				return nil, false
			}
		case metaCapabilities, metaClientInfo:
			// The SDK reads these into its types: let its own types judge.
			var into any = &mcp.ClientCapabilities{}
			if name == metaClientInfo {
				into = &mcp.Implementation{}
			}
			if _, isObject := object(value); !isObject || json.Unmarshal(value, into) != nil {
				return nil, false
			}
		case "progressToken", metaLogLevel:
			return nil, false // answered as an event stream
		}
	}
	return meta, meta[metaVersion] != nil && meta[metaCapabilities] != nil &&
		strings.EqualFold(h.Get("MCP-Protocol-Version"), modernVersion)
}
