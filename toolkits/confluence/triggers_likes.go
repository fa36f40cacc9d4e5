package confluence

import (
	"context"

	"github.com/sluice-run/sluice/toolkit"
)

type blogIDConfig struct {
	BlogpostID string `json:"blogpostId" jsonschema:"minLength=1" jsonschema_description:"The blog post: its id or its address."`
}

func checkBlog(ctx context.Context, c *client, cfg blogIDConfig) (_ blogIDConfig, err error) {
	cfg.BlogpostID, err = c.checkContent(ctx, "blogpost", "blogpostId", cfg.BlogpostID)
	return cfg, err
}

// likesEvent tells of another number of likes.
type likesEvent struct {
	happened
	Change likesChange `json:"change" jsonschema_description:"What changed."`
}

type likesChange struct {
	Before likeCount `json:"before" jsonschema_description:"What it was at the poll before."`
	After  likeCount `json:"after" jsonschema_description:"What it is now."`
}

// likesState is the count at the last poll.
type likesState struct {
	episode
	Count int `json:"count"`
}

var blindLikes = []string{
	"A like that is taken back, or outweighed by another, between two polls is not seen; several between two polls are one event.",
	"Confluence does not say who liked it, nor when: the time is that of the poll.",
}

var pageLikesChanged = toolkit.Poll("CONFLUENCE_PAGE_LIKE_COUNT_CHANGED_TRIGGER", "Page Like Count Changed",
	"Fires when a page has another number of likes than at the poll before, more or fewer. Not for likes of comments, nor for views.",
	toolkit.TriggerAbout{
		Scopes: toolkit.AllOf(scopeReadPage), Keywords: []string{"thumbs up", "popular", "reaction"}, Blind: blindLikes,
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/likes/count", "GET /wiki/api/v2/pages/{id}"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 2,
	},
	toolkit.Poller[*client, pageIDConfig, likesState, likesEvent]{
		Example: exampleLikes("page", "Q3 Planning"),
		Check:   checkPage,
		Sample: sampled(func(cfg pageIDConfig, e *likesEvent) {
			e.Resource.be(cfg.PageID)
		}),
		Poll: func(ctx context.Context, c *client, cfg pageIDConfig, cur *likesState) (toolkit.Step[likesState, likesEvent], error) {
			return c.pollLikes(ctx, cur, "page", cfg.PageID, "pageId")
		},
	})

var blogPostLikesChanged = toolkit.Poll("CONFLUENCE_BLOGPOST_LIKE_COUNT_CHANGED_TRIGGER", "Blog Post Like Count Changed",
	"Fires when a blog post has another number of likes than at the poll before, more or fewer. Not for likes of comments, nor for views.",
	toolkit.TriggerAbout{
		Scopes: toolkit.AllOf(scopeReadPage), Keywords: []string{"thumbs up", "popular", "reaction", "news"}, Blind: blindLikes,
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{id}/likes/count", "GET /wiki/api/v2/blogposts/{id}"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 2,
	},
	toolkit.Poller[*client, blogIDConfig, likesState, likesEvent]{
		Example: exampleLikes("blogpost", "Welcome Ada"),
		Check:   checkBlog,
		Sample: sampled(func(cfg blogIDConfig, e *likesEvent) {
			e.Resource.be(cfg.BlogpostID)
		}),
		Poll: func(ctx context.Context, c *client, cfg blogIDConfig, cur *likesState) (toolkit.Step[likesState, likesEvent], error) {
			return c.pollLikes(ctx, cur, "blogpost", cfg.BlogpostID, "blogpostId")
		},
	})

func exampleLikes(kind, title string) likesEvent {
	e := likesEvent{exampleContent(kind, title, 1).happened, likesChange{likeCount{Count: 2}, likeCount{Count: 3}}}
	e.Actor = nil
	return e
}

// pollLikes compares the count with that of the poll before.
func (c *client) pollLikes(ctx context.Context, cur *likesState, kind, id, field string) (step toolkit.Step[likesState, likesEvent], err error) {
	var now likeCount
	err = c.do(ctx, request{
		path: v2 + "/" + kind + "s/" + id + "/likes/count", out: &now, what: wordOf[kind] + " with id " + id, field: field, scopes: []string{scopeReadPage},
	})
	if err != nil {
		return step, err
	}
	if cur != nil {
		step.Cursor = *cur
	}
	step.Cursor.begin(c)
	step.Cursor.Count = now.Count
	if cur == nil || cur.Count == now.Count {
		return step, nil
	}
	p, err := c.content(ctx, kind, id, field)
	if err != nil {
		return step, err
	}
	at := c.now()
	step.Events = []toolkit.Event[likesEvent]{{
		Key: kind + ":" + id + ":likes:" + step.Cursor.episode.next(), OccurredAt: at,
		Payload: likesEvent{happened{OccurredAt: stampOf(at), Resource: c.about(kind, p, "")}, likesChange{likeCount{cur.Count}, now}},
	}}
	return step, nil
}
