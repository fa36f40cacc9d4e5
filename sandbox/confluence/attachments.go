package confluence

import (
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// attachmentPrefix stands before an attachment's id in the API.
const attachmentPrefix = "att"

// file is what was uploaded as one version of an attachment.
type file struct {
	id        string // under which the media service knows it
	mediaType string
	data      []byte
}

// upload is a file on its way in.
type upload struct {
	name, mediaType, comment string
	data                     []byte
	minor                    bool
}

// attached finds the attachment of a content by file name.
func (st *store) attached(on *content, name string) *content {
	for _, id := range st.files[on.id] {
		if x := st.contents[id]; x.status == statusCurrent && x.title() == name {
			return x
		}
	}
	return nil
}

// checkUpload refuses a file that cannot be kept.
func (st *store) checkUpload(u upload) *apiError {
	if u.name == "" {
		return badRequest("The attachment must have a file name")
	}
	if err := checkTitle(u.name, statusCurrent); err != nil {
		return err
	}
	return st.room(len(u.data))
}

func (st *store) newFile(u upload, at time.Time) *file {
	f := &file{id: uuidOf("media/" + u.name + "/" + itoa(st.newMedia()) + at.String()), mediaType: u.mediaType, data: u.data}
	st.media[f.id] = f
	return f
}

// newMedia counts the files ever uploaded.
func (st *store) newMedia() int64 {
	st.nextMedia++
	return st.nextMedia
}

// attach puts a file on a page or blog post: a new attachment, or a new version
// of the one with that name.
func (st *store) attachFile(on *content, u upload, author string, now time.Time) (*content, *apiError) {
	if err := st.checkUpload(u); err != nil {
		return nil, err
	}
	if x := st.attached(on, u.name); x != nil {
		st.newFileVersion(x, u, author, now)
		return x, nil
	}
	x := &content{
		id: st.newID(), typ: typeFile, status: statusCurrent, spaceID: on.spaceID, containerID: on.id, authorID: author, ownerID: author, createdAt: now,
		versions: []*version{{number: 1, title: u.name, authorID: author, at: now, message: u.comment, minor: u.minor, file: st.newFile(u, now)}},
	}
	st.add(x)
	st.files[on.id] = append(st.files[on.id], x.id)
	st.reindex(x, &body.Node{Name: "#root"})
	return x, nil
}

func (st *store) newFileVersion(x *content, u upload, author string, now time.Time) {
	have := x.current()
	v := &version{number: have.number + 1, title: have.title, authorID: author, at: now, message: u.comment, minor: u.minor, file: st.newFile(u, now)}
	st.stored += v.size()
	x.versions = append(x.versions, v)
	st.reindex(x, &body.Node{Name: "#root"})
}

// dropFile takes a purged attachment off its page and out of the media.
func (st *store) dropFile(x *content) {
	if x.typ != typeFile {
		delete(st.files, x.id)
		return
	}
	list := st.files[x.containerID]
	if i := slices.Index(list, x.id); i >= 0 {
		st.files[x.containerID] = slices.Delete(list, i, i+1)
	}
	for _, v := range x.versions {
		delete(st.media, v.file.id)
	}
}

// copyFiles puts copies of the current attachments of one content on another.
func (st *store) copyFiles(from, to *content, author string, now time.Time) *apiError {
	for _, id := range st.files[from.id] {
		x := st.contents[id]
		if x.status != statusCurrent {
			continue
		}
		v := x.current()
		if _, err := st.attachFile(to, upload{name: v.title, mediaType: v.file.mediaType, comment: v.message, data: v.file.data}, author, now); err != nil {
			return err
		}
	}
	return nil
}

// indexedBytes is how much of a text file search reads.
const indexedBytes = 64 << 10

// text is what search finds in a file: text files are read, others have none.
func (f *file) text() string {
	kind, _, _ := strings.Cut(f.mediaType, ";")
	if !strings.HasPrefix(kind, "text/") && kind != "application/json" {
		return ""
	}
	t := string(f.data[:min(len(f.data), indexedBytes)])
	if !utf8.ValidString(t) {
		t = strings.ToValidUTF8(t, " ")
	}
	return strings.Join(strings.Fields(t), " ")
}

// cleanName is a file's name without the folders that some clients send.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if name == "." || name == "/" || name == ".." {
		return ""
	}
	return strings.TrimSpace(name)
}

// mediaTypes are the types told by a name's ending. The system's own table is
// not asked: it differs from machine to machine.
var mediaTypes = map[string]string{
	".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".html": "text/html", ".xml": "text/xml", ".json": "application/json",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml", ".webp": "image/webp",
	".pdf": "application/pdf", ".zip": "application/zip", ".mp4": "video/mp4", ".mp3": "audio/mpeg",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}

const unknownMedia = "application/octet-stream"

func mediaTypeOf(name string) string {
	if t, ok := mediaTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return unknownMedia
}

// describeMedia says in words what a file is; nil when the site has none.
func describeMedia(mediaType string) *string {
	kind, _, _ := strings.Cut(mediaType, ";")
	text := ""
	switch {
	case kind == "application/pdf":
		text = "PDF Document"
	case kind == "text/plain":
		text = "Text File"
	case kind == "application/zip":
		text = "Zip Archive"
	case strings.HasPrefix(kind, "image/"):
		text = strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(kind, "image/"), "+xml")) + " File"
	case strings.HasPrefix(kind, "video/"):
		text = "Multimedia"
	default:
		return nil
	}
	return &text
}

// moveFile hangs an attachment on another content and indexes its name anew.
func (st *store) moveFile(x, to *content) {
	if x.containerID != to.id {
		list := st.files[x.containerID]
		if i := slices.Index(list, x.id); i >= 0 {
			st.files[x.containerID] = slices.Delete(list, i, i+1)
		}
		x.containerID, x.spaceID = to.id, to.spaceID
		st.files[to.id] = append(st.files[to.id], x.id)
	}
	st.reindex(x, &body.Node{Name: "#root"})
}
