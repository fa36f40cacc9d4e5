package confluence

import (
	"slices"
	"strconv"
)

// Attachment is a file on a page or blog post as a test reads it.
type Attachment struct {
	ID        string // "att" and digits
	ContentID string // what it is attached to
	Name      string
	MediaType string
	Comment   string // of the current version
	Version   int
	Data      []byte // of the current version
}

// Attach puts a file on a page or blog post in the name of an account: a new
// attachment, or a new version of the one with that name. An empty media type is
// told from the name. It fails when there is no such content or no room.
func (s *Sandbox) Attach(contentID, accountID, name, mediaType string, data []byte) (Attachment, error) {
	s.mu.Lock()
	defer s.unlock()
	on := s.st.byRef(contentID)
	if on == nil || on.typ == typeComment || on.typ == typeFile {
		return Attachment{}, notFound("no page or blog post with the id %q", contentID)
	}
	if mediaType == "" {
		mediaType = mediaTypeOf(name)
	}
	x, err := s.st.attachFile(on, upload{name: cleanName(name), mediaType: mediaType, data: slices.Clone(data)}, accountID, s.now())
	if err != nil {
		return Attachment{}, err
	}
	return x.attachment(), nil
}

// Attachments gives the files of a page or blog post that are not in the trash,
// in order of adding.
func (s *Sandbox) Attachments(contentID string) []Attachment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	on := s.st.byRef(contentID)
	if on == nil {
		return nil
	}
	var out []Attachment
	for _, id := range s.st.files[on.id] {
		if x := s.st.contents[id]; x.status == statusCurrent {
			out = append(out, x.attachment())
		}
	}
	return out
}

func (c *content) attachment() Attachment {
	v := c.current()
	return Attachment{
		ID: c.ref(), ContentID: itoa(c.containerID), Name: v.title, MediaType: v.file.mediaType, Comment: v.message, Version: v.number,
		Data: slices.Clone(v.file.data),
	}
}

// byRef finds a content by its id as the API writes it; nil when there is none.
func (st *store) byRef(ref string) *content {
	x := st.contents[parseRef(ref)]
	if x == nil || x.ref() != ref {
		return nil
	}
	return x
}

// parseRef reads an id with or without the prefix of attachments; 0 is nothing's id.
func parseRef(ref string) int64 {
	if len(ref) > len(attachmentPrefix) && ref[:len(attachmentPrefix)] == attachmentPrefix {
		ref = ref[len(attachmentPrefix):]
	}
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil {
		return 0
	}
	return id
}
