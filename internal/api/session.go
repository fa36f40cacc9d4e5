package api

import (
	"context"
	"net/http"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/session"
)

func (s *server) sessionRoutes() {
	const at, one = "/tool_router/session", "/tool_router/session/{session_id}"
	handle(s, operation{
		id: "createSession", method: http.MethodPost, path: at, tag: "sessions",
		summary: "Create a session", status: http.StatusCreated,
	}, s.createSession)
	handle(s, operation{id: "getSession", method: http.MethodGet, path: one, tag: "sessions", summary: "Get a session"}, s.getSession)
	handle(s, operation{id: "updateSession", method: http.MethodPatch, path: one, tag: "sessions", summary: "Change a session"}, s.updateSession)
	handle(s, operation{id: "deleteSession", method: http.MethodDelete, path: one, tag: "sessions", summary: "Delete a session"}, s.deleteSession)
	handle(s, operation{
		id: "attachSession", method: http.MethodPost, path: one + "/attach", tag: "sessions",
		summary: "Use an existing session",
	}, s.attachSession)
	handle(s, operation{
		id: "listSessionConfigs", method: http.MethodGet, path: one + "/config_history", tag: "sessions",
		summary: "List the configurations that a session had, newest first", query: paged(),
	}, s.sessionHistory)
}

// SessionPath is the input of operations on one session.
type SessionPath struct {
	SessionID string `path:"session_id"`
}

// open gives the caller's session, with the origin for links.
func (s *server) open(ctx context.Context, id string) (*session.Handle, error) {
	c := callerOf(ctx)
	h, err := s.Sessions.Open(ctx, c.principal, id)
	if err != nil {
		return nil, err
	}
	h.Origin = c.origin
	return h, nil
}

type createSessionIn struct {
	Body struct {
		UserID string `json:"user_id" minLength:"1" maxLength:"256" doc:"The application's own id of its user"`
		SessionBlocks
	}
}

func (s *server) createSession(ctx context.Context, in *createSessionIn) (sessionOut, error) {
	c := callerOf(ctx)
	var cfg domain.SessionConfig
	if err := in.Body.apply(&cfg); err != nil {
		return sessionOut{}, err
	}
	own, err := s.own(ctx, &in.Body.Experimental.Value)
	if err != nil {
		return sessionOut{}, err
	}
	h, err := s.Sessions.Create(ctx, c.principal, in.Body.UserID, cfg)
	if err != nil {
		return sessionOut{}, err
	}
	h.Own = own
	return s.describe(h, c, true)
}

func (s *server) getSession(ctx context.Context, in *SessionPath) (sessionOut, error) {
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return sessionOut{}, err
	}
	return s.describe(h, callerOf(ctx), false)
}

type updateSessionIn struct {
	SessionPath
	Body *struct {
		Expected *int `json:"expected_config_version,omitempty" doc:"Refuse the change with 409 unless this is the current config_version"`
		SessionBlocks
	}
}

func (s *server) updateSession(ctx context.Context, in *updateSessionIn) (sessionOut, error) {
	c := callerOf(ctx)
	var expected *int
	edit := func(*domain.SessionConfig) error { return nil }
	if in.Body != nil {
		expected, edit = in.Body.Expected, in.Body.apply
		if x := in.Body.Experimental.Value; len(x.CustomTools)+len(x.CustomToolkits) > 0 {
			return sessionOut{}, domain.Invalid("experimental.custom_tools", "experimental.custom_tools: a session keeps no custom tools, so there are none to change").
				WithFix("Send them with attach, search and execute.")
		}
	}
	h, err := s.Sessions.Update(ctx, c.principal, in.SessionID, expected, edit)
	if err != nil {
		return sessionOut{}, err
	}
	return s.describe(h, c, true)
}

type deletedSession struct {
	SessionID string `json:"session_id"`
	Deleted   bool   `json:"deleted"`
}

func (s *server) deleteSession(ctx context.Context, in *SessionPath) (deletedSession, error) {
	c := callerOf(ctx)
	if err := s.Sessions.Delete(ctx, c.principal, in.SessionID); err != nil {
		return deletedSession{}, err
	}
	if err := s.Files.EndSession(ctx, c.principal.ProjectID, in.SessionID); err != nil {
		// Nobody reaches them any more, and they go by themselves.
		s.Logger.WarnContext(ctx, "files of a deleted session stay until they expire", "session", in.SessionID, "error", err)
	}
	return deletedSession{SessionID: in.SessionID, Deleted: true}, nil
}

// maxHistory is the most configurations on a page.
const maxHistory = 100

type sessionVersionOut struct {
	Version   int       `json:"version"`
	CreatedAt string    `json:"created_at"`
	Config    configOut `json:"config"`
	Current   bool      `json:"is_current"`
}

func (s *server) sessionHistory(ctx context.Context, in *sessionQuery) (page[sessionVersionOut], error) {
	var none page[sessionVersionOut]
	w, err := in.window(20, maxHistory)
	if err != nil {
		return none, err
	}
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return none, err
	}
	list, total, err := s.Sessions.History(ctx, h, w.store())
	if err != nil {
		return none, err
	}
	items := make([]sessionVersionOut, 0, len(list))
	for i, v := range list {
		items = append(items, sessionVersionOut{
			Version: v.Version, CreatedAt: wireTime(v.CreatedAt), Config: configWire(h.UserID, v.Config, callerOf(ctx).v3),
			Current: i == 0 && w.page == 1,
		})
	}
	return pageOf(w, items, total), nil
}

type attachSessionIn struct {
	SessionPath
	Body *struct {
		Experimental experimentalIn `json:"experimental,omitempty"`
	}
}

func (s *server) attachSession(ctx context.Context, in *attachSessionIn) (sessionOut, error) {
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return sessionOut{}, err
	}
	if in.Body != nil {
		if h.Own, err = s.own(ctx, &in.Body.Experimental); err != nil {
			return sessionOut{}, err
		}
	}
	return s.describe(h, callerOf(ctx), true)
}
