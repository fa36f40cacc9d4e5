package confluence

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type pageMovedConfig struct {
	PageID         string `json:"pageId,omitempty" jsonschema_description:"This page: its id or its address. Give it or spaceId."`
	SpaceID        string `json:"spaceId,omitempty" jsonschema_description:"All pages in this space: its id or its key (MKT). Give it or pageId."`
	IncludeReorder bool   `json:"includeReorder,omitempty" jsonschema_description:"Report another position under the same parent as well; pages may also get one because those beside them come and go."`
}

type movedEvent struct {
	happened
	Change movedChange `json:"change" jsonschema_description:"What changed."`
}

type movedChange struct {
	Before place `json:"before" jsonschema_description:"Where it was at the poll before."`
	After  place `json:"after" jsonschema_description:"Where it is now."`
}

// place is where a page is.
type place struct {
	SpaceID  string `json:"spaceId" jsonschema_description:"Id of its space."`
	ParentID string `json:"parentId,omitempty" jsonschema_description:"Id of what it is under; absent at the top of a space."`
	Position *int   `json:"position,omitempty" jsonschema_description:"Position among its siblings."`
}

func placeOf(p *page) place {
	return place{SpaceID: p.SpaceID, ParentID: p.ParentID, Position: p.Position}
}

// movedFrom says whether a page is somewhere else than it was.
func (p place) movedFrom(o place, reorder bool) bool {
	return p.SpaceID != o.SpaceID || p.ParentID != o.ParentID || reorder && p.position() != o.position()
}

func (p place) position() int {
	if p.Position == nil {
		return -1
	}
	return *p.Position
}

// String writes parent and position; the space is that of the trigger.
func (p place) String() string {
	if p.Position == nil {
		return p.ParentID
	}
	return p.ParentID + "/" + strconv.Itoa(*p.Position)
}

// key names where a page went: a poll that is repeated because it died may find it
// elsewhere, and that is another event. Without reorder a position is nothing new.
func (p place) key(reorder bool) string {
	if !reorder {
		p.Position = nil
	}
	return p.SpaceID + "/" + p.String()
}

// readPlace reads what String wrote.
func readPlace(text, space string) place {
	parent, position, ok := strings.Cut(text, "/")
	p := place{SpaceID: space, ParentID: parent}
	if n, err := strconv.Atoi(position); ok && err == nil {
		p.Position = &n
	}
	return p
}

// movesState is where pages were. Of a space a walk may take several polls: Have
// are the pages not met in it yet, Met the others, Gone those that the walk did
// not find and that are still to be looked for.
type movesState struct {
	episode
	Page  *place            `json:"page,omitempty"`
	Have  map[string]string `json:"have,omitempty"`
	Met   map[string]string `json:"met,omitempty"`
	Gone  map[string]string `json:"gone,omitempty"`
	Next  string            `json:"next,omitempty"`
	Ready bool              `json:"ready,omitempty"`
}

var pageMoved = toolkit.Poll("CONFLUENCE_PAGE_MOVED_TRIGGER", "Page Moved",
	"Fires when a page gets another parent or goes to another space: one page, or any of those in a space. Not for new, renamed or archived pages.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords: []string{"relocated", "reorganised", "another parent", "tree changed", "another space"},
		Blind: []string{
			"A page that is moved there and back between two polls is not seen; several moves between two polls are one event.",
			"With spaceId, a page that comes in from another space is not reported; watch that space too. Neither is one that is moved while it is in the trash.",
			"Confluence does not say who moved it, nor when: the time is that of the poll.",
			"It is for spaces with at most 5,000 pages.",
		},
		Endpoints: []string{"GET /wiki/api/v2/pages", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}"},
		Interval:  2 * usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 2,
		IdleMore: "with spaceId a point for each page and a request for each 250",
	},
	toolkit.Poller[*client, pageMovedConfig, movesState, movedEvent]{
		Example: movedEvent{
			happened{OccurredAt: "2026-11-22T10:00:00.000Z", Resource: exampleContent("page", "Q3 Planning", 2).Resource},
			movedChange{place{SpaceID: "98304", ParentID: "98306"}, place{SpaceID: "98304", ParentID: "98310"}},
		},
		Check: func(ctx context.Context, c *client, cfg pageMovedConfig) (_ pageMovedConfig, err error) {
			switch {
			case (cfg.PageID == "") == (cfg.SpaceID == ""):
				return cfg, toolkit.Invalid("pageId", "pageId: give pageId or spaceId, one of them")
			case cfg.PageID != "":
				cfg.PageID, err = c.checkContent(ctx, "page", "pageId", cfg.PageID)
			default:
				cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			}
			return cfg, err
		},
		Sample: sampled(func(cfg pageMovedConfig, e *movedEvent) {
			e.Resource.be(cfg.PageID)
			e.Resource.lieIn(cfg.SpaceID)
			e.Change.Before.SpaceID, e.Change.After.SpaceID = e.Resource.SpaceID, e.Resource.SpaceID
		}),
		Poll: func(ctx context.Context, c *client, cfg pageMovedConfig, cur *movesState) (step toolkit.Step[movesState, movedEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			if cfg.PageID != "" {
				step.Events, err = c.pollPlace(ctx, &step.Cursor, cfg)
				return step, err
			}
			m := moves{c: c, st: &step.Cursor, space: cfg.SpaceID, reorder: cfg.IncludeReorder}
			step.More, err = m.poll(ctx)
			step.Events = inOrder(m.events)
			return step, err
		},
	})

func (c *client) movedEvent(p *page, before, after place, key, base string) toolkit.Event[movedEvent] {
	at := c.now()
	return toolkit.Event[movedEvent]{
		Key: "page:" + p.ID + ":moved:" + key, OccurredAt: at,
		Payload: movedEvent{happened{OccurredAt: stampOf(at), Resource: c.about("page", p, base)}, movedChange{before, after}},
	}
}

// pollPlace compares the place of one page. In the trash a page has none.
func (c *client) pollPlace(ctx context.Context, st *movesState, cfg pageMovedConfig) ([]toolkit.Event[movedEvent], error) {
	p, err := c.content(ctx, "page", cfg.PageID, "pageId")
	if err != nil {
		return nil, err
	}
	st.begin(c)
	if p.Status != "current" && p.Status != "archived" && st.Page != nil {
		return nil, nil
	}
	now := placeOf(p)
	before := st.Page
	st.Page = &now
	if before == nil || !now.movedFrom(*before, cfg.IncludeReorder) {
		return nil, nil
	}
	return []toolkit.Event[movedEvent]{c.movedEvent(p, *before, now, st.episode.next()+":"+now.key(cfg.IncludeReorder), "")}, nil
}

// maxMoves is how many pages of a space are remembered.
const maxMoves = 5000

// moves is one poll of the pages of a space.
type moves struct {
	c       *client
	st      *movesState
	space   string
	reorder bool
	events  []toolkit.Event[movedEvent]
}

func (m *moves) poll(ctx context.Context) (more bool, err error) {
	st := m.st
	if m.space, err = m.c.spaceID(ctx, "spaceId", m.space); err != nil {
		return false, err
	}
	if len(st.Gone) > 0 { // left over from the walk before
		return m.lookForGone(ctx)
	}
	if st.Have == nil {
		st.Have = map[string]string{}
	}
	if st.Met == nil {
		st.Met = map[string]string{}
	}
	r := request{path: v2 + "/pages", query: url.Values{"space-id": {m.space}, "status": {"current"}, "sort": {"id"}}, scopes: []string{scopeReadPage}}
	for range maxPollPages {
		got, err := fetchOne[page](ctx, m.c, r, 250, st.Next)
		if err != nil && st.Next != "" && refused(err) {
			for id, at := range st.Met {
				st.Have[id] = at
			}
			st.Met, st.Next = nil, ""
			return true, nil
		}
		if err != nil {
			return false, err
		}
		st.begin(m.c)
		for i := range got.items {
			m.meet(&got.items[i], got.base)
		}
		if len(st.Have)+len(st.Met) > maxMoves {
			return false, &toolkit.Error{
				Kind: toolkit.KindTooLarge, Field: "spaceId", Message: fmt.Sprintf("The space has more than %d pages.", maxMoves),
				Fix: "Watch single pages with pageId.",
			}
		}
		if st.Next = got.cursor; st.Next == "" {
			if st.Ready {
				st.Gone = st.Have
			}
			st.Have, st.Met, st.Ready = st.Met, nil, true
			return m.lookForGone(ctx)
		}
	}
	return true, nil
}

// meet compares a page of the list with where it was.
func (m *moves) meet(p *page, base string) {
	st, now := m.st, placeOf(p)
	was, known := st.Have[p.ID]
	if known && st.Ready {
		if before := readPlace(was, m.space); now.movedFrom(before, m.reorder) {
			m.events = append(m.events, m.c.movedEvent(p, before, now, st.episode.next()+":"+now.key(m.reorder), base))
		}
	}
	delete(st.Have, p.ID)
	st.Met[p.ID] = now.String()
}

// lookForGone finds what became of pages that are no longer in the space's list.
func (m *moves) lookForGone(ctx context.Context) (more bool, err error) {
	for _, id := range sortedIDs(m.st.Gone) {
		if m.c.isBusy(len(m.events)) {
			return true, nil
		}
		var p page
		err := m.c.do(ctx, request{path: v2 + "/pages/" + id, out: &p, probe: true, scopes: []string{scopeReadPage}})
		switch {
		case isStatus(err, 404): // purged, or out of sight
		case err != nil:
			return false, err
		case p.SpaceID != m.space && p.SpaceID != "" && (p.Status == "current" || p.Status == "archived"):
			now := placeOf(&p)
			m.events = append(m.events, m.c.movedEvent(&p, readPlace(m.st.Gone[id], m.space), now, m.st.episode.next()+":"+now.key(m.reorder), ""))
		}
		delete(m.st.Gone, id)
	}
	m.st.Gone = nil
	return false, nil
}
