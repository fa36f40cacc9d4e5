package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	ownedProjects = "/org/owner/project/"
	orgUsage      = "/org/usage/"
)

// operatorPath says whether a key of the operator may go there. Everything else is
// closed to it, whatever is added: it names no project.
func operatorPath(path string) bool {
	return strings.HasPrefix(path, prefix+ownedProjects) || strings.HasPrefix(path, prefix+orgUsage)
}

// dropWait bounds how long a request waits for what a deleted project had to go; a
// job does the rest.
const dropWait = 10 * time.Second

// operatorRoutes are the operations of whoever operates the server. A project's key
// sees its own project by them, and changes nothing.
func (s *server) operatorRoutes() {
	const one = ownedProjects + "{nano_id}"
	handle(s, operation{
		id: "listOwnedProjects", method: http.MethodGet, path: ownedProjects + "list", tag: orgTag, security: byEither(),
		summary: "List all projects, newest first; by a project's key, its own", query: paged(),
	}, s.listOwnedProjects)
	handle(s, operation{
		id: "getProject", method: http.MethodGet, path: one, tag: orgTag, security: byEither(), summary: "Get a project, with its keys",
	}, s.getProject)
	handle(s, operation{
		id: "createProject", method: http.MethodPost, path: ownedProjects + "new", tag: orgTag, security: byOperatorKey(), summary: "Make a project",
	}, s.createProject)
	handle(s, operation{
		id: "deleteProject", method: http.MethodDelete, path: one, tag: orgTag, security: byOperatorKey(),
		summary: "Delete a project for good, with everything in it",
		query:   []param{{"revoke_on_delete", huma.TypeBoolean, "Not offered: end grants with the project's own key before"}},
	}, s.deleteProject)
	handle(s, operation{
		id: "regenerateProjectKey", method: http.MethodPost, path: one + "/regenerate_api_key", tag: orgTag, security: byOperatorKey(),
		summary: "Revoke all keys of a project and make a new one",
	}, s.regenerateProjectKey)
}

func byOperator(what, how string) error {
	return domain.Errorf(domain.CodeForbidden, "an API key of a project may not %s", what).
		WithFix("Whoever operates this server does it: with an operator's key as x-org-api-key, or there: %s.", how)
}

type projectPath struct {
	ID string `path:"nano_id"`
}

// owned gives a project that the caller may see: an operator any, a project's key
// its own. Others do not exist.
func (s *server) owned(ctx context.Context, id string) (domain.Project, error) {
	who := callerOf(ctx).principal
	if !who.Operator && id != who.ProjectID {
		return domain.Project{}, domain.Errorf(domain.CodeNotFound, "there is no such project for this API key").
			WithFix("GET /api/v3.1/org/project/list shows the API key's project.")
	}
	return s.Identity.Project(ctx, id)
}

// operated is owned for what only an operator does: to others err says so.
func (s *server) operated(ctx context.Context, id string, err error) (domain.Project, error) {
	p, missing := s.owned(ctx, id)
	if missing != nil {
		return p, missing
	}
	if !callerOf(ctx).principal.Operator {
		return p, err
	}
	return p, nil
}

// ownedWire is a project as the caller may see it: an operator sees nothing that is
// within it.
func (s *server) ownedWire(ctx context.Context, p domain.Project) (projectOut, error) {
	if callerOf(ctx).principal.Operator {
		return bareProject(p), nil
	}
	return s.projectWire(ctx, p)
}

func (s *server) listOwnedProjects(ctx context.Context, in *listQuery) (projectPage, error) {
	if !callerOf(ctx).principal.Operator {
		return s.listProjects(ctx, in)
	}
	w, err := in.window(defaultPage, maxProjects)
	if err != nil {
		return projectPage{}, err
	}
	projects, err := s.Identity.Projects(ctx)
	if err != nil {
		return projectPage{}, err
	}
	slices.Reverse(projects)
	all := make([]projectOut, 0, len(projects))
	for _, p := range projects {
		all = append(all, bareProject(p))
	}
	return projectPageOf(w, all), nil
}

func (s *server) getProject(ctx context.Context, in *projectPath) (projectDetail, error) {
	var none projectDetail
	p, err := s.owned(ctx, in.ID)
	if err != nil {
		return none, err
	}
	out := projectDetail{APIKeys: []projectKeyOut{}}
	if out.projectOut, err = s.ownedWire(ctx, p); err != nil {
		return none, err
	}
	keys, err := s.Identity.Keys(ctx, p.ID)
	for _, k := range keys {
		if k.RevokedAt.IsZero() {
			out.APIKeys = append(out.APIKeys, projectKeyOut{ID: k.ID, Name: k.Name, Key: hiddenKey(k), CreatedAt: wireTime(k.CreatedAt)})
		}
	}
	return out, err
}

type createProjectIn struct {
	Body struct {
		Name   string           `json:"name,omitempty" doc:"A line of at most 100 characters that no other project is called; required"`
		AddKey bool             `json:"should_create_api_key,omitempty" doc:"Make an API key too"`
		Config *projectSwitches `json:"config,omitempty"`
	}
}

type projectMade struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	APIKey *string `json:"api_key" doc:"Shown only now"`
}

func (s *server) createProject(ctx context.Context, in *createProjectIn) (projectMade, error) {
	var none projectMade
	if !callerOf(ctx).principal.Operator {
		return none, byOperator("make a project", "sluice projects create")
	}
	b := &in.Body
	if b.Config != nil {
		if err := b.Config.check(); err != nil {
			return none, within("config", err)
		}
	}
	p, err := s.Identity.CreateProject(ctx, b.Name)
	if err != nil {
		return none, err
	}
	out := projectMade{ID: p.ID, Name: p.Name}
	if b.Config != nil {
		if err = s.setSwitches(ctx, p.ID, b.Config); err != nil {
			err = within("config", err)
		}
	}
	if err == nil && b.AddKey {
		var key string
		if key, _, err = s.Identity.CreateKey(ctx, p.ID, "first"); err == nil {
			out.APIKey = &key
		}
	}
	if err != nil { // half a project is none
		if undone := s.Identity.EndProject(context.WithoutCancel(ctx), p.ID); undone != nil {
			s.Logger.WarnContext(ctx, "a project that could not be set up is left", "project", p.ID, "error", undone)
		}
		return none, err
	}
	return out, nil
}

type deleteProjectIn struct {
	ID string `path:"nano_id"`
	Query
}

type projectDeleted struct {
	Status string `json:"status" enum:"success"`
}

func (s *server) deleteProject(ctx context.Context, in *deleteProjectIn) (projectDeleted, error) {
	var none projectDeleted
	p, err := s.operated(ctx, in.ID, byOperator("delete a project", "sluice projects delete"))
	if err != nil {
		return none, err
	}
	revoke, err := in.flag("revoke_on_delete")
	if err != nil {
		return none, err
	}
	if revoke != nil && *revoke {
		return none, notOfferedOption("revoke_on_delete",
			"End the grants of the project's accounts before, with its own key: POST /api/v3.1/connected_accounts/{id}/revoke.")
	}
	if err := s.Identity.EndProject(ctx, p.ID); err != nil {
		return none, err
	}
	s.Logger.InfoContext(ctx, "project deleted", "project", p.ID, "operator_key", callerOf(ctx).principal.KeyID)
	ctx, cancel := context.WithTimeout(ctx, dropWait)
	defer cancel()
	if err := s.Identity.DropEnded(ctx); err != nil {
		s.Logger.WarnContext(ctx, "what a deleted project had is not all gone yet; a job goes on", "project", p.ID, "error", err)
	}
	return projectDeleted{Status: "success"}, nil
}

type regeneratedKey struct {
	Key     projectKeyMade `json:"api_key"`
	Message string         `json:"message"`
}

type projectKeyMade struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Key       string `json:"key" doc:"Shown only now"`
	CreatedAt string `json:"created_at"`
}

func (s *server) regenerateProjectKey(ctx context.Context, in *projectPath) (regeneratedKey, error) {
	var none regeneratedKey
	p, err := s.operated(ctx, in.ID, byOperator("replace its keys", "sluice keys create"))
	if err != nil {
		return none, err
	}
	key, k, err := s.Identity.RegenerateKey(ctx, p.ID, "regenerated")
	if err != nil {
		return none, err
	}
	s.Logger.InfoContext(ctx, "keys of a project replaced", "project", p.ID, "key", k.ID, "operator_key", callerOf(ctx).principal.KeyID)
	return regeneratedKey{
		Key:     projectKeyMade{ID: k.ID, Name: k.Name, Key: key, CreatedAt: wireTime(k.CreatedAt)},
		Message: "The project's other keys are revoked.",
	}, nil
}
