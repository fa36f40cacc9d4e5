package confluence

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

func v2Routes() map[string]endpoint {
	return map[string]endpoint{
		"GET /pages":                                  (*call).getPages,
		"POST /pages":                                 (*call).createPage,
		"GET /pages/{id}":                             contentByID(typePage),
		"PUT /pages/{id}":                             updateContent(typePage),
		"DELETE /pages/{id}":                          deleteContent(typePage),
		"PUT /pages/{id}/title":                       (*call).updateTitle,
		"GET /pages/{id}/children":                    (*call).getChildPages,
		"GET /pages/{id}/direct-children":             (*call).getDirectChildren,
		"GET /pages/{id}/ancestors":                   (*call).getAncestors,
		"GET /pages/{id}/versions":                    contentVersions(typePage),
		"GET /pages/{id}/versions/{number}":           contentVersion(typePage),
		"GET /pages/{id}/labels":                      contentLabels(typePage),
		"GET /pages/{id}/footer-comments":             rootComments(typePage),
		"GET /blogposts":                              (*call).getBlogPosts,
		"POST /blogposts":                             (*call).createBlogPost,
		"GET /blogposts/{id}":                         contentByID(typeBlog),
		"PUT /blogposts/{id}":                         updateContent(typeBlog),
		"DELETE /blogposts/{id}":                      deleteContent(typeBlog),
		"GET /blogposts/{id}/versions":                contentVersions(typeBlog),
		"GET /blogposts/{id}/versions/{number}":       contentVersion(typeBlog),
		"GET /blogposts/{id}/labels":                  contentLabels(typeBlog),
		"GET /blogposts/{id}/footer-comments":         rootComments(typeBlog),
		"GET /labels":                                 (*call).getLabels,
		"GET /labels/{id}/pages":                      labelContents(typePage),
		"GET /labels/{id}/blogposts":                  labelContents(typeBlog),
		"GET /spaces":                                 (*call).getSpaces,
		"POST /spaces":                                (*call).createSpaceV2,
		"GET /spaces/{id}":                            (*call).getSpace,
		"GET /spaces/{id}/pages":                      spaceContents(typePage),
		"GET /spaces/{id}/blogposts":                  spaceContents(typeBlog),
		"GET /spaces/{id}/content/labels":             (*call).getSpaceContentLabels,
		"GET /footer-comments":                        (*call).getComments,
		"POST /footer-comments":                       (*call).createComment,
		"GET /footer-comments/{id}":                   (*call).getComment,
		"PUT /footer-comments/{id}":                   (*call).updateComment,
		"DELETE /footer-comments/{id}":                (*call).deleteComment,
		"GET /footer-comments/{id}/children":          (*call).getReplies,
		"GET /footer-comments/{id}/versions":          contentVersions(typeComment),
		"GET /footer-comments/{id}/versions/{number}": contentVersion(typeComment),
	}
}

// writeIn is the body of POST and PUT on pages and blog posts. Ids come as
// strings, but numbers are taken too, as the server does.
type writeIn struct {
	ID       json.RawMessage `json:"id"`
	SpaceID  json.RawMessage `json:"spaceId"`
	ParentID json.RawMessage `json:"parentId"`
	Status   string          `json:"status"`
	Title    *string         `json:"title"`
	Subtype  string          `json:"subtype"`
	OwnerID  string          `json:"ownerId"`
	Body     *bodyIn         `json:"body"`
	Created  string          `json:"createdAt"`
	Version  *struct {
		Number  *int   `json:"number"`
		Message string `json:"message"`
	} `json:"version"`
}

// idOf reads an id written as a string or a number; absent and null are 0.
func idOf(raw json.RawMessage, name string) (int64, *apiError) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if json.Unmarshal(raw, &text) != nil {
			return 0, wrongType(text, name, "long")
		}
	}
	if name == "attachmentId" {
		text = strings.TrimPrefix(text, attachmentPrefix)
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, wrongType(text, name, "long")
	}
	return id, nil
}

func (c *call) createPage() (any, *apiError) {
	root, err := c.flag("root-level")
	if err != nil {
		return nil, err
	}
	return c.create(draftIn{typ: typePage, rootLevel: root})
}

func (c *call) createBlogPost() (any, *apiError) { return c.create(draftIn{typ: typeBlog}) }

func (c *call) create(d draftIn) (any, *apiError) {
	var in writeIn
	err := c.decode(&in)
	if err != nil {
		return nil, err
	}
	if d.spaceID, err = idOf(in.SpaceID, "spaceId"); err != nil {
		return nil, err
	}
	if d.spaceID == 0 {
		return nil, badRequest("spaceId must be specified")
	}
	if d.parentID, err = idOf(in.ParentID, "parentId"); err != nil {
		return nil, err
	}
	if d.private, err = c.flag("private"); err != nil {
		return nil, err
	}
	if in.Status != "" && in.Status != statusCurrent && in.Status != statusDraft {
		return nil, badRequest("Provided value {%s} for 'status' is not valid. Valid values are [current, draft]", in.Status)
	}
	if in.Subtype != "" && in.Subtype != "live" {
		return nil, badRequest("Provided value {%s} for 'subtype' is not valid. Valid values are [live]", in.Subtype)
	}
	if d.createdAt, err = in.posted(d.typ); err != nil {
		return nil, err
	}
	d.status, d.subtype, d.authorID = in.Status, in.Subtype, c.me.AccountID
	if in.Title != nil {
		d.title = *in.Title
	}
	if d.body, err = in.Body.intake(d.title + strconv.FormatInt(c.now().UnixNano(), 36)); err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.st.create(d, c.now())
	if err != nil {
		return nil, err
	}
	return c.show(x, x.current(), shownFormat(in.Body), c.base+"/wiki"), nil
}

// posted reads the date that a blog post is given; zero without one.
func (in *writeIn) posted(t contentType) (time.Time, *apiError) {
	if in.Created == "" || t != typeBlog {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, in.Created)
	if err != nil {
		return time.Time{}, badRequest("createdAt must be a time such as 2026-11-22T09:00:00.000Z, got {%s}", in.Created)
	}
	return at.UTC(), nil
}

// shownFormat is the body format in which a write answers.
func shownFormat(b *bodyIn) string {
	if b != nil && b.Representation == "atlas_doc_format" {
		return b.Representation
	}
	return "storage"
}

func updateContent(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		id, err := c.pathID("id", "id")
		if err != nil {
			return nil, err
		}
		var in writeIn
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		if err := in.complete(id); err != nil {
			return nil, err
		}
		b, err := in.Body.intake(itoa(id) + "/" + strconv.Itoa(*in.Version.Number))
		if err != nil {
			return nil, err
		}
		ch := changeIn{title: *in.Title, status: in.Status, body: &b, number: *in.Version.Number, message: in.Version.Message, ownerID: in.OwnerID, authorID: c.me.AccountID}
		c.lock()
		x, err := c.edit(t, id)
		if err != nil {
			return nil, err
		}
		if err := c.moveIn(x, in, &ch); err != nil {
			return nil, err
		}
		at, err := in.posted(t)
		if err != nil {
			return nil, err
		}
		if err := c.st.update(x, ch, c.now()); err != nil {
			return nil, err
		}
		if !at.IsZero() {
			x.createdAt = at
		}
		v := x.current()
		if in.Status == statusDraft && x.draft != nil {
			v = x.draft
		}
		return c.show(x, v, shownFormat(in.Body), c.base+"/wiki"), nil
	}
}

// complete checks the fields that an update must have.
func (in *writeIn) complete(id int64) *apiError {
	own, err := idOf(in.ID, "id")
	if err != nil {
		return err
	}
	switch {
	case own == 0:
		return badRequest("id must be specified in the request body")
	case own != id:
		return badRequest("The id in the path [%d] and the id in the request body [%d] must be the same", id, own)
	case in.Status != statusCurrent && in.Status != statusDraft:
		return badRequest("Provided value {%s} for 'status' is not valid. Valid values are [current, draft]", in.Status)
	case in.Title == nil:
		return badRequest("title must be specified")
	case in.Body == nil || !in.Body.given:
		return badRequest("body must be specified")
	case in.Version == nil || in.Version.Number == nil:
		return badRequest("version.number must be specified")
	}
	return nil
}

// moveIn reads the fields of an update that move a content or change its owner.
func (c *call) moveIn(x *content, in writeIn, ch *changeIn) *apiError {
	if sp, err := idOf(in.SpaceID, "spaceId"); err != nil {
		return err
	} else if sp != 0 && sp != x.spaceID {
		return badRequest("Content cannot be moved to another space by an update: it is in the space with id [%d]", x.spaceID)
	}
	if p, err := idOf(in.ParentID, "parentId"); err != nil {
		return err
	} else if p != 0 {
		ch.parentID = &p
	}
	if in.OwnerID != "" && c.st.users[in.OwnerID] == nil {
		return badRequest("ownerId [%s] is not a user of this site", in.OwnerID)
	}
	return nil
}

func (c *call) updateTitle() (any, *apiError) {
	var in struct{ Status, Title string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	x, err := c.editing(typePage)
	if err != nil {
		return nil, err
	}
	if in.Status != statusCurrent && in.Status != statusDraft || in.Status != x.status {
		return nil, badRequest("status must be the page's own: %s", x.status)
	}
	ch := changeIn{title: in.Title, status: in.Status, number: x.current().number + 1, authorID: c.me.AccountID}
	if in.Status == statusDraft {
		ch.number = 1
	}
	if err := c.st.update(x, ch, c.now()); err != nil {
		return nil, err
	}
	return c.show(x, x.current(), "", c.base+"/wiki"), nil
}

func deleteContent(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		purge, err := c.flag("purge")
		if err != nil {
			return nil, err
		}
		draft, err := c.flag("draft")
		if err != nil {
			return nil, err
		}
		x, err := c.changing(t)
		if err != nil {
			return nil, err
		}
		if err := c.deletable(x, purge); err != nil {
			return nil, err
		}
		return nil, c.destroy(x, purge, draft)
	}
}

func contentByID(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		format, err := c.oneOf("body-format", "", singleFormats...)
		if err != nil {
			return nil, err
		}
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		v, err := c.wanted(x)
		if err != nil {
			return nil, err
		}
		out := c.show(x, v, format, c.base+"/wiki")
		return out, c.include(x, inner(out))
	}
}

// wanted picks the version that a single read asks for by get-draft, version and status.
func (c *call) wanted(x *content) (*version, *apiError) {
	if len(c.q) == 0 && x.status != statusDraft {
		return x.current(), nil
	}
	statuses, err := c.anyOf("status", nil, statusCurrent, statusArchived, statusTrashed, "deleted", statusHistorical, statusDraft)
	if err != nil {
		return nil, err
	}
	getDraft, err := c.flag("get-draft")
	if err != nil {
		return nil, err
	}
	if raw := c.q.Get("version"); raw != "" {
		n, e := strconv.Atoi(raw)
		if e != nil {
			return nil, wrongType(raw, "version", "int")
		}
		if i := slices.IndexFunc(x.versions, func(v *version) bool { return v.number == n }); i >= 0 {
			return x.versions[i], nil
		}
		return nil, notFound("Cannot find version [%d] of the %s with id [%d]", n, noun(x.typ), x.id)
	}
	if getDraft && x.draft != nil {
		return x.draft, nil
	}
	if x.status == statusDraft && !getDraft && !statuses[statusDraft] {
		return nil, noSuch(x.typ, x.id)
	}
	if len(statuses) > 0 && !statuses[x.status] && !(x.status == statusDraft && getDraft) {
		return nil, noSuch(x.typ, x.id)
	}
	return x.current(), nil
}

// include adds what the include-… parameters ask for.
func (c *call) include(x *content, out *v2Content) *apiError {
	if len(c.q) == 0 {
		return nil
	}
	self := c.r.URL.Path
	want := func(name string) bool { b, err := c.flag(name); return err == nil && b }
	if c.q.Get("include-version") == "false" {
		out.Version = nil
	}
	if want("include-labels") {
		out.Labels = subList(c.st.showLabels(x), self+"/labels")
	}
	if want("include-versions") {
		var vs []v2Version
		for _, v := range slices.Backward(x.versions) {
			vs = append(vs, showVersion(v))
		}
		out.Versions = subList(vs, self+"/versions")
	}
	if want("include-operations") {
		out.Operations = subList(c.operationsOn(x), self+"/operations")
	}
	if want("include-properties") {
		out.Properties = subList(c.showProperties(x.id), self+"/properties")
	}
	if want("include-likes") {
		out.Likes = subList(x.showLikes(), self+"/likes")
	}
	if want("include-favorited-by-current-user-status") {
		yes := slices.Contains(x.audience.favourites, c.me.AccountID)
		out.Favorited = &yes
	}
	if want("include-direct-children") && x.typ == typePage {
		var kids []v2Child
		for _, k := range c.visibleOnes(c.st.children[x.id]) {
			kids = append(kids, showChild(k, true))
		}
		out.DirectChildren = subList(kids, self+"/direct-children")
	}
	return nil
}
