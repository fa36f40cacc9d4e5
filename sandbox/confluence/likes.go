package confluence

import (
	"slices"
	"strings"
)

func likeRoutes() map[string]endpoint {
	out := map[string]endpoint{}
	for kind, t := range map[string]contentType{"pages": typePage, "blogposts": typeBlog, "footer-comments": typeComment, "inline-comments": typeComment} {
		out["GET /"+kind+"/{id}/likes/count"] = likeCount(t)
		out["GET /"+kind+"/{id}/likes/users"] = likeUsers(t)
	}
	return out
}

// audience is who likes, watches, favours and views a content.
type audience struct {
	likes      []string // account ids, in order of liking
	watchers   []string
	favourites []string
	views      []viewing
}

// join adds an account to a list; false when it is there already.
func join(list *[]string, accountID string) bool {
	if slices.Contains(*list, accountID) {
		return false
	}
	*list = append(*list, accountID)
	return true
}

// leave takes an account off a list; false when it was not on it.
func leave(list *[]string, accountID string) bool {
	i := slices.Index(*list, accountID)
	if i < 0 {
		return false
	}
	*list = slices.Delete(*list, i, i+1)
	return true
}

type v2Like struct {
	AccountID string `json:"accountId"`
}

func (c *content) showLikes() []v2Like {
	out := make([]v2Like, 0, len(c.audience.likes))
	for _, id := range c.audience.likes {
		out = append(out, v2Like{AccountID: id})
	}
	return out
}

type v2Count struct {
	Count int `json:"count"`
}

func likeCount(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		return v2Count{Count: len(x.audience.likes)}, nil
	}
}

func likeUsers(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		order := sorter[v2Like]{name: "like", key: func(l v2Like) string { return l.AccountID }, id: func(v2Like) int64 { return 0 }}
		return page(c, x.showLikes(), order, func(l v2Like) v2Like { return l })
	}
}

// Like makes an account like a page, blog post or comment: the API has no call
// for it. False when the account likes it already, or one of the two does not exist.
func (s *Sandbox) Like(contentID, accountID string) bool {
	return s.react(contentID, accountID, func(a *audience) bool { return join(&a.likes, accountID) })
}

// Unlike takes a like back. False when there was none.
func (s *Sandbox) Unlike(contentID, accountID string) bool {
	return s.react(contentID, accountID, func(a *audience) bool { return leave(&a.likes, accountID) })
}

func (s *Sandbox) react(contentID, accountID string, f func(*audience) bool) bool {
	s.mu.Lock()
	defer s.unlock()
	x := s.st.byRef(contentID)
	return x != nil && x.typ != typeFile && s.st.users[accountID] != nil && f(&x.audience)
}

// Likes gives the account ids of those who like a content, in order of liking.
func (s *Sandbox) Likes(contentID string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if x := s.st.byRef(contentID); x != nil {
		return slices.Clone(x.audience.likes)
	}
	return nil
}

// asksInline says whether the call is one of those for inline comments.
func (c *call) asksInline() bool {
	return c.r != nil && strings.Contains(c.r.Pattern, "/inline-comments")
}
