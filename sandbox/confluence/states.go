package confluence

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// stateRoutes are content states: "Rough draft", "In progress" and what people make up.
func stateRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /content/{id}/state":           (*call).getState,
		"PUT /content/{id}/state":           (*call).setState,
		"DELETE /content/{id}/state":        (*call).setState,
		"GET /content/{id}/state/available": (*call).availableStates,
		"GET /content-states":               (*call).ownStates,
		"GET /space/{key}/state":            (*call).spaceStates,
		"GET /space/{key}/state/settings":   (*call).stateSettings,
		"GET /space/{key}/state/content":    (*call).contentsInState,
	}
}

type v1State struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Color string `json:"color"`
}

// customState is a state that somebody made up. The newest is the last.
type customState struct {
	v1State
	account string
}

// suggestedStates are the states that every space offers.
func suggestedStates() []v1State {
	return []v1State{{1, "Rough draft", "#FFC400"}, {2, "In progress", "#2684FF"}, {3, "Ready for review", "#57D9A3"}}
}

func (st *store) state(id int64) *v1State {
	for _, s := range suggestedStates() {
		if s.ID == id {
			return &s
		}
	}
	for _, s := range st.states {
		if s.ID == id {
			return &s.v1State
		}
	}
	return nil
}

// statesOf are the states that an account made, the newest first.
func (st *store) statesOf(account string) []v1State {
	out := []v1State{}
	for _, s := range slices.Backward(st.states) {
		if s.account == account {
			out = append(out, s.v1State)
		}
	}
	return out
}

type v1StateOf struct {
	State   *v1State `json:"contentState,omitempty"`
	Updated string   `json:"lastUpdated,omitempty"`
}

func (c *call) showState(x *content) v1StateOf {
	out := v1StateOf{State: c.st.state(x.state)}
	if !x.stateAt.IsZero() {
		out.Updated = stamp(x.stateAt)
	}
	return out
}

func (c *call) getState() (any, *apiError) {
	if _, err := c.oneOf("status", statusCurrent, statusCurrent, statusDraft, statusArchived); err != nil {
		return nil, err
	}
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return c.showState(x), nil
}

var stateColor = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// What a site keeps of made-up states, and how long a name may be.
const (
	maxStates    = 10_000
	maxStateName = 20
)

// stateIn finds the state that a request names, or makes one. The lock is held.
func (c *call) stateIn(in v1State) (int64, *apiError) {
	if in.ID != 0 {
		if c.st.state(in.ID) == nil {
			return 0, badRequest("There is no content state with id %d", in.ID)
		}
		return in.ID, nil
	}
	in.Name = strings.TrimSpace(in.Name)
	if in.Name == "" || len([]rune(in.Name)) > maxStateName || !stateColor.MatchString(in.Color) {
		return 0, badRequest("name must have 1 to %d characters and color must be written as #RRGGBB", maxStateName)
	}
	for _, s := range slices.Concat(suggestedStates(), c.st.statesOf(c.me.AccountID)) {
		if s.Name == in.Name && strings.EqualFold(s.Color, in.Color) {
			return s.ID, nil
		}
	}
	if len(c.st.states) >= maxStates {
		return 0, badRequest("There are already %d content states, which is the most", maxStates)
	}
	in.ID = c.st.newID()
	c.st.states = append(c.st.states, customState{in, c.me.AccountID})
	return in.ID, nil
}

// setState sets the state of a content, or takes it away, in a new version with
// the same body.
func (c *call) setState() (any, *apiError) {
	var in v1State
	set := c.r.Method == http.MethodPut
	if set {
		if err := c.decode(&in); err != nil {
			return nil, err
		}
	}
	status, err := c.oneOf("status", statusCurrent, statusCurrent, statusDraft)
	if err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.contentV1()
	if err == nil {
		err = c.editable(x)
	}
	if err != nil {
		return nil, err
	}
	if x.status != status && (x.status != statusCurrent || x.draft == nil) {
		return nil, badRequest("The content with id [%d] has the status %s, not %s", x.id, x.status, status)
	}
	id := int64(0)
	if set {
		if id, err = c.stateIn(in); err != nil {
			return nil, err
		}
	}
	if status == statusCurrent {
		have := x.current()
		ch := changeIn{title: have.title, status: statusCurrent, body: &stored{storage: have.storage, doc: have.doc()}, number: have.number + 1, authorID: c.me.AccountID}
		draft := x.draft
		if err := c.st.update(x, ch, c.now()); err != nil {
			return nil, err
		}
		x.draft = draft
	}
	x.state, x.stateAt = id, c.now()
	return c.showState(x), nil
}

// offeredStates is how many of somebody's own states the editor offers.
const offeredStates = 3

func (c *call) availableStates() (any, *apiError) {
	c.rlock()
	x, err := c.contentV1()
	if err == nil {
		err = c.editable(x)
	}
	if err != nil {
		return nil, err
	}
	own := c.st.statesOf(c.me.AccountID)
	return struct {
		Space []v1State `json:"spaceContentStates"`
		Own   []v1State `json:"customContentStates"`
	}{suggestedStates(), own[:min(offeredStates, len(own))]}, nil
}

func (c *call) ownStates() (any, *apiError) {
	c.rlock()
	return c.st.statesOf(c.me.AccountID), nil
}

func (c *call) spaceStates() (any, *apiError) {
	c.rlock()
	if _, err := c.spaceByKey(); err != nil {
		return nil, err
	}
	return suggestedStates(), nil
}

func (c *call) stateSettings() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByKey()
	if err == nil {
		err = c.spaceAdminOnly(sp)
	}
	if err != nil {
		return nil, err
	}
	return struct {
		Allowed bool      `json:"contentStatesAllowed"`
		Custom  bool      `json:"customContentStatesAllowed"`
		Space   bool      `json:"spaceContentStatesAllowed"`
		States  []v1State `json:"spaceContentStates"`
	}{true, true, true, suggestedStates()}, nil
}

func (c *call) contentsInState() (any, *apiError) {
	id, ok := number(c.q.Get("state-id"))
	if !ok {
		return nil, badRequest("state-id must be the number of a content state, got '%s'", c.q.Get("state-id"))
	}
	c.rlock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	var rows []*content
	for _, k := range c.st.order {
		if x := c.st.contents[k]; x.spaceID == sp.id && x.status == statusCurrent && x.state == int64(id) && c.st.visible(x, c.me) {
			rows = append(rows, x)
		}
	}
	return c.showAll(rows)
}

// stateOf is the part of a content that tells its state.
type stateOf struct {
	state   int64 // id of the content state; 0 = none
	stateAt time.Time
}
