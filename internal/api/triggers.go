package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/trigger"
)

func (s *server) triggerRoutes() {
	const tag = "triggers"
	versions := param{"toolkit_versions", huma.TypeString, "A version for every toolkit, latest, or toolkit_versions[slug]=version"}
	handle(s, operation{
		id: "listTriggerTypes", method: http.MethodGet, path: "/triggers_types", tag: tag, summary: "List trigger types",
		query: paged(param{"toolkit_slugs", huma.TypeArray, "Only of these toolkits"}, versions),
	}, s.listTriggerTypes)
	handle(s, operation{
		id: "listTriggerSlugs", method: http.MethodGet, path: "/triggers_types/list/enum", tag: tag, summary: "List the slugs of all trigger types",
	}, s.triggerSlugs)
	handle(s, operation{
		id: "getTriggerType", method: http.MethodGet, path: "/triggers_types/{slug}", tag: tag, summary: "Get a trigger type",
		query: []param{versions},
	}, s.getTriggerType)
	handle(s, operation{
		id: "upsertTrigger", method: http.MethodPost, path: "/trigger_instances/{slug}/upsert", tag: tag,
		summary: "Make a trigger instance, or enable the one with the same account and configuration. The configuration is tried against the application",
	}, s.upsertTrigger)
	handle(s, operation{
		id: "listTriggers", method: http.MethodGet, path: "/trigger_instances/active", tag: tag, summary: "List trigger instances, newest first",
		query: paged(
			param{"user_ids", huma.TypeArray, "Only of these users"},
			param{"connected_account_ids", huma.TypeArray, "Only on these accounts"},
			param{"auth_config_ids", huma.TypeArray, "Only on accounts of these auth configs"},
			param{"trigger_ids", huma.TypeArray, "Only these instances"},
			param{"trigger_names", huma.TypeArray, "Only of these types"},
			param{"show_disabled", huma.TypeBoolean, "Disabled ones too"},
		),
	}, s.listTriggers)
	handle(s, operation{
		id: "manageTrigger", method: http.MethodPatch, path: "/trigger_instances/manage/{triggerId}", tag: tag,
		summary: "Enable or disable a trigger instance; 409 when it is so already",
	}, s.manageTrigger)
	handle(s, operation{
		id: "deleteTrigger", method: http.MethodDelete, path: "/trigger_instances/manage/{triggerId}", tag: tag,
		summary: "Delete a trigger instance; its events stay",
	}, s.deleteTrigger)
	handle(s, operation{
		id: "testTrigger", method: http.MethodPost, path: ownPrefix + "/triggers/test", tag: tag, status: http.StatusCreated,
		summary: "Publish a made-up event of a trigger, marked as a test, on the way that every event takes",
	}, s.testTrigger)
}

type triggerTypeOut struct {
	Slug                 string      `json:"slug"`
	Name                 string      `json:"name"`
	Description          string      `json:"description"`
	Instructions         string      `json:"instructions" doc:"What happens in the application without an event"`
	Type                 string      `json:"type" enum:"webhook,poll"`
	Types                []string    `json:"types" enum:"webhook,poll" doc:"How events come, the faster way first"`
	Status               string      `json:"status,omitempty"`
	Toolkit              toolToolkit `json:"toolkit"`
	Config               object      `json:"config" doc:"JSON Schema of trigger_config"`
	Payload              object      `json:"payload" doc:"JSON Schema of an event's data"`
	Example              object      `json:"example" doc:"An event's data"`
	Version              string      `json:"version"`
	NeedsWebhookEndpoint bool        `json:"requires_webhook_endpoint_setup"`
	AcceptsWebhooks      bool        `json:"accepts_webhooks" doc:"A webhook endpoint can tell of such events before they are polled for"`
	IntervalSeconds      int         `json:"interval_seconds" doc:"Usual time between two polls"`
	Scopes               []string    `json:"scopes"`
}

func triggerTypeWire(v3 bool) func(*catalog.Trigger) triggerTypeOut {
	return func(t *catalog.Trigger) triggerTypeOut {
		instructions := ""
		for _, b := range t.Blind {
			if instructions != "" {
				instructions += " "
			}
			instructions += b
		}
		types := []string{"poll"}
		if t.Receives() {
			types = []string{"webhook", "poll"}
		}
		return triggerTypeOut{
			Slug: t.Slug, Name: t.Name, Description: t.Description, Instructions: instructions, Type: "poll", Types: types, Status: activeStatus(v3),
			Toolkit: toolToolkit{Slug: t.Toolkit.Slug, Name: t.Toolkit.Name, Logo: t.Toolkit.Logo},
			Config:  orEmpty(t.Config), Payload: orEmpty(t.Payload), Example: object(t.Example), Version: t.Toolkit.Version,
			IntervalSeconds: int(t.Interval / time.Second), AcceptsWebhooks: t.Receives(), Scopes: append([]string{}, t.Scopes.Names()...),
		}
	}
}

func (s *server) listTriggerTypes(ctx context.Context, in *listQuery) (page[triggerTypeOut], error) {
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return page[triggerTypeOut]{}, err
	}
	c := callerOf(ctx)
	only := lower(in.list("toolkit_slugs"))
	var found []*catalog.Trigger
	for _, t := range s.Catalog.Triggers(ctx, c.principal.ProjectID) {
		if len(only) == 0 || slices.Contains(only, t.Toolkit.Slug) {
			found = append(found, t)
		}
	}
	return cut(w, found, triggerTypeWire(c.v3)), nil
}

func (s *server) triggerSlugs(ctx context.Context, _ *struct{}) ([]string, error) {
	out := []string{}
	for _, t := range s.Catalog.Triggers(ctx, callerOf(ctx).principal.ProjectID) {
		out = append(out, t.Slug)
	}
	return out, nil
}

// TriggerPath is the slug of a trigger type in a path.
type TriggerPath struct {
	Slug string `path:"slug"`
}

type triggerTypeIn struct {
	TriggerPath
	Query
}

func (s *server) getTriggerType(ctx context.Context, in *triggerTypeIn) (triggerTypeOut, error) {
	c := callerOf(ctx)
	t, err := s.Catalog.Trigger(ctx, c.principal.ProjectID, in.Slug, "")
	if err == nil {
		t, err = s.Catalog.Trigger(ctx, c.principal.ProjectID, in.Slug, in.version(t.Toolkit.Slug))
	}
	if err != nil {
		return triggerTypeOut{}, err
	}
	return triggerTypeWire(c.v3)(t), nil
}

// versionsIn is a version for all toolkits, or one for each.
type versionsIn json.RawMessage

// Schema lets both forms through.
func (versionsIn) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// UnmarshalJSON keeps the bytes.
func (v *versionsIn) UnmarshalJSON(data []byte) error {
	*v = bytes.Clone(data)
	return nil
}

// of gives the version of the toolkit, or "".
func (v versionsIn) of(slug string) (string, error) {
	if len(v) == 0 || string(v) == "null" {
		return "", nil
	}
	var all string
	if json.Unmarshal(v, &all) == nil {
		return all, nil
	}
	var each map[string]string
	if err := json.Unmarshal(v, &each); err != nil {
		return "", domain.Invalid("toolkit_versions", "toolkit_versions: expected a version, or an object of versions by toolkit")
	}
	return each[slug], nil
}

type upsertTriggerIn struct {
	TriggerPath
	Body struct {
		AccountID  string     `json:"connected_account_id,omitempty" doc:"Id, alias or name of the account; without it the newest active one of user_id"`
		UserID     string     `json:"user_id,omitempty"`
		Config     object     `json:"trigger_config,omitempty" doc:"As the type's config describes it"`
		Version    string     `json:"version,omitempty"`
		Versions   versionsIn `json:"toolkit_versions,omitempty"`
		OldAccount string     `json:"connectedAuthId,omitempty" doc:"Older name of connected_account_id"`
		OldConfig  object     `json:"triggerConfig,omitempty" doc:"Older name of trigger_config"`
		Egress     string     `json:"egress_url,omitempty" doc:"Refused: events go where the project's webhook subscription says"`
	}
}

// noEgress refuses a URL for one trigger's events: where they go is the subscription's.
func noEgress(url string) error {
	if url == "" {
		return nil
	}
	return domain.Invalid("egress_url", "egress_url: a trigger has no URL of its own here").
		WithFix("Leave it out: events go to the URL of the project's webhook subscription, and say which trigger they are of.")
}

type upsertedTrigger struct {
	TriggerID  string       `json:"trigger_id"`
	Deprecated triggerTwin3 `json:"deprecated"`
}

type triggerTwin3 struct {
	UUID string `json:"uuid"`
}

func (s *server) upsertTrigger(ctx context.Context, in *upsertTriggerIn) (upsertedTrigger, error) {
	b, project := &in.Body, callerOf(ctx).principal.ProjectID
	if err := noEgress(b.Egress); err != nil {
		return upsertedTrigger{}, err
	}
	kind, err := s.Catalog.Trigger(ctx, project, in.Slug, "")
	if err != nil {
		return upsertedTrigger{}, err
	}
	asked := trigger.Asked{ProjectID: project, Trigger: kind.Slug, Version: b.Version, UserID: b.UserID, Account: b.AccountID, Config: json.RawMessage(b.Config)}
	if asked.Account == "" {
		asked.Account = b.OldAccount
	}
	if len(asked.Config) == 0 {
		asked.Config = json.RawMessage(b.OldConfig)
	}
	if asked.Version == "" {
		if asked.Version, err = b.Versions.of(kind.Toolkit.Slug); err != nil {
			return upsertedTrigger{}, err
		}
	}
	t, _, err := s.Triggers.Upsert(ctx, asked)
	if err != nil {
		return upsertedTrigger{}, err
	}
	return upsertedTrigger{TriggerID: t.ID, Deprecated: triggerTwin3{UUID: domain.TwinID("trigger", t.ID)}}, nil
}

type triggerOut struct {
	UUID           string           `json:"uuid"`
	ID             string           `json:"id"`
	AccountID      string           `json:"connected_account_id"`
	AccountUUID    string           `json:"connected_account_uuid"`
	Name           string           `json:"trigger_name"`
	UserID         string           `json:"user_id"`
	Data           string           `json:"trigger_data"`
	Version        string           `json:"version"`
	Config         object           `json:"trigger_config"`
	State          triggerStateOut  `json:"state"`
	UpdatedAt      string           `json:"updated_at"`
	DisabledAt     *string          `json:"disabled_at"`
	TwinDisabledAt *string          `json:"disabledAt"`
	TwinAccountID  string           `json:"connectedAccountId"`
	TwinName       string           `json:"triggerName"`
	TwinUpdatedAt  string           `json:"updatedAt"`
	TwinConfig     object           `json:"triggerConfig"`
	AuthConfigID   string           `json:"auth_config_id"`
	Egress         *string          `json:"egress_url" doc:"null: events go where the project's webhook subscription says"`
	Deprecated     triggerTwinTimes `json:"deprecated"`
}

type triggerStateOut struct {
	Status string  `json:"status" enum:"enabled,disabled"`
	Cause  string  `json:"cause,omitempty" enum:"project,account,failures"`
	Reason *string `json:"reason,omitempty" doc:"Why it was disabled"`
}

type triggerTwinTimes struct {
	CreatedAt string `json:"createdAt"`
}

func (s *server) triggerWire(ctx context.Context) func(domain.TriggerInstance) triggerOut {
	return func(t domain.TriggerInstance) triggerOut {
		version := ""
		if kind, err := s.Catalog.Trigger(ctx, t.ProjectID, t.Trigger, ""); err == nil {
			version = kind.Toolkit.Version
		}
		updated, disabled := wireTime(t.UpdatedAt), wireTimeOrNull(t.DisabledAt)
		return triggerOut{
			UUID: domain.TwinID("trigger", t.ID), ID: t.ID, AccountID: t.AccountID, AccountUUID: domain.TwinID("account", t.AccountID),
			Name: t.Trigger, UserID: t.UserID, Version: version, Config: object(t.Config), UpdatedAt: updated, DisabledAt: disabled,
			State:          triggerStateOut{Status: string(t.State), Cause: string(t.Cause), Reason: optional(t.Reason)},
			TwinDisabledAt: disabled, TwinAccountID: t.AccountID, TwinName: t.Trigger, TwinUpdatedAt: updated, TwinConfig: object(t.Config),
			AuthConfigID: t.AuthConfigID, Deprecated: triggerTwinTimes{CreatedAt: wireTime(t.CreatedAt)},
		}
	}
}

// either gives the elements of a list under its name or the older one.
func (q *Query) either(name, older string) []string {
	if list := q.list(name); len(list) > 0 {
		return list
	}
	return q.list(older)
}

func upper(list []string) (out []string) {
	for _, text := range list {
		out = append(out, strings.ToUpper(text))
	}
	return out
}

func (s *server) listTriggers(ctx context.Context, in *listQuery) (page[triggerOut], error) {
	var none page[triggerOut]
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return none, err
	}
	f := store.TriggerFilter{
		UserIDs: in.list("user_ids"), AccountIDs: in.either("connected_account_ids", "connectedAccountIds"),
		AuthConfigIDs: in.either("auth_config_ids", "authConfigIds"), IDs: in.either("trigger_ids", "triggerIds"),
		Triggers: upper(in.either("trigger_names", "triggerNames")), States: []domain.TriggerState{domain.TriggerEnabled},
	}
	for _, name := range []string{"show_disabled", "showDisabled"} {
		all, err := in.flag(name)
		if err != nil {
			return none, err
		}
		if all != nil && *all {
			f.States = nil
		}
	}
	found, total, err := s.Triggers.List(ctx, callerOf(ctx).principal.ProjectID, f, w.store())
	if err != nil {
		return none, err
	}
	items := make([]triggerOut, 0, len(found))
	wire := s.triggerWire(ctx)
	for _, t := range found {
		items = append(items, wire(t))
	}
	return pageOf(w, items, total), nil
}

// TriggerIDPath is the id of a trigger instance in a path.
type TriggerIDPath struct {
	ID string `path:"triggerId"`
}

type manageTriggerIn struct {
	TriggerIDPath
	Body struct {
		Status string `json:"status" enum:"enable,disable"`
		Egress string `json:"egress_url,omitempty" doc:"Refused: events go where the project's webhook subscription says"`
	}
}

type managedTrigger struct {
	Status string `json:"status" enum:"success"`
}

func (s *server) manageTrigger(ctx context.Context, in *manageTriggerIn) (managedTrigger, error) {
	if err := noEgress(in.Body.Egress); err != nil {
		return managedTrigger{}, err
	}
	change := s.Triggers.Disable
	if in.Body.Status == "enable" {
		change = s.Triggers.Enable
	}
	if _, err := change(ctx, callerOf(ctx).principal.ProjectID, in.ID); err != nil {
		return managedTrigger{}, err
	}
	return managedTrigger{Status: "success"}, nil
}

type deletedTrigger struct {
	TriggerID string `json:"trigger_id"`
}

func (s *server) deleteTrigger(ctx context.Context, in *TriggerIDPath) (deletedTrigger, error) {
	return deletedTrigger{TriggerID: in.ID}, s.Triggers.Delete(ctx, callerOf(ctx).principal.ProjectID, in.ID)
}
