package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func (s *server) triggerLogRoutes() {
	handle(s, operation{
		id: "searchTriggerLogs", method: http.MethodPost, path: "/internal/trigger/logs", tag: "logs",
		summary: "Search the events of triggers, with what became of them; newest first",
	}, s.searchTriggerLogs)
	handle(s, operation{
		id: "getTriggerLog", method: http.MethodGet, path: "/internal/trigger/log/{id}", tag: "logs",
		summary: "Get an event of a trigger, with what became of it",
	}, s.getTriggerLog)
}

type searchTriggerLogsIn struct {
	Body struct {
		Time    string           `json:"time,omitempty" enum:"5m,30m,6h,1d,1w,1month,1y" doc:"Only of so long ago until now"`
		From    *float64         `json:"from,omitempty" nullable:"true" doc:"Unix time in milliseconds, included"`
		To      *float64         `json:"to,omitempty" nullable:"true" doc:"Unix time in milliseconds, not included"`
		Status  string           `json:"status,omitempty" enum:"all,success,error"`
		Search  string           `json:"search,omitempty" maxLength:"512" doc:"Part of an id, a type or a user"`
		Config  string           `json:"integrationId,omitempty" maxLength:"128" doc:"Only of this auth config"`
		Entity  string           `json:"entityId,omitempty" maxLength:"256" doc:"Only of this user"`
		User    string           `json:"userId,omitempty" maxLength:"256" doc:"Only of this user"`
		Limit   *float64         `json:"limit,omitempty" nullable:"true" doc:"Records on a page; brought into 1 to 500, 20 unless said otherwise"`
		Cursor  *string          `json:"cursor,omitempty" nullable:"true" doc:"Next page: nextCursor of the page before"`
		Params  []actionSearchIn `json:"search_params,omitempty" maxItems:"20" nullable:"false" doc:"All of them hold. Fields: id, trigger_id, trigger_name, connected_account_id, auth_config_id, user_id"`
		Payload bool             `json:"include_payload,omitempty" doc:"With what the events hold"`
	}
}

type triggerLogsOut struct {
	Data []triggerLogOut `json:"data"`
	Next *string         `json:"nextCursor"`
}

type triggerLogOut struct {
	ID        string         `json:"id"`
	AccountID string         `json:"connectionId"`
	ProjectID string         `json:"clientId"`
	UserID    string         `json:"entityId"`
	Status    string         `json:"status" enum:"success,error,pending" doc:"success: taken by its endpoint, or wanted by none; error: refused last, or given up"`
	Toolkit   string         `json:"appName"`
	CreatedAt string         `json:"createdAt"`
	Type      string         `json:"type" enum:"trigger"`
	Meta      triggerLogMeta `json:"meta"`
}

type triggerLogMeta struct {
	ID        string `json:"id"`
	Type      string `json:"type" enum:"trigger"`
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt" doc:"When its delivery ended"`
	Provider  string `json:"provider"`
	ProjectID string `json:"clientId"`
	AccountID string `json:"connectionId"`
	Payload   string `json:"triggerProviderPayload,omitempty" doc:"JSON of what the event holds"`
	Sent      string `json:"triggerClientPayload,omitempty" doc:"The same: the envelope is the webhook's"`
	Problem   string `json:"triggerClientError,omitempty" doc:"Why the last attempt to deliver it failed"`
	Name      string `json:"triggerName,omitempty"`
	Answer    string `json:"triggerClientResponse,omitempty" doc:"Status and beginning of the endpoint's last answer"`
	TriggerID string `json:"triggerId,omitempty"`
	NanoID    string `json:"triggerNanoId,omitempty"`
}

// agos are the contract's words for a time until now.
var agos = map[string]time.Duration{
	"5m": 5 * time.Minute, "30m": 30 * time.Minute, "6h": 6 * time.Hour, "1d": 24 * time.Hour,
	"1w": 7 * 24 * time.Hour, "1month": 30 * 24 * time.Hour, "1y": 365 * 24 * time.Hour,
}

// triggerFields are what the log of triggers is searched by.
var triggerFields = map[string]store.LogField{
	"id": store.LogID, "trigger_id": store.LogTriggerID, "trigger_name": store.LogTrigger, "connected_account_id": store.LogAccount,
	"auth_config_id": store.LogAuthConfig, "user_id": store.LogUser,
}

func (s *server) searchTriggerLogs(ctx context.Context, in *searchTriggerLogsIn) (triggerLogsOut, error) {
	b := &in.Body
	f, err := triggerLogFilter(in, s.Now())
	if err != nil {
		return triggerLogsOut{}, err
	}
	var asked float64
	if b.Limit != nil {
		asked = *b.Limit
	}
	limit := limitOf(asked, defaultLogs, maxLogs)
	found, err := s.Triggers.Logs(ctx, callerOf(ctx).principal.ProjectID, f, limit+1)
	if err != nil {
		return triggerLogsOut{}, err
	}
	out := triggerLogsOut{Data: make([]triggerLogOut, 0, min(limit, len(found)))}
	if len(found) > limit {
		found = found[:limit]
		last := &found[limit-1]
		next := markText(&domain.Execution{ID: last.ID, StartedAt: last.CreatedAt})
		out.Next = &next
	}
	for i := range found {
		out.Data = append(out.Data, s.triggerLogWire(ctx, &found[i], b.Payload))
	}
	return out, nil
}

func triggerLogFilter(in *searchTriggerLogsIn, now time.Time) (f store.TriggerLogFilter, err error) {
	b := &in.Body
	var from, to float64
	if b.From != nil {
		from = *b.From
	}
	if b.To != nil {
		to = *b.To
	}
	if f.From, f.To, err = rangeOf("", from, to); err != nil {
		return f, err
	}
	if ago, ok := agos[b.Time]; ok && now.Add(-ago).After(f.From) {
		f.From = now.Add(-ago)
	}
	f.Search = b.Search
	if b.Status != "all" {
		f.Status = store.LogStatus(b.Status)
	}
	for _, m := range []store.LogMatch{{Field: store.LogAuthConfig, Value: b.Config}, {Field: store.LogUser, Value: b.Entity}, {Field: store.LogUser, Value: b.User}} {
		if m.Value != "" {
			f.Match = append(f.Match, m)
		}
	}
	for i, p := range b.Params {
		m, err := triggerLogMatch(fmt.Sprintf("search_params[%d].", i), p)
		if err != nil {
			return f, err
		}
		f.Match = append(f.Match, m)
	}
	if b.Cursor != nil {
		mark, err := parseMark(*b.Cursor)
		if err != nil {
			return f, err
		}
		f.BeforeAt, f.BeforeID = mark.At, mark.ID
	}
	return f, nil
}

func triggerLogMatch(at string, p actionSearchIn) (store.LogMatch, error) {
	operation := p.Operation
	if newer, ok := olderOperations[operation]; ok {
		operation = newer
	}
	field, known := triggerFields[p.Field]
	switch {
	case !known:
		return store.LogMatch{}, domain.Invalid(at+"field", "%sfield: expected one of %s", at, strings.Join(slices.Sorted(maps.Keys(triggerFields)), ", "))
	case !slices.Contains(logOperators, operation):
		return store.LogMatch{}, domain.Invalid(at+"operation", "%soperation: expected one of %s", at, strings.Join(logOperators, ", "))
	}
	return store.LogMatch{Field: field, Value: p.Value, Part: strings.HasSuffix(operation, "contains"), Not: operation == "!=" || operation == "not_contains"}, nil
}

type triggerLogBody struct {
	Log triggerLogOut `json:"log"`
}

func (s *server) getTriggerLog(ctx context.Context, in *IDPath) (triggerLogBody, error) {
	l, err := s.Triggers.Log(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return triggerLogBody{}, err
	}
	return triggerLogBody{s.triggerLogWire(ctx, &l, true)}, nil
}

func (s *server) triggerLogWire(ctx context.Context, l *store.TriggerLog, payload bool) triggerLogOut {
	toolkit, _, _ := strings.Cut(strings.ToLower(l.Trigger), "_")
	if t, err := s.Catalog.Trigger(ctx, l.ProjectID, l.Trigger, ""); err == nil {
		toolkit = t.Toolkit.Slug
	}
	d := &l.Delivery
	out := triggerLogOut{
		ID: l.ID, AccountID: l.AccountID, ProjectID: l.ProjectID, UserID: l.UserID, Status: "success", Toolkit: toolkit,
		CreatedAt: wireTime(l.CreatedAt), Type: "trigger",
		Meta: triggerLogMeta{
			ID: l.ID, Type: "trigger", CreatedAt: wireTime(l.CreatedAt), UpdatedAt: wireTime(l.CreatedAt), Provider: toolkit,
			ProjectID: l.ProjectID, AccountID: l.AccountID, Name: l.Trigger, TriggerID: l.Source, NanoID: l.Source, Problem: d.LastError,
		},
	}
	switch {
	case d.ID == "" || d.State == domain.DeliveryDelivered:
	case d.State == domain.DeliveryDead || d.LastError != "":
		out.Status = "error"
	default:
		out.Status = "pending"
	}
	if !d.EndedAt.IsZero() {
		out.Meta.UpdatedAt = wireTime(d.EndedAt)
	}
	if d.LastStatus != 0 {
		out.Meta.Answer = strings.TrimSpace(fmt.Sprintf("%d %s", d.LastStatus, l.Excerpt))
	}
	if payload {
		out.Meta.Payload, out.Meta.Sent = string(l.Payload), string(l.Payload)
	}
	return out
}
