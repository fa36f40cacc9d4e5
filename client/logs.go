package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Log is the record of one tool call.
type Log struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"` // when the call began
	Status    string    `json:"status"`    // success or failed
	Level     string    `json:"level"`     // info, warn or error
	Message   string    `json:"message,omitempty"`
	Metadata  struct {
		Tool           string `json:"tool_slug"`
		Toolkit        string `json:"toolkit_slug"`
		Version        string `json:"toolkit_version"`
		UserID         string `json:"user_id"`
		SessionID      string `json:"session_id"`
		AccountID      string `json:"connected_account_id"`
		AuthConfigID   string `json:"auth_config_id"`
		Outcome        string `json:"outcome"` // ok, failed, refused, canceled or asked
		ErrorCode      string `json:"error_code"`
		Door           string `json:"door"`
		KeyID          string `json:"api_key_id"`
		RequestID      string `json:"request_id"`
		UpstreamID     string `json:"upstream_request_id"`
		UpstreamStatus int    `json:"upstream_status"`
	} `json:"metadata"`
	Metrics struct {
		DurationMS       float64 `json:"duration_ms"`
		ArgumentBytes    int     `json:"arguments_bytes"`
		ResultBytes      int     `json:"result_bytes"`
		UpstreamRequests int     `json:"upstream_requests"`
	} `json:"metrics"`
	// Parent is the multi-execute that the call is a part of.
	Parent *struct {
		LogID string `json:"log_id"`
		Tool  string `json:"tool_slug"`
	} `json:"parent"`
	// Data is set in what Client.Log and Client.ExportLogs give.
	Data *LogData `json:"data,omitempty"`
	// Cursor is set in what Client.ExportLogs gives: where to go on.
	Cursor string `json:"cursor,omitempty"`
}

// LogData is what is kept of a call's arguments.
type LogData struct {
	Arguments       json.RawMessage `json:"arguments"`
	ArgumentsSHA256 string          `json:"arguments_sha256"`
	Note            string          `json:"arguments_note,omitempty"` // why there are none
}

// LogQuery narrows a list of logs; empty fields do not.
type LogQuery struct {
	UserID, Tool, Toolkit, SessionID string
	Status                           string // success or failed
	Outcome                          string // ok, failed, refused, canceled or asked
	Text                             string // in ids, tool, user or error
	From, To                         time.Time
	Cursor                           string // of ExportLogs: go on after this record
}

func (q *LogQuery) each(use func(name, value string)) {
	for _, f := range [][2]string{
		{"user_id", q.UserID},
		{"tool_slug", q.Tool},
		{"toolkit_slug", q.Toolkit},
		{"session_id", q.SessionID},
		{"status", q.Status},
		{"outcome", q.Outcome},
		{"text", q.Text},
	} {
		if f[1] != "" {
			use(f[0], f[1])
		}
	}
}

// Logs lists the records of tool calls, newest first. Cursor is not heeded.
func (c *Client) Logs(ctx context.Context, q LogQuery) iter.Seq2[Log, error] {
	type filter struct {
		Field    string `json:"field"`
		Operator string `json:"operator"`
		Value    string `json:"value"`
	}
	filters := []filter{}
	q.each(func(name, value string) {
		operator := "=="
		if name == "text" {
			operator = "contains"
		}
		filters = append(filters, filter{Field: name, Operator: operator, Value: value})
	})
	in := map[string]any{"limit": 100, "filters": filters}
	if !q.From.IsZero() || !q.To.IsZero() {
		in["time_range"] = map[string]float64{"from": unixMillis(q.From), "to": unixMillis(q.To)}
	}
	return asked[Log](ctx, c, "/logs/tool_execution", in)
}

// Log gives one record, with what is kept of the arguments.
func (c *Client) Log(ctx context.Context, id string) (*Log, error) {
	var l Log
	if err := c.do(ctx, http.MethodGet, "/logs/tool_execution/"+url.PathEscape(id), nil, nil, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

// maxLogLine bounds one line of an export.
const maxLogLine = 1 << 20

// exportBatch is how many records are asked for at a time.
const exportBatch = 2000

// ExportLogs gives the records of tool calls, the oldest first, each as the line
// of JSON that it is; decode it into a [Log] where its fields are wanted. It holds
// one record at a time. After an error, or later, go on with the Cursor of the
// last record.
func (c *Client) ExportLogs(ctx context.Context, q LogQuery) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		v := values(map[string]string{"from": moment(q.From), "to": moment(q.To), "cursor": q.Cursor}, nil)
		v.Set("limit", strconv.Itoa(exportBatch))
		q.each(v.Set)
		for {
			n, err := c.exportPart(ctx, v, yield)
			switch {
			case err != nil:
				yield(nil, err)
				return
			case n <= 0:
				return
			}
		}
	}
}

// exportPart reads one answer and sets the cursor after it. It gives the number
// of its records, or -1 when no more are wanted.
func (c *Client) exportPart(ctx context.Context, v url.Values, yield func(json.RawMessage, error) bool) (n int, err error) {
	whole := ctx
	ctx, p := newPulse(ctx, stall)
	defer p.stop()
	req, err := c.request(ctx, http.MethodGet, "/sluice/logs/export", v, nil)
	if err != nil {
		return 0, err
	}
	res, err := c.send(c.patient(), req)
	if err != nil {
		return 0, exportBroke(whole, 0, p.why(ctx, err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return 0, decode(ctx, res, nil)
	}
	lines := bufio.NewScanner(&felt{Reader: res.Body, p: p})
	lines.Buffer(make([]byte, 0, 64<<10), maxLogLine)
	for lines.Scan() {
		var l struct {
			Cursor string `json:"cursor"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Cursor == "" {
			return n, &Error{Status: res.StatusCode, Message: "the export broke off in the midst of a record", Fix: "Go on with the last cursor."}
		}
		n++
		v.Set("cursor", l.Cursor)
		p.rest()
		if !yield(bytes.Clone(lines.Bytes()), nil) {
			return -1, nil
		}
		p.beat()
	}
	if err := lines.Err(); err != nil {
		return n, exportBroke(whole, res.StatusCode, p.why(ctx, err))
	}
	return n, nil
}

func exportBroke(ctx context.Context, status int, err error) error {
	var e *Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &e):
		return e
	case errors.Is(err, bufio.ErrTooLong):
		return &Error{Status: status, Message: "a record of the export is longer than 1 MiB"}
	}
	return broken(status, "the export broke off", err, "Go on with the last cursor.")
}
