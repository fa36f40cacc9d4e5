package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Bounds of a question to the logs.
const (
	defaultLogs = 20
	maxLogs     = 500
	maxFilters  = 20
	maxValue    = 512
)

func (s *server) logRoutes() {
	const tag = "logs"
	handle(s, operation{
		id: "searchLogs", method: http.MethodPost, path: "/logs/tool_execution", tag: tag,
		summary: "Search the log of tool calls, refused ones too; newest first",
	}, s.searchLogs)
	handle(s, operation{
		id: "getLog", method: http.MethodGet, path: "/logs/tool_execution/{id}", tag: tag,
		summary: "Get the record of one tool call",
	}, s.getLog)
	handle(s, operation{
		id: "searchActionLogs", method: http.MethodPost, path: "/internal/action_execution/logs", tag: tag,
		summary: "Search the log of tool calls, in an older form",
	}, s.searchActionLogs)
	handle(s, operation{
		id: "getActionLog", method: http.MethodGet, path: "/internal/action_execution/log/{id}", tag: tag,
		summary: "Get the record of one tool call, in an older form",
	}, s.getActionLog)
	handle(s, operation{
		id: "listActionLogFields", method: http.MethodGet, path: "/internal/action_execution/fields", tag: tag,
		summary: "List by what the log of tool calls can be searched",
	}, s.actionLogFields)
	s.exportRoute(tag)
}

// logField is a property by which the log is searched.
type logField struct {
	name, shown string
	columns     []store.ExecutionColumn
	fold        func(string) string // how a value is spelt in the records; nil: as it is
}

// logFields are the contract's fields, then ours.
var logFields = []logField{
	{"tool_slug", "Tool", []store.ExecutionColumn{store.ExecutionTool}, strings.ToUpper},
	{"toolkit_slug", "Toolkit", []store.ExecutionColumn{store.ExecutionToolkit}, strings.ToLower},
	{"connected_account_id", "Connected account", []store.ExecutionColumn{store.ExecutionAccount}, nil},
	{"auth_config_id", "Auth config", []store.ExecutionColumn{store.ExecutionAuthConfig}, nil},
	{"status", "Status", nil, nil}, // see statusTest
	{"user_id", "User", []store.ExecutionColumn{store.ExecutionUser}, nil},
	{"session_id", "Session", []store.ExecutionColumn{store.ExecutionSession}, nil},
	{"sandbox_id", "Sandbox", nil, nil}, // there are none
	{"request_id", "Request", []store.ExecutionColumn{store.ExecutionRequest}, nil},
	{"log_id", "Log id", []store.ExecutionColumn{store.ExecutionID}, nil},
	{"outcome", "Outcome", []store.ExecutionColumn{store.ExecutionOutcome}, strings.ToLower},
	{"error_code", "Error code", []store.ExecutionColumn{store.ExecutionErrorCode}, nil},
	{"message", "Error", []store.ExecutionColumn{store.ExecutionErrorMessage}, nil},
	{"upstream_request_id", "Request at the application", []store.ExecutionColumn{store.ExecutionUpstream}, nil},
	{"parent_log_id", "Log id of the multi-execute", []store.ExecutionColumn{store.ExecutionParent}, nil},
	{"door", "Door", []store.ExecutionColumn{store.ExecutionDoor}, nil},
	{"text", "Any text", []store.ExecutionColumn{
		store.ExecutionID, store.ExecutionTool, store.ExecutionUser, store.ExecutionSession, store.ExecutionAccount,
		store.ExecutionRequest, store.ExecutionUpstream, store.ExecutionErrorMessage,
	}, nil},
}

var logOperators = []string{"==", "!=", "contains", "not_contains"}

type logFilterIn struct {
	Field    string `json:"field" enum:"tool_slug,toolkit_slug,connected_account_id,auth_config_id,status,user_id,session_id,sandbox_id,request_id,log_id,outcome,error_code,message,upstream_request_id,parent_log_id,door,text"`
	Operator string `json:"operator" enum:"==,!=,contains,not_contains"`
	Value    string `json:"value" maxLength:"512"`
}

type timeRangeIn struct {
	From float64 `json:"from" doc:"Unix time in milliseconds, included"`
	To   float64 `json:"to" doc:"Unix time in milliseconds, not included"`
}

type searchLogsIn struct {
	Body struct {
		Limit   float64       `json:"limit,omitempty" doc:"Records on a page; brought into 1 to 500, 20 unless said otherwise"`
		Cursor  string        `json:"cursor,omitempty" doc:"Next page: next_cursor of the page before"`
		Filters []logFilterIn `json:"filters,omitempty" maxItems:"20" doc:"All of them hold"`
		Range   *timeRangeIn  `json:"time_range,omitempty"`
	}
}

type logsOut struct {
	Logs       []logOut `json:"logs"`
	NextCursor *string  `json:"next_cursor"`
}

func (s *server) searchLogs(ctx context.Context, in *searchLogsIn) (logsOut, error) {
	b := &in.Body
	q := store.ExecutionQuery{}
	var err error
	if q.Tests, err = logTests(b.Filters); err != nil {
		return logsOut{}, err
	}
	if b.Range != nil {
		if q.From, q.To, err = rangeOf("time_range.", b.Range.From, b.Range.To); err != nil {
			return logsOut{}, err
		}
	}
	if q.After, err = parseMark(b.Cursor); err != nil {
		return logsOut{}, err
	}
	limit := limitOf(b.Limit, defaultLogs, maxLogs)
	found, err := s.Execute.Logs(ctx, callerOf(ctx).principal.ProjectID, q, limit+1)
	if err != nil {
		return logsOut{}, err
	}
	out := logsOut{Logs: make([]logOut, 0, min(len(found), limit))}
	for i := range found[:min(len(found), limit)] {
		out.Logs = append(out.Logs, logWire(&found[i]))
	}
	if len(found) > limit {
		next := markText(&found[limit-1])
		out.NextCursor = &next
	}
	return out, nil
}

// limitOf brings a limit into its bounds; 0 is the usual.
func limitOf(limit float64, usual, most int) int {
	if limit == 0 || math.IsNaN(limit) {
		return usual
	}
	return int(min(max(limit, 1), float64(most)))
}

// rangeOf reads a range of time in milliseconds; 0 is no bound.
func rangeOf(prefix string, from, to float64) (time.Time, time.Time, error) {
	const most = 253402300799999 // the year 9999
	for _, b := range []struct {
		name string
		at   float64
	}{{"from", from}, {"to", to}} {
		if math.IsNaN(b.at) || b.at < 0 || b.at > most {
			return time.Time{}, time.Time{}, domain.Invalid(prefix+b.name, "%s%s: expected a Unix time in milliseconds", prefix, b.name)
		}
	}
	if to != 0 && to < from {
		return time.Time{}, time.Time{}, domain.Invalid(prefix+"to", "%sto: it is before %sfrom", prefix, prefix)
	}
	return ofMillis(from), ofMillis(to), nil
}

func ofMillis(ms float64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(ms * 1000)).UTC()
}

func millis(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }

// markText is a place in the log as a cursor: opaque to clients, nothing to keep
// for us, and the same however many records come meanwhile.
func markText(e *domain.Execution) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d:%s", e.StartedAt.UnixMicro(), e.ID))
}

func parseMark(cursor string) (store.Mark, error) {
	if cursor == "" {
		return store.Mark{}, nil
	}
	bad := domain.Invalid("cursor", "cursor: not one that this server gave").
		WithFix("Send the cursor of the page before, or none to begin.")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(cursor, "="))
	if err != nil || len(cursor) > 512 {
		return store.Mark{}, bad
	}
	at, id, ok := strings.Cut(string(raw), ":")
	us, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || us < 0 || us > math.MaxInt64/4 || id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return store.Mark{}, bad
	}
	return store.Mark{At: time.UnixMicro(us).UTC(), ID: id}, nil
}

// logTests reads filters. The field at fault is named with its place.
func logTests(filters []logFilterIn) ([]store.ExecutionTest, error) {
	if len(filters) > maxFilters {
		return nil, domain.Invalid("filters", "filters: %d are too many: expected at most %d", len(filters), maxFilters)
	}
	var out []store.ExecutionTest
	for i, f := range filters {
		t, err := logTest(fmt.Sprintf("filters[%d].", i), f.Field, f.Operator, f.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func logTest(at, field, operator, value string) (store.ExecutionTest, error) {
	var none store.ExecutionTest
	if !slices.Contains(logOperators, operator) {
		return none, domain.Invalid(at+"operator", "%soperator: expected one of %s", at, strings.Join(logOperators, ", "))
	}
	i := slices.IndexFunc(logFields, func(f logField) bool { return f.name == field })
	if i < 0 {
		return none, domain.Invalid(at+"field", "%sfield: expected one of %s", at, fieldNames())
	}
	if len(value) > maxValue {
		return none, domain.Invalid(at+"value", "%svalue: it has %d bytes: expected at most %d", at, len(value), maxValue)
	}
	f := logFields[i]
	t := store.ExecutionTest{
		Columns: f.columns, Values: []string{value},
		Contains: strings.HasSuffix(operator, "contains"), Not: operator == "!=" || operator == "not_contains",
	}
	if t.Contains && value == "" {
		return none, domain.Invalid(at+"value", "%svalue: expected the text that %s contains", at, field)
	}
	switch field {
	case "status":
		return statusTest(at, t)
	case "sandbox_id": // every record has an empty one
		holds := (t.Contains || value != "") == t.Not
		return store.ExecutionTest{Columns: []store.ExecutionColumn{store.ExecutionID}, Values: []string{""}, Not: holds}, nil
	}
	if f.fold != nil && !t.Contains {
		t.Values[0] = f.fold(value)
	}
	return t, nil
}

func fieldNames() string {
	names := make([]string, 0, len(logFields))
	for _, f := range logFields {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// statusTest asks for outcomes by the wire's word for them.
func statusTest(at string, t store.ExecutionTest) (store.ExecutionTest, error) {
	value := strings.ToLower(t.Values[0])
	if !t.Contains && value != "success" && value != "failed" {
		return t, domain.Invalid(at+"value", "%svalue: expected success or failed, or the field outcome", at)
	}
	t.Columns, t.Values = []store.ExecutionColumn{store.ExecutionOutcome}, nil
	for _, o := range []domain.Outcome{
		domain.OutcomeOK, domain.OutcomeAsked, domain.OutcomeFailed, domain.OutcomeRefused, domain.OutcomeCanceled,
	} {
		if status, _ := statusOf(o); status == value || (t.Contains && strings.Contains(status, value)) {
			t.Values = append(t.Values, string(o))
		}
	}
	if len(t.Values) == 0 {
		t.Values = []string{""} // no record has that
	}
	t.Contains = false
	return t, nil
}

// statusOf gives the wire's status and level. A question to the person is no
// failure.
func statusOf(o domain.Outcome) (status, level string) {
	switch o {
	case domain.OutcomeOK, domain.OutcomeAsked:
		return "success", "info"
	case domain.OutcomeCanceled:
		return "failed", "warn"
	}
	return "failed", "error"
}

type logOut struct {
	ID        string      `json:"id"`
	Timestamp string      `json:"timestamp"`
	Type      string      `json:"type" enum:"tool.execution"`
	Status    string      `json:"status" enum:"success,failed"`
	Level     string      `json:"level" enum:"info,error,warn"`
	Message   string      `json:"message,omitempty" doc:"What the caller was told, of a call that failed"`
	Metadata  logMetadata `json:"metadata"`
	Metrics   logMetrics  `json:"metrics"`
	Parent    *logParent  `json:"parent" doc:"The multi-execute that the call is a part of"`
}

type logMetadata struct {
	ToolSlug       string         `json:"tool_slug"`
	ToolkitSlug    string         `json:"toolkit_slug"`
	ToolkitVersion string         `json:"toolkit_version"`
	UserID         string         `json:"user_id"`
	SessionID      string         `json:"session_id"`
	AccountID      string         `json:"connected_account_id"`
	AuthConfigID   string         `json:"auth_config_id"`
	Outcome        domain.Outcome `json:"outcome" enum:"ok,failed,refused,canceled,asked"`
	ErrorCode      string         `json:"error_code"`
	Door           string         `json:"door" doc:"Where the call came in"`
	KeyID          string         `json:"api_key_id"`
	RequestID      string         `json:"request_id"`
	UpstreamID     string         `json:"upstream_request_id" doc:"Of the application's last answer"`
	UpstreamStatus int            `json:"upstream_status" doc:"HTTP status of the application's last answer; 0 when there was none"`
}

type logMetrics struct {
	DurationMS    float64 `json:"duration_ms"`
	ArgsSize      int     `json:"arguments_bytes"`
	ResultSize    int     `json:"result_bytes"`
	UpstreamCalls int     `json:"upstream_requests"`
}

type logParent struct {
	LogID    string `json:"log_id"`
	ToolSlug string `json:"tool_slug"`
}

func logWire(e *domain.Execution) logOut {
	out := logOut{
		ID: e.ID, Timestamp: wireTime(e.StartedAt), Type: "tool.execution", Message: e.Error,
		Metadata: logMetadata{
			ToolSlug: e.Tool, ToolkitSlug: e.Toolkit, ToolkitVersion: e.Version, UserID: e.UserID, SessionID: e.SessionID,
			AccountID: e.AccountID, AuthConfigID: e.AuthConfigID, Outcome: e.Outcome, ErrorCode: string(e.ErrorCode), Door: e.Door,
			KeyID: e.KeyID, RequestID: e.RequestID, UpstreamID: e.UpstreamID, UpstreamStatus: e.UpstreamStatus,
		},
		Metrics: logMetrics{
			DurationMS: float64(e.Duration.Microseconds()) / 1000, ArgsSize: e.ArgsSize, ResultSize: e.ResultSize, UpstreamCalls: e.UpstreamCalls,
		},
	}
	out.Status, out.Level = statusOf(e.Outcome)
	if e.ParentID != "" {
		out.Parent = &logParent{LogID: e.ParentID, ToolSlug: e.ParentTool}
	}
	return out
}

type logDetailOut struct {
	logOut
	Timings logTimings `json:"timings"`
	Context logContext `json:"context"`
	Source  struct{}   `json:"source"`
	Data    logData    `json:"data"`
}

type logTimings struct {
	Start float64 `json:"start_time" doc:"Unix time in milliseconds"`
	End   float64 `json:"end_time" doc:"Unix time in milliseconds"`
}

type logContext struct {
	SessionID string `json:"session_id,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

type logData struct {
	Arguments  object `json:"arguments" doc:"What is kept of them"`
	ArgsDigest string `json:"arguments_sha256" doc:"Of the arguments as JSON with sorted keys and without spaces"`
	Note       string `json:"arguments_note,omitempty" doc:"Why there are none"`
	Error      string `json:"error,omitempty"`
}

func (s *server) logDetail(ctx context.Context, e *domain.Execution) logDetailOut {
	args, unreadable := s.Execute.Arguments(ctx, e)
	out := logDetailOut{
		logOut:  logWire(e),
		Timings: logTimings{Start: millis(e.StartedAt), End: millis(e.StartedAt.Add(e.Duration))},
		Context: logContext{SessionID: e.SessionID, RequestID: e.RequestID},
		Data:    logData{Arguments: object(args), ArgsDigest: fmt.Sprintf("%x", e.ArgsDigest), Error: e.Error},
	}
	switch {
	case unreadable:
		out.Data.Note = "they cannot be read any more: the key that they were sealed with has been retired"
	case args == nil && e.ArgsSize > len("{}"):
		out.Data.Note = "they were not kept"
	}
	return out
}

func (s *server) getLog(ctx context.Context, in *IDPath) (logDetailOut, error) {
	e, err := s.Execute.Log(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return logDetailOut{}, err
	}
	return s.logDetail(ctx, &e), nil
}
