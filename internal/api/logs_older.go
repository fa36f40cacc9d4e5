package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// sameMoment is how many records of one moment a page of the older form may have
// beyond its limit: its cursor is a number, and names a moment alone.
const sameMoment = 100

type actionSearchIn struct {
	Field     string `json:"field,omitempty" maxLength:"64"`
	Operation string `json:"operation,omitempty" maxLength:"32"`
	Value     string `json:"value,omitempty" maxLength:"512"`
}

type searchActionLogsIn struct {
	Body struct {
		Cursor *float64         `json:"cursor,omitempty" doc:"Next page: nextCursor of the page before"`
		Limit  float64          `json:"limit,omitempty" doc:"Records on a page; brought into 1 to 500, 20 unless said otherwise"`
		Case   bool             `json:"case_sensitive,omitempty" doc:"For contains and not_contains"`
		From   float64          `json:"from,omitempty" doc:"Unix time in milliseconds, included"`
		To     float64          `json:"to,omitempty" doc:"Unix time in milliseconds, not included"`
		Search []actionSearchIn `json:"search_params,omitempty" maxItems:"20" doc:"All of them hold; see /internal/action_execution/fields"`
	}
}

type actionLogOut struct {
	ID          string    `json:"id"`
	ActionKey   string    `json:"actionKey"`
	AppKey      string    `json:"appKey"`
	App         actionApp `json:"app"`
	AccountID   string    `json:"connectedAccountId"`
	EntityID    string    `json:"entityId"`
	Status      string    `json:"status" enum:"success,failed"`
	TookMS      float64   `json:"executionTime" doc:"Milliseconds"`
	Response    string    `json:"minimalResponse"`
	CreatedAtMS float64   `json:"createdAt" doc:"Unix time in milliseconds"`
}

type actionApp struct {
	Icon string `json:"icon"`
	Name string `json:"name"`
}

type actionLogsOut struct {
	Data       []actionLogOut `json:"data"`
	NextCursor *float64       `json:"nextCursor"`
}

// olderFields are the older names of what the log is searched by.
var olderFields = map[string]string{
	"actionKey": "tool_slug", "appKey": "toolkit_slug", "connectedAccountId": "connected_account_id", "entityId": "user_id",
	"sessionId": "session_id", "id": "log_id", "requestId": "request_id", "authConfigId": "auth_config_id",
}

// olderOperations are the words for the operators that older callers use.
var olderOperations = map[string]string{
	"": "==", "equals": "==", "eq": "==", "=": "==", "is": "==", "not_equals": "!=", "neq": "!=", "notEquals": "!=", "notContains": "not_contains",
}

func (s *server) searchActionLogs(ctx context.Context, in *searchActionLogsIn) (actionLogsOut, error) {
	b := &in.Body
	var none actionLogsOut
	q := store.ExecutionQuery{}
	var err error
	if q.From, q.To, err = rangeOf("", b.From, b.To); err != nil {
		return none, err
	}
	for i, p := range b.Search {
		field, operation := p.Field, p.Operation
		if newer, ok := olderFields[field]; ok {
			field = newer
		}
		if newer, ok := olderOperations[operation]; ok {
			operation = newer
		}
		t, err := logTest(fmt.Sprintf("search_params[%d].", i), field, operation, p.Value)
		if err != nil {
			return none, err
		}
		t.Case = b.Case
		q.Tests = append(q.Tests, t)
	}
	if c := b.Cursor; c != nil {
		if math.IsNaN(*c) || *c < 0 || *c >= 1<<53 || *c != math.Trunc(*c) {
			return none, domain.Invalid("cursor", "cursor: expected nextCursor of the page before")
		}
		if before := time.UnixMicro(int64(*c)).UTC(); q.To.IsZero() || before.Before(q.To) {
			q.To = before
		}
	}
	limit := limitOf(b.Limit, defaultLogs, maxLogs)
	found, err := s.Execute.Logs(ctx, callerOf(ctx).principal.ProjectID, q, limit+sameMoment)
	if err != nil {
		return none, err
	}
	shown := min(len(found), limit)
	for shown > 0 && shown < len(found) && found[shown].StartedAt.Equal(found[shown-1].StartedAt) {
		shown++
	}
	out := actionLogsOut{Data: make([]actionLogOut, 0, shown)}
	for i := range found[:shown] {
		out.Data = append(out.Data, s.actionLogWire(ctx, &found[i]))
	}
	if shown < len(found) {
		next := float64(found[shown-1].StartedAt.UnixMicro())
		out.NextCursor = &next
	}
	return out, nil
}

// appOf gives name and logo of a record's toolkit, as the catalogue has it now.
func (s *server) appOf(ctx context.Context, e *domain.Execution) actionApp {
	if e.Toolkit == "" {
		return actionApp{}
	}
	tk, err := s.Catalog.Toolkit(ctx, e.ProjectID, e.Toolkit)
	if err != nil {
		return actionApp{Name: e.Toolkit}
	}
	return actionApp{Icon: tk.Logo, Name: tk.Name}
}

func (s *server) actionLogWire(ctx context.Context, e *domain.Execution) actionLogOut {
	status, _ := statusOf(e.Outcome)
	return actionLogOut{
		ID: e.ID, ActionKey: e.Tool, AppKey: e.Toolkit, App: s.appOf(ctx, e), AccountID: e.AccountID, EntityID: e.UserID, Status: status,
		TookMS: float64(e.Duration.Microseconds()) / 1000, Response: e.Error, CreatedAtMS: millis(e.StartedAt),
	}
}

type actionDetailOut struct {
	ID         string           `json:"actionLogId"`
	ActionID   string           `json:"actionId"`
	Status     string           `json:"status" enum:"success,error,warning,info"`
	App        actionAppDetail  `json:"app"`
	Version    string           `json:"version"`
	Connection actionConnection `json:"connection"`
	Session    logContext       `json:"session"`
	Metadata   logMetadata      `json:"executionMetadata"`
	Steps      []actionStep     `json:"steps"`
	Payload    object           `json:"payloadReceived"`
	StartMS    float64          `json:"startTime" doc:"Unix time in milliseconds"`
	EndMS      float64          `json:"endTime" doc:"Unix time in milliseconds"`
	Duration   string           `json:"totalDuration" doc:"Such as 12.345ms"`
	Response   logMetrics       `json:"response" doc:"Sizes: results are not kept"`
	Error      object           `json:"error"`
}

type actionAppDetail struct {
	Name string `json:"name"`
	ID   string `json:"uniqueId"`
	Icon string `json:"icon"`
}

type actionConnection struct {
	ID     string `json:"id"`
	Entity string `json:"entity"`
}

type actionStep struct {
	Type     string  `json:"type" enum:"tool_execution,fetch_connection_details"`
	StartMS  float64 `json:"startTime"`
	EndMS    float64 `json:"endTime"`
	Duration float64 `json:"totalDuration" doc:"Milliseconds"`
	Status   string  `json:"status" enum:"success,failure,error"`
	Message  string  `json:"message"`
}

func (s *server) getActionLog(ctx context.Context, in *IDPath) (actionDetailOut, error) {
	e, err := s.Execute.Log(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return actionDetailOut{}, err
	}
	d, app := s.logDetail(ctx, &e), s.appOf(ctx, &e)
	out := actionDetailOut{
		ID: e.ID, ActionID: e.Tool, App: actionAppDetail{Name: app.Name, ID: e.Toolkit, Icon: app.Icon}, Version: e.Version,
		Connection: actionConnection{ID: e.AccountID, Entity: e.UserID}, Session: d.Context, Metadata: d.Metadata,
		Payload: d.Data.Arguments, StartMS: d.Timings.Start, EndMS: d.Timings.End, Duration: e.Duration.String(), Response: d.Metrics,
	}
	step := actionStep{
		Type: "tool_execution", StartMS: out.StartMS, EndMS: out.EndMS, Duration: d.Metrics.DurationMS, Status: "success", Message: string(e.Outcome),
	}
	out.Status = "success"
	if d.Status == "failed" {
		out.Status, step.Status, step.Message = "error", "failure", e.Error
		if e.Outcome == domain.OutcomeCanceled {
			out.Status = "warning"
		}
		raw, err := json.Marshal(map[string]string{"message": e.Error, "code": string(e.ErrorCode)})
		if err != nil {
			return actionDetailOut{}, domain.Internal("writing a log", err)
		}
		out.Error = object(raw)
	}
	out.Steps = []actionStep{step}
	return out, nil
}

type actionFieldsOut struct {
	Fields map[string][]actionField `json:"fields"`
}

type actionField struct {
	ID    string `json:"id"`
	Name  string `json:"displayName"`
	Type  string `json:"type"`
	Regex string `json:"regex,omitempty"`
}

func (s *server) actionLogFields(context.Context, *struct{}) (actionFieldsOut, error) {
	var list []actionField
	for _, f := range logFields {
		field := actionField{ID: f.name, Name: f.shown, Type: "string"}
		if f.name == "status" {
			field.Regex = "^(success|failed)$"
		}
		list = append(list, field)
	}
	ops := make([]actionField, 0, len(logOperators))
	for _, o := range logOperators {
		ops = append(ops, actionField{ID: o, Name: strings.ReplaceAll(o, "_", " "), Type: "operator"})
	}
	return actionFieldsOut{Fields: map[string][]actionField{"fields": list, "operations": ops}}, nil
}
