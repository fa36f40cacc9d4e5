package confluence

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// maxTitle is the longest title, in UTF-16 units.
const maxTitle = 255

// draftIn is what a new page or blog post is made of.
type draftIn struct {
	typ       contentType
	spaceID   int64
	title     string
	status    string
	parentID  int64
	rootLevel bool
	private   bool
	subtype   string
	body      stored
	createdAt time.Time
	authorID  string
	message   string
}

func checkTitle(title, status string) *apiError {
	if strings.TrimSpace(title) == "" && status != statusDraft {
		return badRequest("Title must be specified when creating or updating published content")
	}
	if len(utf16.Encode([]rune(title))) > maxTitle {
		return badRequest("Title cannot be longer than %d characters", maxTitle)
	}
	return nil
}

// holder finds who holds a title: for pages in the space, for blog posts in the
// space on the same day.
func (st *store) holder(typ contentType, spaceID int64, title string, day time.Time) *content {
	if typ == typePage {
		return st.contents[st.titles[titleKey{spaceID, foldTitle(title)}]]
	}
	if typ != typeBlog {
		return nil // the titles of other contents need not be unique
	}
	for _, id := range st.order {
		x := st.contents[id]
		if x.typ == typeBlog && x.spaceID == spaceID && x.status == statusCurrent && foldTitle(x.title()) == foldTitle(title) &&
			x.createdAt.Format(time.DateOnly) == day.Format(time.DateOnly) {
			return x
		}
	}
	return nil
}

func titleError(typ contentType) *apiError {
	if typ == typeBlog {
		return badRequest("A blog post with this title already exists: A blog post already exists with the same TITLE in this space on this day")
	}
	return badRequest(titleTaken)
}

// claim takes a title for a published page.
func (st *store) claim(x *content) {
	if x.typ == typePage && (x.status == statusCurrent || x.status == statusArchived) {
		st.titles[titleKey{x.spaceID, foldTitle(x.title())}] = x.id
	}
}

func (st *store) release(x *content) {
	key := titleKey{x.spaceID, foldTitle(x.title())}
	if st.titles[key] == x.id {
		delete(st.titles, key)
	}
}

// parentFor decides where a new page goes.
func (st *store) parentFor(in draftIn) (int64, *apiError) {
	if !in.typ.inTree() {
		return 0, nil
	}
	if in.parentID != 0 {
		if in.rootLevel {
			return 0, badRequest("A page cannot be created at root level with a parentId")
		}
		return in.parentID, st.checkParent(in.parentID, in.spaceID, in.authorID)
	}
	if home := st.contents[st.spaces[in.spaceID].homepageID]; home != nil && home.status == statusCurrent && !in.rootLevel {
		return home.id, nil
	}
	return 0, nil
}

func (st *store) checkParent(id, spaceID int64, account string) *apiError {
	p := st.contents[id]
	if p == nil || !p.typ.inTree() || p.status != statusCurrent || !st.unrestricted(p, account) {
		return notFound("Cannot find a parent page with id [%d]", id)
	}
	if p.spaceID != spaceID {
		return badRequest("The parent page with id [%d] is not in the space with id [%d]", id, spaceID)
	}
	return nil
}

func (st *store) create(in draftIn, now time.Time) (*content, *apiError) {
	if in.status == "" {
		in.status = statusCurrent
	}
	if in.createdAt.IsZero() {
		in.createdAt = now
	}
	if err := checkTitle(in.title, in.status); err != nil {
		return nil, err
	}
	if sp := st.spaces[in.spaceID]; !st.mayCreate(sp, in.authorID, in.typ) {
		return nil, notFound("Cannot find a space with id [%d]", in.spaceID)
	}
	parent, err := st.parentFor(in)
	if err != nil {
		return nil, err
	}
	if in.status == statusCurrent && st.holder(in.typ, in.spaceID, in.title, in.createdAt) != nil {
		return nil, titleError(in.typ)
	}
	if err := st.room(len(in.body.storage)); err != nil {
		return nil, err
	}
	x := &content{
		id: st.newID(), typ: in.typ, status: in.status, spaceID: in.spaceID, parentID: parent, subtype: in.subtype, private: in.private,
		authorID: in.authorID, ownerID: in.authorID, createdAt: in.createdAt,
		versions: []*version{{number: 1, title: strings.TrimSpace(in.title), storage: in.body.storage, authorID: in.authorID, at: in.createdAt, message: in.message}},
	}
	st.add(x)
	if x.typ.inTree() && x.status == statusCurrent {
		st.attach(x)
	}
	st.claim(x)
	st.reindex(x, in.body.doc)
	return x, nil
}

// changeIn is an update of a page or blog post. Nil pointers leave things alone.
type changeIn struct {
	title    string
	status   string
	body     *stored
	number   int
	message  string
	minor    bool
	parentID *int64
	ownerID  string
	authorID string
}

func versionConflict(have, got int) *apiError {
	return conflict("Version must be incremented when updating a page. Current Version: [%d]. Provided version: [%d]", have, got)
}

func (st *store) update(x *content, in changeIn, now time.Time) *apiError {
	if err := checkTitle(in.title, in.status); err != nil {
		return err
	}
	have := x.current()
	next := &version{number: have.number + 1, title: strings.TrimSpace(in.title), storage: have.storage, authorID: in.authorID, at: now, message: in.message, minor: in.minor}
	if in.body != nil {
		next.storage = in.body.storage
	}
	if err := st.room(len(next.storage)); err != nil {
		return err
	}
	if in.status == statusDraft {
		return st.updateDraft(x, in, next)
	}
	publishing := x.status == statusDraft
	if in.number != have.number+1 && (!publishing || in.number != 1) {
		return versionConflict(have.number, in.number)
	}
	if h := st.holder(x.typ, x.spaceID, in.title, x.createdAt); h != nil && h != x {
		return titleError(x.typ)
	}
	if err := st.checkMove(x, in); err != nil {
		return err
	}
	st.release(x)
	if publishing {
		next.number = 1
		st.stored -= len(have.storage)
		x.versions = nil
	}
	st.stored += len(next.storage)
	x.versions = append(x.versions, next)
	x.draft = nil
	st.place(x, in)
	st.claim(x)
	if in.ownerID != "" && in.ownerID != x.ownerID {
		x.lastOwnerID, x.ownerID = x.ownerID, in.ownerID
	}
	if in.body != nil {
		st.reindex(x, in.body.doc)
	} else {
		st.reindex(x, next.doc())
	}
	return nil
}

func (st *store) updateDraft(x *content, in changeIn, next *version) *apiError {
	if in.number != 1 {
		return versionConflict(0, in.number)
	}
	next.number = 1
	if x.status == statusDraft {
		st.stored += len(next.storage) - len(x.current().storage)
		x.versions = []*version{next}
		st.reindex(x, next.doc())
		return nil
	}
	if x.status != statusCurrent {
		return badRequest("Content with id [%d] is in the trash and cannot have a draft", x.id)
	}
	x.draft = next
	return nil
}

func (st *store) checkMove(x *content, in changeIn) *apiError {
	if in.parentID == nil || !x.typ.inTree() || *in.parentID == 0 {
		return nil
	}
	if err := st.checkParent(*in.parentID, x.spaceID, in.authorID); err != nil {
		return err
	}
	p := st.contents[*in.parentID]
	if p == x || st.under(p, x.id) {
		return badRequest("A page cannot be moved below itself: [%d] is [%d] or one of its descendants", p.id, x.id)
	}
	return nil
}

// place publishes or restores x where needed and moves it to a new parent.
func (st *store) place(x *content, in changeIn) {
	wasPlaced := x.status == statusCurrent
	x.status, x.private = statusCurrent, false
	if !x.typ.inTree() {
		return
	}
	moves := in.parentID != nil && *in.parentID != x.parentID
	if wasPlaced && !moves {
		return
	}
	if wasPlaced {
		st.detach(x)
	}
	if in.parentID != nil {
		x.parentID = *in.parentID
	}
	if p := st.contents[x.parentID]; p == nil || p.status != statusCurrent {
		x.parentID = 0
	}
	st.attach(x)
}

// trash moves a published page or blog post to the trash. Its child pages move
// up to its parent.
func (st *store) trash(x *content, now time.Time) {
	st.release(x)
	if x.typ.inTree() {
		st.lift(x)
	}
	x.status = statusTrashed
	x.index.at = now
}

// purge destroys a content and the comments on it.
func (st *store) purge(x *content) {
	st.release(x)
	for _, id := range st.comments[x.id] {
		if k := st.contents[id]; k != nil {
			st.purge(k)
		}
	}
	delete(st.comments, x.id)
	for _, id := range slices.Clone(st.files[x.id]) {
		st.purge(st.contents[id])
	}
	st.dropFile(x)
	if x.typ.inTree() {
		st.detach(x)
		delete(st.children, x.id)
	}
	st.remove(x.id)
}

// delete carries out DELETE of a page or blog post.
func (st *store) delete(x *content, purge, draft bool, now time.Time) *apiError {
	what := noun(x.typ)
	switch {
	case draft:
		if x.status == statusDraft {
			st.purge(x)
			return nil
		}
		if x.draft == nil {
			return notFound("Cannot find a draft of the %s with id [%d]", what, x.id)
		}
		x.draft = nil
	case purge:
		if x.status != statusTrashed {
			return badRequest("The %s with id [%d] must be in the trash to be purged", what, x.id)
		}
		st.purge(x)
	default:
		if x.status != statusCurrent && x.status != statusArchived {
			return notFound("Cannot find a %s with id [%d]", what, x.id)
		}
		st.trash(x, now)
	}
	return nil
}

func noun(t contentType) string {
	if t == typeBlog {
		return "blog post"
	}
	return string(t)
}

func noSuch(t contentType, id int64) *apiError {
	return refuse(http.StatusNotFound, "NOT_FOUND", "NotFoundException", "Cannot find a %s with id [%d]", noun(t), id)
}

// visible says whether an account may know of a content at all.
func (st *store) visible(x *content, me *user) bool {
	if x.containerID != 0 {
		on := st.contents[x.containerID]
		return on != nil && st.visible(on, me)
	}
	if (x.status == statusDraft || x.private) && x.authorID != me.AccountID {
		return false
	}
	return me.seesAll || st.readsSpace(st.spaces[x.spaceID], me.AccountID) && st.unrestricted(x, me.AccountID)
}

// find gets a content of a type that the caller may see.
func (c *call) find(t contentType, id int64) (*content, *apiError) {
	x := c.st.contents[id]
	if x == nil || x.typ != t || !c.st.visible(x, c.me) || t == typeComment && !c.v1 && x.inline != c.asksInline() {
		return nil, noSuch(t, id)
	}
	return x, nil
}

// reading gets the content of a type that the path names. It takes the lock to read.
func (c *call) reading(t contentType) (*content, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	c.rlock()
	return c.find(t, id)
}

// changing gets the content of a type that the path names. It takes the lock to
// change; what the caller may do is not checked.
func (c *call) changing(t contentType) (*content, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	c.lock()
	return c.find(t, id)
}

// editing is changing for those who may edit the content.
func (c *call) editing(t contentType) (*content, *apiError) {
	x, err := c.changing(t)
	if err != nil {
		return nil, err
	}
	return x, c.editable(x)
}
