package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// A server is one organisation, of which whoever operates it is the only member.
// What the contract's organisations do beyond their projects has no meaning here.
const (
	orgID   = "org_self_hosted"
	orgName = "Self-hosted"
	orgPlan = "SELF_HOSTED"
	orgTag  = "organisation"

	maxProjects = 50
)

func (s *server) projectRoutes() {
	handle(s, operation{
		id: "listProjects", method: http.MethodGet, path: "/org/project/list", tag: orgTag, summary: "List the projects of the API key: its own", query: paged(),
	}, s.listProjects)
	s.operatorRoutes()
	handle(s, operation{id: "getSessionInfo", method: http.MethodGet, path: "/auth/session/info", tag: projectTag, summary: "Say whose API key it is"}, s.sessionInfo)
	handle(s, operation{id: "listOrganisations", method: http.MethodGet, path: "/org/list", tag: orgTag, summary: "List organisations: this server is one", query: paged()}, s.listOrganisations)
	handle(s, operation{id: "revokeAPIKeys", method: http.MethodPost, path: revocationPath, tag: projectTag, summary: "Revoke API keys that have become known; needs none itself"}, s.revokeAPIKeys)
	handle(s, operation{
		id: "getNanoID", method: http.MethodGet, path: "/migration/get-nanoid", tag: projectTag, summary: "Get the id of a thing by the UUID that deprecated fields show",
		query: []param{{"uuid", huma.TypeString, "The UUID"}, {"type", huma.TypeString, "CONNECTED_ACCOUNT, AUTH_CONFIG or TRIGGER_INSTANCE"}},
	}, s.getNanoID)
	handle(s, operation{id: "listConsumerToolkits", method: http.MethodGet, path: "/org/consumer/connected_toolkits", tag: orgTag, summary: "List the toolkits that a user of the project is connected to", query: []param{{"user_id", huma.TypeString, "The user"}}}, s.consumerToolkits)
	handle(s, operation{id: "resolveConsumerProject", method: http.MethodPost, path: "/org/consumer/project/resolve", tag: orgTag, summary: "Refused: there are no consumer projects"}, refuseOperation[struct{}, object](noMeaning("consumer projects do not exist here", "Use a project's API key as x-api-key.")))
	handle(s, operation{id: "createClaim", method: http.MethodPost, path: "/org/clanker/create_claim", tag: orgTag, summary: "Refused: there are no accounts to claim"}, refuseOperation[struct{}, object](noMeaning("there are no accounts to sign up for", "The operator makes API keys: sluice keys create.")))
	handle(s, operation{id: "createCLISession", method: http.MethodPost, path: cliCreatePath, tag: orgTag, summary: "Refused: nobody signs in here", status: http.StatusCreated}, refuseOperation[struct{}, object](noSignIn()))
	handle(s, operation{id: "getCLISession", method: http.MethodGet, path: cliGetPath, tag: orgTag, summary: "Refused: nobody signs in here"}, refuseOperation[struct{}, object](noSignIn()))
	handle(s, operation{id: "reportCLIFailure", method: http.MethodPost, path: "/cli/codact_failures", tag: orgTag, summary: "Taken and dropped: nothing is tracked"}, s.dropReport)
}

// Paths that the contract opens to everybody.
const (
	revocationPath = "/api_key_revocation"
	cliCreatePath  = "/cli/create-session"
	cliGetPath     = "/cli/get-session"
)

// isPublic says whether an operation needs no API key.
func isPublic(method, path string) bool {
	switch path {
	case "/openapi.json", prefix + cliGetPath:
		return method == http.MethodGet || method == http.MethodHead
	case prefix + revocationPath, prefix + cliCreatePath:
		return method == http.MethodPost
	}
	return false
}

func noMeaning(what, fix string) error {
	return domain.Errorf(domain.CodeForbidden, "this server is self-hosted: %s", what).WithFix("%s", fix)
}

func noSignIn() error {
	return noMeaning("nobody signs in here", "Make an API key with sluice keys create, and set COMPOSIO_API_KEY to it.")
}

// refuseOperation is an operation that always fails.
func refuseOperation[In, Out any](err error) func(context.Context, *In) (Out, error) {
	return func(context.Context, *In) (Out, error) {
		var none Out
		return none, err
	}
}

type projectOut struct {
	ID               string  `json:"id"`
	OrgID            string  `json:"org_id"`
	Name             string  `json:"name"`
	Email            string  `json:"email" doc:"Always empty: nobody has registered"`
	CreatedAt        string  `json:"created_at"`
	UpdatedAt        string  `json:"updated_at"`
	WebhookURL       *string `json:"webhook_url" doc:"Of the webhook subscription, if there is one"`
	EventWebhookURL  *string `json:"event_webhook_url"`
	WebhookSecret    *string `json:"webhook_secret" doc:"Always null: told by its subscription, when it is made"`
	TriggersEnabled  bool    `json:"triggers_enabled"`
	LastSubscribedAt *string `json:"last_subscribed_at"`
	IsNewWebhook     bool    `json:"is_new_webhook"`
	WebhookVersion   string  `json:"webhook_version" enum:"V1,V2,V3"`
	Deleted          bool    `json:"deleted"`
}

// bareProject is a project without what is within it.
func bareProject(p domain.Project) projectOut {
	return projectOut{
		ID: p.ID, OrgID: orgID, Name: p.Name, CreatedAt: wireTime(p.CreatedAt), UpdatedAt: wireTime(p.CreatedAt),
		TriggersEnabled: true, IsNewWebhook: true, WebhookVersion: "V3",
	}
}

func (s *server) projectWire(ctx context.Context, p domain.Project) (projectOut, error) {
	out := bareProject(p)
	hooks, err := s.Events.Webhooks(ctx, p.ID)
	if err == nil && len(hooks) > 0 {
		out.WebhookURL, out.WebhookVersion = &hooks[0].URL, hooks[0].Version
	}
	return out, err
}

// projectPage is a list that the contract calls data.
type projectPage struct {
	Data        []projectOut `json:"data"`
	NextCursor  *string      `json:"next_cursor"`
	TotalPages  int          `json:"total_pages"`
	CurrentPage int          `json:"current_page"`
	TotalItems  int          `json:"total_items"`
}

func (s *server) listProjects(ctx context.Context, in *listQuery) (projectPage, error) {
	var none projectPage
	w, err := in.window(defaultPage, maxProjects)
	if err != nil {
		return none, err
	}
	p, err := s.Identity.Project(ctx, callerOf(ctx).principal.ProjectID)
	if err != nil {
		return none, err
	}
	wire, err := s.projectWire(ctx, p)
	if err != nil {
		return none, err
	}
	return projectPageOf(w, []projectOut{wire}), nil
}

func projectPageOf(w window, all []projectOut) projectPage {
	l := cut(w, all, func(p projectOut) projectOut { return p })
	return projectPage{Data: l.Items, NextCursor: l.NextCursor, TotalPages: l.TotalPages, CurrentPage: l.CurrentPage, TotalItems: l.TotalItems}
}

type projectKeyOut struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Key       string `json:"key" doc:"Its last four characters: a key is shown once, when it is made"`
	CreatedAt string `json:"created_at"`
}

type projectDetail struct {
	projectOut
	APIKeys []projectKeyOut `json:"api_keys" doc:"Those that are good"`
}

func hiddenKey(k domain.APIKey) string { return "…" + k.Hint }

type sessionInfoOut struct {
	Project sessionInfoProject `json:"project"`
	APIKey  sessionInfoKey     `json:"api_key"`
	Member  sessionInfoMember  `json:"org_member"`
}

type sessionInfoProject struct {
	projectOut
	AutoID int    `json:"auto_id" doc:"Always 0: projects have no number"`
	NanoID string `json:"nano_id"`
	Org    struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Plan string `json:"plan"`
	} `json:"org"`
}

type sessionInfoKey struct {
	AutoID    int     `json:"auto_id" doc:"Always 0: keys have no number"`
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	ProjectID string  `json:"project_id"`
	MemberID  string  `json:"org_member_id"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at"`
	DeletedAt *string `json:"deleted_at"`
	Key       string  `json:"key" doc:"Its last four characters"`
	Deleted   bool    `json:"deleted"`
}

type sessionInfoMember struct {
	ID       string `json:"id"`
	Email    string `json:"email" doc:"Always empty: the only member is whoever operates this server"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Metadata object `json:"metadata"`
}

// operatorID is the only member of the organisation.
const operatorID = "operator"

func (s *server) sessionInfo(ctx context.Context, _ *struct{}) (sessionInfoOut, error) {
	var out sessionInfoOut
	who := callerOf(ctx).principal
	p, err := s.Identity.Project(ctx, who.ProjectID)
	if err != nil {
		return out, err
	}
	if out.Project.projectOut, err = s.projectWire(ctx, p); err != nil {
		return out, err
	}
	out.Project.NanoID = p.ID
	out.Project.Org.ID, out.Project.Org.Name, out.Project.Org.Plan = orgID, orgName, orgPlan
	k, err := s.Identity.Key(ctx, who)
	if err != nil {
		return out, err
	}
	out.APIKey = sessionInfoKey{
		ID: k.ID, Name: k.Name, ProjectID: p.ID, MemberID: operatorID,
		CreatedAt: wireTime(k.CreatedAt), UpdatedAt: wireTime(k.CreatedAt), Key: hiddenKey(k),
	}
	out.Member = sessionInfoMember{ID: operatorID, Name: "Operator", Role: "ADMIN"}
	return out, nil
}

type organisationOut struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

type organisationPage struct {
	Organisations []organisationOut `json:"organizations"`
	NextCursor    *string           `json:"next_cursor"`
	TotalPages    int               `json:"total_pages"`
	CurrentPage   int               `json:"current_page"`
	TotalItems    int               `json:"total_items"`
}

func (s *server) listOrganisations(ctx context.Context, in *listQuery) (organisationPage, error) {
	w, err := in.window(defaultPage, maxProjects)
	if err != nil {
		return organisationPage{}, err
	}
	p, err := s.Identity.Project(ctx, callerOf(ctx).principal.ProjectID)
	if err != nil {
		return organisationPage{}, err
	}
	since := wireTime(p.CreatedAt)
	l := cut(w, []organisationOut{{ID: orgID, Name: orgName, CreatedAt: since, UpdatedAt: since}}, func(o organisationOut) organisationOut { return o })
	return organisationPage{Organisations: l.Items, NextCursor: l.NextCursor, TotalPages: l.TotalPages, CurrentPage: l.CurrentPage, TotalItems: l.TotalItems}, nil
}

type revokeAPIKeysIn struct {
	Body struct {
		Keys []string `json:"api_keys" maxItems:"100"`
	}
}

type revokedAPIKeys struct {
	Received bool `json:"received" doc:"Always true: which keys there were is told to nobody"`
}

func (s *server) revokeAPIKeys(ctx context.Context, in *revokeAPIKeysIn) (revokedAPIKeys, error) {
	return revokedAPIKeys{Received: true}, s.Identity.RevokeGiven(ctx, in.Body.Keys)
}

type nanoIDOut struct {
	ID string `json:"nanoid"`
}

func (s *server) getNanoID(ctx context.Context, in *listQuery) (nanoIDOut, error) {
	kind, err := in.choice("type", "", "CONNECTED_ACCOUNT", "AUTH_CONFIG", "TRIGGER_INSTANCE")
	if err != nil {
		return nanoIDOut{}, err
	}
	uuid, project := in.text("uuid"), callerOf(ctx).principal.ProjectID
	if kind == "" || uuid == "" {
		return nanoIDOut{}, domain.Invalid("type", "type, uuid: both are needed")
	}
	for from := 0; ; from += twinBatch {
		ids, err := s.twinIDs(ctx, project, kind, store.Page{Offset: from, Limit: twinBatch})
		if err != nil {
			return nanoIDOut{}, err
		}
		for _, id := range ids {
			if twinID(twinKinds[kind], id) == uuid {
				return nanoIDOut{ID: id}, nil
			}
		}
		if len(ids) < twinBatch {
			return nanoIDOut{}, domain.Errorf(domain.CodeNotFound, "nothing of this type has the UUID").
				WithFix("UUIDs of other servers are not known here.")
		}
	}
}

// twinKinds are the words for UUIDs of what the contract calls otherwise.
var twinKinds = map[string]string{"CONNECTED_ACCOUNT": "account", "AUTH_CONFIG": "auth_config", "TRIGGER_INSTANCE": "trigger"}

// twinBatch is how many ids are compared at a time.
const twinBatch = 1000

func (s *server) twinIDs(ctx context.Context, project, kind string, at store.Page) (ids []string, err error) {
	switch kind {
	case "AUTH_CONFIG":
		list, _, err := s.Connect.AuthConfigs(ctx, project, "", at)
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		return ids, err
	case "CONNECTED_ACCOUNT":
		list, _, err := s.Connect.Accounts(ctx, project, store.AccountFilter{}, at)
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		return ids, err
	}
	list, _, err := s.Triggers.List(ctx, project, store.TriggerFilter{}, at)
	for _, t := range list {
		ids = append(ids, t.ID)
	}
	return ids, err
}

type consumerToolkitsOut struct {
	Toolkits []string `json:"toolkits"`
}

func (s *server) consumerToolkits(ctx context.Context, in *listQuery) (consumerToolkitsOut, error) {
	out := consumerToolkitsOut{Toolkits: []string{}}
	user := in.text("user_id")
	if user == "" {
		return out, domain.Invalid("user_id", "user_id: expected the id of a user")
	}
	list, _, err := s.Connect.Accounts(ctx, callerOf(ctx).principal.ProjectID,
		store.AccountFilter{UserIDs: []string{user}, Statuses: []domain.AccountStatus{domain.AccountActive}}, store.Page{Limit: maxTools})
	for _, a := range list {
		if a.Usable() && !slices.Contains(out.Toolkits, a.Toolkit) {
			out.Toolkits = append(out.Toolkits, a.Toolkit)
		}
	}
	slices.Sort(out.Toolkits)
	return out, err
}

type droppedReport struct {
	Tracked bool   `json:"tracked" doc:"Always false"`
	ID      string `json:"id" doc:"Of the request"`
}

func (s *server) dropReport(ctx context.Context, _ *struct{}) (droppedReport, error) {
	return droppedReport{ID: callerOf(ctx).requestID}, nil
}
