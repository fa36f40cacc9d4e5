package confluence

import (
	"strconv"
	"strings"
	"time"
)

// Content is a page, blog post or comment as a test reads it.
type Content struct {
	ID        string
	Type      string // page | blogpost | comment | attachment
	Status    string // current | draft | trashed | archived
	Title     string
	SpaceKey  string
	ParentID  string // page above a page, content under a comment; "" for none
	Version   int
	Versions  int    // how many versions are kept
	Message   string // of the current version
	Storage   string // body in storage format, canonical
	Labels    []string
	AuthorID  string // who made it
	EditorID  string // who wrote the current version
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Space is a space as a test reads it.
type Space struct {
	ID, Key, Name, Type, HomepageID string
}

func (st *store) export(x *content) Content {
	v := x.current()
	out := Content{
		ID: x.ref(), Type: string(x.typ), Status: x.status, Title: v.title, Version: v.number, Versions: len(x.versions), Message: v.message,
		Storage: v.storage, AuthorID: x.authorID, EditorID: v.authorID, CreatedAt: x.createdAt, UpdatedAt: v.at,
	}
	if sp := st.spaces[x.spaceID]; sp != nil {
		out.SpaceKey = sp.key
	}
	for _, up := range []int64{x.parentID, x.inReplyTo, x.containerID} {
		if up != 0 {
			out.ParentID = itoa(up)
			break
		}
	}
	for _, id := range x.labels {
		out.Labels = append(out.Labels, st.labels[id].name)
	}
	return out
}

// Page gives a page, blog post, comment or attachment by id, whatever its status. False
// when there is none.
func (s *Sandbox) Page(id string) (Content, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, attachmentPrefix), 10, 64)
	if err != nil {
		return Content{}, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	x := s.st.contents[n]
	if x == nil {
		return Content{}, false
	}
	return s.st.export(x), true
}

// Pages gives the published pages of a space by id, "" meaning all spaces.
func (s *Sandbox) Pages(spaceKey string) []Content { return s.contents(typePage, spaceKey) }

// BlogPosts gives the published blog posts of a space by id, "" meaning all spaces.
func (s *Sandbox) BlogPosts(spaceKey string) []Content { return s.contents(typeBlog, spaceKey) }

func (s *Sandbox) contents(t contentType, spaceKey string) []Content {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sp := s.st.spaceOf(spaceKey)
	var out []Content
	for _, id := range s.st.order {
		if x := s.st.contents[id]; x.typ == t && x.status == statusCurrent && (spaceKey == "" || sp != nil && x.spaceID == sp.id) {
			out = append(out, s.st.export(x))
		}
	}
	return out
}

// PageByTitle gives the published page of a space with a title, without regard
// to case. False when there is none.
func (s *Sandbox) PageByTitle(spaceKey, title string) (Content, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sp := s.st.spaceOf(spaceKey)
	if sp == nil {
		return Content{}, false
	}
	x := s.st.contents[s.st.titles[titleKey{sp.id, foldTitle(title)}]]
	if x == nil {
		return Content{}, false
	}
	return s.st.export(x), true
}

// Labels gives the names of a content's labels in order of adding.
func (s *Sandbox) Labels(contentID string) []string {
	x, _ := s.Page(contentID)
	return x.Labels
}

// Comments gives the footer comments on a content, or the replies to a comment,
// the oldest first.
func (s *Sandbox) Comments(contentID string) []Content {
	n, err := strconv.ParseInt(contentID, 10, 64)
	if err != nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Content
	for _, id := range s.st.comments[n] {
		if x := s.st.contents[id]; x.anchor == nil {
			out = append(out, s.st.export(x))
		}
	}
	return out
}

// Spaces gives all spaces by id.
func (s *Sandbox) Spaces() []Space {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Space
	for _, id := range sortedIDs(s.st.spaces) {
		sp, homepage := s.st.spaces[id], ""
		if sp.homepageID != 0 {
			homepage = itoa(sp.homepageID)
		}
		out = append(out, Space{ID: itoa(sp.id), Key: sp.key, Name: sp.name, Type: sp.typ, HomepageID: homepage})
	}
	return out
}
