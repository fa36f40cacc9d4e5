package confluence

import (
	"slices"
	"strconv"
)

type v1RestoredVersion struct {
	*v1Version
	Content *v1Content `json:"content,omitempty"`
}

// restoreVersion makes a new version with what an earlier one held.
func (c *call) restoreVersion() (any, *apiError) {
	var in struct {
		Operation string `json:"operationKey"`
		Params    struct {
			Number  int    `json:"versionNumber"`
			Message string `json:"message"`
			Title   bool   `json:"restoreTitle"`
		} `json:"params"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Operation != "restore" {
		return nil, badRequest("operationKey must be 'restore', got '%s'", in.Operation)
	}
	e := parseExpand(c.list("expand"))
	c.lock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	if err := c.editable(x); err != nil {
		return nil, err
	}
	i, err := x.past(in.Params.Number)
	if err != nil {
		return nil, err
	}
	if err := c.restore(x, x.versions[i], in.Params.Message, in.Params.Title); err != nil {
		return nil, err
	}
	out := v1RestoredVersion{v1Version: c.showVersionV1(x, x.current())}
	if e["content"] {
		out.Content = c.showV1(x, x.current(), e.below("content"))
	}
	return out, nil
}

// past finds an earlier version by number.
func (c *content) past(number int) (int, *apiError) {
	i := slices.IndexFunc(c.versions, func(v *version) bool { return v.number == number })
	if i < 0 {
		return 0, badRequest("The content with id [%s] has no version %d", c.ref(), number)
	}
	if i == len(c.versions)-1 {
		return 0, badRequest("Version %d is the current version of the content with id [%s]", number, c.ref())
	}
	return i, nil
}

func (c *call) restore(x *content, old *version, message string, title bool) *apiError {
	if x.status != statusCurrent {
		return notFound("No current content found with id: ContentId{id=%d}", x.id)
	}
	if message == "" {
		message = "Reverted from v. " + strconv.Itoa(old.number)
	}
	if err := c.st.room(old.size()); err != nil {
		return err
	}
	switch x.typ {
	case typeFile:
		c.st.newFileVersion(x, upload{mediaType: old.file.mediaType, data: old.file.data, comment: message}, c.me.AccountID, c.now())
		return nil
	case typeComment:
		c.newCommentVersion(x, stored{storage: old.storage, doc: old.doc()}, message)
		return nil
	}
	ch := changeIn{title: x.title(), status: statusCurrent, body: &stored{storage: old.storage, doc: old.doc()}, number: x.current().number + 1, message: message, authorID: c.me.AccountID}
	if title {
		ch.title = old.title
	}
	draft := x.draft
	if err := c.st.update(x, ch, c.now()); err != nil {
		return err
	}
	x.draft = draft
	return nil
}

// deleteVersion forgets an earlier version. Those after it are numbered anew, so
// that no number is missing.
func (c *call) deleteVersion() (any, *apiError) {
	number, e := strconv.Atoi(c.r.PathValue("number"))
	if e != nil {
		return nil, badRequest("The version number '%s' is not valid: it must be a number", c.r.PathValue("number"))
	}
	c.lock()
	x, err := c.contentV1()
	if err != nil {
		return nil, badRequest("No content found with id: %s", c.r.PathValue("id"))
	}
	if err := c.deletable(x, false); err != nil {
		return nil, err
	}
	i, err := x.past(number)
	if err != nil {
		return nil, err
	}
	gone := x.versions[i]
	c.st.stored -= gone.size()
	if gone.file != nil {
		delete(c.st.media, gone.file.id)
	}
	kept := slices.Clone(x.versions[:i])
	for _, v := range x.versions[i+1:] {
		next := *v
		next.number--
		kept = append(kept, &next)
	}
	x.versions = kept
	return nil, nil
}

// getVersionV1 is the removed v1 read of one version.
func (c *call) getVersionV1() (any, *apiError) {
	e := parseExpand(c.list("expand"))
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(x.versions, func(v *version) bool { return strconv.Itoa(v.number) == c.r.PathValue("number") })
	if i < 0 {
		return nil, notFound("No version %s of the content with id: ContentId{id=%d}", c.r.PathValue("number"), x.id)
	}
	out := v1RestoredVersion{v1Version: c.showVersionV1(x, x.versions[i])}
	if e["content"] {
		out.Content = c.showV1(x, x.versions[i], e.below("content"))
	}
	return out, nil
}
