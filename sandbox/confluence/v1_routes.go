package confluence

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// v1Routes are the calls of today's v1 document.
func v1Routes() map[string]endpoint {
	return map[string]endpoint{
		"GET /search":                        (*call).search,
		"GET /search/user":                   (*call).searchUsers,
		"GET /content/search":                (*call).contentSearch,
		"POST /content/{id}/label":           (*call).addLabels,
		"DELETE /content/{id}/label":         (*call).deleteLabel,
		"DELETE /content/{id}/label/{label}": (*call).deleteLabel,
		"GET /label":                         (*call).labelInfo,
		"GET /user":                          (*call).getUser,
		"GET /user/current":                  (*call).currentUser,
		"GET /user/anonymous":                (*call).anonymousUser,
		"POST /space":                        createSpaceV1(false),
		"POST /space/_private":               createSpaceV1(true),
		"DELETE /space/{key}":                (*call).deleteSpace,
		"GET /longtask":                      (*call).longTasks,
		"GET /longtask/{id}":                 (*call).longTask,
	}
}

// v1RemovedRoutes are the calls that left the document but not every site.
func v1RemovedRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /content":                       (*call).listContentV1,
		"POST /content":                      (*call).createContentV1,
		"GET /content/{id}":                  (*call).getContentV1,
		"PUT /content/{id}":                  (*call).updateContentV1,
		"DELETE /content/{id}":               (*call).deleteContentV1,
		"GET /content/{id}/label":            (*call).getContentLabels,
		"GET /content/{id}/history":          (*call).getHistoryV1,
		"GET /content/{id}/version":          (*call).getVersionsV1,
		"GET /content/{id}/child":            (*call).getChildrenV1,
		"GET /content/{id}/child/{type}":     (*call).getChildTypeV1,
		"GET /content/{id}/version/{number}": (*call).getVersionV1,
		"GET /space":                         (*call).listSpacesV1,
		"GET /space/{key}":                   (*call).getSpaceV1,
		"GET /space/{key}/content":           (*call).spaceContentV1,
		"GET /space/{key}/content/{type}":    (*call).spaceContentV1,
	}
}

func (c *call) currentUser() (any, *apiError) {
	if c.me == nobody {
		return c.anonymousUser()
	}
	c.rlock()
	out := c.showUserWith(c.me.AccountID, parseExpand(c.list("expand")))
	out.TimeZone, out.Locale = c.me.timeZone, "en-GB"
	return out, nil
}

func (c *call) getUser() (any, *apiError) {
	id := c.q.Get("accountId")
	if id == "" { // also who sends a username or a key, which the cloud knows no more
		return nil, badRequest("accountId is required")
	}
	c.rlock()
	if c.st.users[id] == nil {
		return nil, notFound("No user found with account id: %s", id)
	}
	return c.showUserWith(id, parseExpand(c.list("expand"))), nil
}

type v1Anonymous struct {
	Type           string            `json:"type"`
	ProfilePicture v1Picture         `json:"profilePicture"`
	DisplayName    string            `json:"displayName"`
	Expandable     map[string]string `json:"_expandable"`
	Links          v1Links           `json:"_links"`
}

// anonymousUser shows who reads without an account, where the site lets anybody.
func (c *call) anonymousUser() (any, *apiError) {
	if !c.opts.Anonymous {
		return nil, forbidden("Anonymous users are not permitted to use Confluence")
	}
	return v1Anonymous{
		Type: "anonymous", DisplayName: "Anonymous", ProfilePicture: v1Picture{Path: "/wiki/aa-avatar/anonymous", Width: 48, Height: 48, IsDefault: true},
		Expandable: map[string]string{"operations": ""}, Links: v1Links{Self: c.base + "/wiki/rest/api/user/anonymous", Base: c.base + "/wiki", Context: "/wiki"},
	}, nil
}

type v1LabelInfo struct {
	Label    v1Label             `json:"label"`
	Contents v1List2[v1LabelUse] `json:"associatedContents"`
}

type v1List2[T any] struct {
	Results []T `json:"results"`
	Start   int `json:"start"`
	Limit   int `json:"limit"`
	Size    int `json:"size"`
}

type v1LabelUse struct {
	Type  string `json:"contentType"`
	ID    int64  `json:"contentId"`
	Title string `json:"title"`
}

func (c *call) labelInfo() (any, *apiError) {
	name := strings.ToLower(c.q.Get("name"))
	limit, err := c.limit(200, 200)
	if err != nil {
		return nil, err
	}
	start, err := c.start()
	if err != nil {
		return nil, err
	}
	typ := c.q.Get("type")
	c.rlock()
	l := c.st.labels[cmp.Or(c.st.labelIDs["global:"+name], c.st.labelIDs[name])]
	if l == nil {
		return nil, notFound("No label found with name: %s", name)
	}
	uses := []v1LabelUse{}
	for _, id := range c.st.order {
		x := c.st.contents[id]
		if x.status == statusCurrent && slices.Contains(x.labels, l.id) && c.st.visible(x, c.me) && (typ == "" || typ == string(x.typ)) {
			uses = append(uses, v1LabelUse{Type: string(x.typ), ID: x.id, Title: x.title()})
		}
	}
	uses = uses[min(start, len(uses)):]
	uses = uses[:min(limit, len(uses))]
	return v1LabelInfo{
		Label:    v1Label{Prefix: l.prefix, Name: l.name, ID: itoa(l.id), Label: l.name},
		Contents: v1List2[v1LabelUse]{Results: uses, Start: start, Limit: limit, Size: len(uses)},
	}, nil
}

func createSpaceV1(private bool) endpoint {
	return func(c *call) (any, *apiError) {
		var in struct {
			Key         string `json:"key"`
			Alias       string `json:"alias"`
			Name        string `json:"name"`
			Type        string `json:"type"`
			Description *struct {
				Plain *struct {
					Value          string `json:"value"`
					Representation string `json:"representation"`
				} `json:"plain"`
			} `json:"description"`
		}
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		sp := spaceIn{key: in.Key, alias: in.Alias, name: in.Name, typ: in.Type, authorID: c.me.AccountID, private: private}
		if in.Type != "" && in.Type != "global" && in.Type != "personal" {
			return nil, badRequest("Space type '%s' is not valid. Valid types are global and personal", in.Type)
		}
		if in.Description != nil && in.Description.Plain != nil {
			if in.Description.Plain.Representation != "plain" {
				return nil, badRequest("description.plain.representation must be 'plain'")
			}
			sp.desc = in.Description.Plain.Value
		}
		c.lock()
		made, err := c.st.createSpace(sp, c.now())
		if err != nil {
			return nil, err
		}
		c.spaceMade(made)
		return c.showSpaceV1(made, parseExpand([]string{"description.plain", "homepage"})), nil
	}
}

type v1Task struct {
	ARI   string      `json:"ari"`
	ID    string      `json:"id"`
	Links v1TaskLinks `json:"links"`
}

type v1TaskLinks struct {
	Status string `json:"status"`
}

// deleteSpace removes a space for good. The work is done at once, but answered
// as a long task, as in the cloud.
func (c *call) deleteSpace() (any, *apiError) {
	key := c.r.PathValue("key")
	c.lock()
	sp := c.st.spaceOf(key)
	if sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, notFound("No space found with key : %s", key)
	}
	if err := c.spaceAdminOnly(sp); err != nil {
		return nil, err
	}
	c.spaceGone(sp)
	c.st.removeSpace(sp)
	return c.startTask("com.atlassian.confluence.remove.space.longrunning.task", "Space deletion completed", nil), nil
}

type v1Message struct {
	Translation string   `json:"translation"`
	Args        []string `json:"args"`
}

type v1TaskStatus struct {
	ARI        string         `json:"ari"`
	ID         string         `json:"id"`
	Name       v1TaskName     `json:"name"`
	Elapsed    int64          `json:"elapsedTime"`
	Percentage int            `json:"percentageComplete"`
	Successful bool           `json:"successful"`
	Finished   bool           `json:"finished"`
	Messages   []v1Message    `json:"messages"`
	Status     string         `json:"status"`
	Errors     []v1Message    `json:"errors"`
	Details    *v1TaskDetails `json:"additionalDetails,omitempty"`
	Links      v1Links        `json:"_links"`
}

type v1TaskName struct {
	Key  string   `json:"key"`
	Args []string `json:"args"`
}

func (c *call) longTask() (any, *apiError) {
	id := c.r.PathValue("id")
	c.rlock()
	t, ok := c.st.tasks[id]
	if !ok {
		return nil, notFound("No long task found with id: %s", id)
	}
	return c.showTask(t), nil
}

func (c *call) longTasks() (any, *apiError) {
	c.rlock()
	out := v1List[v1TaskStatus]{Results: []v1TaskStatus{}, Limit: 100, Links: v1Links{Self: c.base + "/wiki/rest/api/longtask", Base: c.base + "/wiki", Context: "/wiki"}}
	for _, t := range c.st.tasks {
		out.Results = append(out.Results, c.showTask(t))
	}
	slices.SortFunc(out.Results, func(a, b v1TaskStatus) int { return strings.Compare(a.ID, b.ID) })
	out.Size = len(out.Results)
	return out, nil
}

// start reads the v1 paging offset.
func (c *call) start() (int, *apiError) {
	raw := c.q.Get("start")
	if raw == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 0 {
		return 0, badRequest("Start must be a number that is not negative, got '%s'", raw)
	}
	return n, nil
}

func parseDate(s string) (time.Time, bool) {
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil
}
