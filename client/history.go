package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"time"
)

// SessionVersion is one state that a session's configuration had, or has.
type SessionVersion struct {
	Version   int             `json:"version"`
	CreatedAt time.Time       `json:"created_at"`
	Current   bool            `json:"is_current"`
	Config    json.RawMessage `json:"config"`
}

// History gives the configurations that the session had, newest first, page by
// page, until the loop ends or a request fails.
func (s *Session) History(ctx context.Context) iter.Seq2[SessionVersion, error] {
	return pages[SessionVersion](ctx, s.client, s.path("/config_history"), url.Values{})
}
