package mcpserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
)

// JSON-RPC error codes. Those from -32000 to -32019 are the implementation's own.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeRefused        = -32000 // not served: key, limits, origin
	codeNoSession      = -32001
	codeCancelled      = -32003
	codeHeaderMismatch = -32020 // of the specification, 2026-07-28
)

// wireError is a JSON-RPC error response to a request whose id is not known.
type wireError struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// errorBody gives the body of an error response; a nil id is null.
func errorBody(id json.RawMessage, code int, message string) []byte {
	if id == nil {
		id = json.RawMessage("null")
	}
	e := wireError{JSONRPC: "2.0", ID: id}
	e.Error.Code, e.Error.Message = code, message
	data, err := json.Marshal(e)
	if err != nil { // an id that is not JSON, which parse would have refused
		return errorBody(nil, code, message)
	}
	return data
}

// refuse answers a request that reaches no tool.
func refuse(w http.ResponseWriter, status, code int, format string, args ...any) {
	refuseID(w, status, nil, code, fmt.Sprintf(format, args...))
}

func refuseID(w http.ResponseWriter, status int, id json.RawMessage, code int, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(errorBody(id, code, message), '\n'))
}

// refuseError answers with an error of a service.
func refuseError(w http.ResponseWriter, err error) {
	e := domain.AsError(err)
	message := sentence(e)
	status, code := http.StatusInternalServerError, codeInternal
	switch e.Code {
	case domain.CodeUnauthenticated:
		// No resource_metadata: clients would start an OAuth flow that leads nowhere.
		w.Header().Set("WWW-Authenticate", `Bearer realm="sluice"`)
		status, code = http.StatusUnauthorized, codeRefused
	case domain.CodeNotFound:
		status, code = http.StatusNotFound, codeNoSession
	case domain.CodeForbidden:
		status, code = http.StatusForbidden, codeRefused
	case domain.CodeInvalid:
		status, code = http.StatusBadRequest, codeInvalidRequest
	case domain.CodeRateLimited:
		setRetryAfter(w, e.RetryAfter)
		status, code = http.StatusTooManyRequests, codeRefused
	case domain.CodeUnavailable, domain.CodeCanceled:
		setRetryAfter(w, e.RetryAfter)
		status, code = http.StatusServiceUnavailable, codeRefused
	}
	refuse(w, status, code, "%s", message)
}

func setRetryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, policy.Seconds(d))))
}
