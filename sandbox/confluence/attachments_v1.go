package confluence

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func attachmentRoutesV1() map[string]endpoint {
	return map[string]endpoint{
		"PUT /content/{id}/child/attachment/{attachment}":          (*call).updateAttachment,
		"GET /content/{id}/child/attachment/{attachment}/download": (*call).downloadAttachment,
	}
}

func uploadRoutes() map[string]endpoint {
	return map[string]endpoint{
		"POST /content/{id}/child/attachment":                   putAttachments(false),
		"PUT /content/{id}/child/attachment":                    putAttachments(true),
		"POST /content/{id}/child/attachment/{attachment}/data": (*call).replaceAttachment,
	}
}

// checkXSRF refuses a form without the header that browsers cannot send.
func (c *call) checkXSRF() *apiError {
	switch strings.ToLower(c.r.Header.Get("X-Atlassian-Token")) {
	case "nocheck", "no-check":
		return nil
	}
	return &apiError{status: http.StatusForbidden, code: "FORBIDDEN", title: "XSRF check failed", html: "XSRF check failed"}
}

const (
	maxParts   = 50
	maxComment = 64 << 10
)

// uploads reads a multipart form: files named "file", and for each in the same
// order, or for none, a "comment"; "minorEdit" counts for all.
func (c *call) uploads() ([]upload, *apiError) {
	form, err := c.r.MultipartReader()
	if err != nil {
		return nil, badRequest("The request must be multipart/form-data with a part named 'file'")
	}
	var files []upload
	var comments []string
	minor := false
	for n := 0; ; n++ {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n == maxParts {
			return nil, c.badForm(err)
		}
		switch part.FormName() {
		case "file":
			u, err := c.readFile(part)
			if err != nil {
				return nil, err
			}
			files = append(files, u)
		case "comment", "minorEdit":
			text, err := c.readText(part)
			if err != nil {
				return nil, err
			}
			if part.FormName() == "comment" {
				comments = append(comments, text)
			} else {
				minor, _ = strconv.ParseBool(strings.Trim(strings.TrimSpace(text), `"`)) // anything else is no
			}
		}
	}
	if len(files) == 0 {
		return nil, badRequest("At least one file must be attached in a part named 'file'")
	}
	if len(comments) > 0 && len(comments) != len(files) {
		return nil, badRequest("Every file must have a comment, or none: got %d files and %d comments", len(files), len(comments))
	}
	for i := range files {
		files[i].minor = minor
		if len(comments) > 0 {
			files[i].comment = comments[i]
		}
	}
	return files, nil
}

func (c *call) badForm(err error) *apiError {
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return c.fileTooLarge()
	case err == nil:
		return badRequest("The form has more than %d parts", maxParts)
	}
	return badRequest("The multipart form could not be read")
}

func (c *call) fileTooLarge() *apiError {
	return refuse(http.StatusRequestEntityTooLarge, "REQUEST_ENTITY_TOO_LARGE", "ServiceException",
		"The attachment is too large. The maximum is %d bytes", c.opts.MaxAttachment)
}

func (c *call) readFile(part *multipart.Part) (upload, *apiError) {
	data, err := io.ReadAll(io.LimitReader(part, int64(c.opts.MaxAttachment)+1))
	if err != nil {
		return upload{}, c.badForm(err)
	}
	if len(data) > c.opts.MaxAttachment {
		return upload{}, c.fileTooLarge()
	}
	u := upload{name: cleanName(part.FileName()), mediaType: part.Header.Get("Content-Type"), data: data}
	if u.mediaType == "" || u.mediaType == unknownMedia {
		u.mediaType = mediaTypeOf(u.name)
	}
	if _, _, err := mime.ParseMediaType(u.mediaType); err != nil {
		u.mediaType = unknownMedia
	}
	return u, nil
}

// readText reads a text part. Without a charset the server takes it for Latin-1.
func (c *call) readText(part *multipart.Part) (string, *apiError) {
	data, err := io.ReadAll(io.LimitReader(part, maxComment+1))
	if err != nil {
		return "", c.badForm(err)
	}
	if len(data) > maxComment {
		return "", badRequest("The part '%s' is longer than %d bytes", part.FormName(), maxComment)
	}
	_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Type")) // none and a broken one have no charset
	if strings.EqualFold(params["charset"], "utf-8") {
		return strings.ToValidUTF8(string(data), "\uFFFD"), nil
	}
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return string(runes), nil
}

// container finds the page or blog post that files go on.
func (c *call) container() (*content, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	x, err := c.anyContent(id)
	if err != nil {
		return nil, err
	}
	if x.typ == typeComment || x.typ == typeFile {
		return nil, badRequest("Files cannot be attached to content of type %s", x.typ)
	}
	if c.r.Method != http.MethodGet && (c.st.lockedOut(x, c.me.AccountID) || !c.st.mayCreate(c.st.spaces[x.spaceID], c.me.AccountID, typeFile)) {
		return nil, c.denied("attach to", x)
	}
	return x, nil
}

var attachmentExpand = parseExpand([]string{"version", "container", "metadata.labels", "history", "space"})

func putAttachments(replace bool) endpoint {
	return func(c *call) (any, *apiError) {
		if err := c.checkXSRF(); err != nil {
			return nil, err
		}
		status, err := c.oneOf("status", statusCurrent, statusCurrent, statusDraft)
		if err != nil {
			return nil, err
		}
		files, err := c.uploads()
		if err != nil {
			return nil, err
		}
		c.lock()
		on, err := c.container()
		if err != nil {
			return nil, err
		}
		if on.status != status && (status != statusDraft || on.status != statusCurrent) {
			return nil, notFound("No content found with id: ContentId{id=%d} and status: %s", on.id, status)
		}
		size := 0
		for i, u := range files {
			size += len(u.data)
			if !replace && (c.st.attached(on, u.name) != nil || slices.ContainsFunc(files[:i], func(f upload) bool { return f.name == u.name })) {
				return nil, badRequest("Cannot add a new attachment with same file name as an existing attachment: %s", u.name)
			}
			if err := c.st.checkUpload(u); err != nil {
				return nil, err
			}
		}
		if err := c.st.room(size); err != nil {
			return nil, err
		}
		out := v1List[*v1Content]{Results: []*v1Content{}, Limit: len(files), Size: len(files), Links: v1Links{Self: c.base + c.r.URL.Path, Base: c.base + "/wiki", Context: "/wiki"}}
		for _, u := range files {
			x, err := c.st.attachFile(on, u, c.me.AccountID, c.now())
			if err != nil {
				return nil, err
			}
			out.Results = append(out.Results, c.showV1(x, x.current(), attachmentExpand))
		}
		return out, nil
	}
}

// attachmentOf finds the attachment that a path names below its content.
func (c *call) attachmentOf() (on, x *content, err *apiError) {
	if on, err = c.container(); err != nil {
		return nil, nil, err
	}
	id, err := c.pathID("attachment", "attachmentId")
	if err != nil {
		return nil, nil, err
	}
	if x = c.st.contents[id]; x == nil || x.typ != typeFile || x.containerID != on.id {
		return nil, nil, notFound("No attachment found with id: %s on the content with id: ContentId{id=%d}", c.r.PathValue("attachment"), on.id)
	}
	return on, x, nil
}

// replaceAttachment uploads a new version of one attachment. Its name stays.
func (c *call) replaceAttachment() (any, *apiError) {
	if err := c.checkXSRF(); err != nil {
		return nil, err
	}
	files, err := c.uploads()
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, badRequest("Exactly one file must be given, got %d", len(files))
	}
	c.lock()
	_, x, err := c.attachmentOf()
	if err != nil {
		return nil, err
	}
	if x.status != statusCurrent {
		return nil, notFound("The attachment with id: %s is in the trash", x.ref())
	}
	if err := c.st.room(len(files[0].data)); err != nil {
		return nil, err
	}
	c.st.newFileVersion(x, files[0], c.me.AccountID, c.now())
	return c.showV1(x, x.current(), attachmentExpand), nil
}

// updateAttachment changes what is not the file: name, media type, comment, page.
// It makes no version; the number given must be the current one.
func (c *call) updateAttachment() (any, *apiError) {
	var in struct {
		ID        string                              `json:"id"`
		Type      string                              `json:"type"`
		Title     string                              `json:"title"`
		Container *struct{ ID flexID }                `json:"container"`
		Metadata  struct{ MediaType, Comment string } `json:"metadata"`
		Version   *struct{ Number int }               `json:"version"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.lock()
	on, x, err := c.attachmentOf()
	if err != nil {
		return nil, err
	}
	have := x.current()
	switch {
	case in.Type != string(typeFile):
		return nil, badRequest("type must be 'attachment', got '%s'", in.Type)
	case strings.TrimPrefix(in.ID, attachmentPrefix) != itoa(x.id):
		return nil, badRequest("The id in the path [%s] and the id in the request body [%s] must be the same", x.ref(), in.ID)
	case in.Version == nil:
		return nil, badRequest("version.number must be specified")
	case in.Version.Number != have.number:
		return nil, conflict("The version of the attachment is %d, got %d", have.number, in.Version.Number)
	}
	to, next := on, *have
	if in.Title != "" {
		next.title = cleanName(in.Title)
		if err := checkTitle(next.title, statusCurrent); err != nil {
			return nil, err
		}
	}
	if in.Container != nil && int64(in.Container.ID) != on.id {
		if to, err = c.anyContent(int64(in.Container.ID)); err == nil {
			err = c.editable(to)
		}
		if err != nil {
			return nil, err
		}
		if to.typ != typePage && to.typ != typeBlog {
			return nil, forbidden("An attachment cannot be moved to content of type %s", to.typ)
		}
	}
	if other := c.st.attached(to, next.title); other != nil && other != x {
		return nil, badRequest("Cannot add a new attachment with same file name as an existing attachment: %s", next.title)
	}
	if in.Metadata.MediaType != "" {
		f := *have.file
		f.mediaType = in.Metadata.MediaType
		next.file, c.st.media[f.id] = &f, &f
	}
	if in.Metadata.Comment != "" {
		next.message = in.Metadata.Comment
	}
	x.versions[len(x.versions)-1] = &next
	c.st.moveFile(x, to)
	return c.showV1(x, x.current(), attachmentExpand), nil
}

func (c *call) downloadAttachment() (any, *apiError) {
	c.rlock()
	_, x, err := c.attachmentOf()
	if err != nil {
		return nil, err
	}
	v := x.current()
	if raw := c.q.Get("version"); raw != "" {
		i := slices.IndexFunc(x.versions, func(v *version) bool { return strconv.Itoa(v.number) == raw })
		if i < 0 {
			return nil, badRequest("The attachment %s has no version %s; its latest is %d", x.ref(), raw, v.number)
		}
		v = x.versions[i]
	}
	c.w.Header().Set("Location", c.base+c.mediaURL(v))
	c.status = http.StatusFound
	return nil, nil
}

// v1File adds to a v1 content what only attachments have.
func (c *call) v1File(out *v1Content, x *content, v *version) {
	out.Extensions = map[string]any{
		"mediaType": v.file.mediaType, "fileSize": len(v.file.data), "comment": v.message, "mediaTypeDescription": "", "fileId": v.file.id,
		"collectionName": "contentId-" + itoa(x.containerID),
	}
	if d := describeMedia(v.file.mediaType); d != nil {
		out.Extensions["mediaTypeDescription"] = *d
	}
	if out.Metadata == nil {
		out.Metadata = map[string]any{}
	}
	out.Metadata["mediaType"], out.Metadata["comment"] = v.file.mediaType, v.message
	out.Links.Download, out.Links.EditUI, out.Links.TinyUI = c.st.downloadLink(x, v), "", ""
}

// filesV1 lists the attachments of a content by name and media type.
func (c *call) filesV1(x *content) []int64 {
	name, media := c.q["filename"], c.q.Get("mediaType")
	var out []int64
	for _, id := range c.st.files[x.id] {
		f := c.st.contents[id]
		if f.status == statusCurrent && (len(name) == 0 || slices.Contains(name, f.title())) && (media == "" || strings.EqualFold(media, f.current().file.mediaType)) {
			out = append(out, id)
		}
	}
	return out
}

// attachmentAddress is where a browser shows an attachment: over its page.
func attachmentAddress(on, x *content) string {
	return "/pages/viewpageattachments.action?pageId=" + itoa(on.id) + "&preview=" + url.QueryEscape("/"+itoa(on.id)+"/"+itoa(x.id)+"/"+x.title())
}
