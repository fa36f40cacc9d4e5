package confluence

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// contentType is what a content is. One table holds them all, as in Confluence:
// folders, whiteboards and attachments join by a new value.
type contentType string

const (
	typePage    contentType = "page"
	typeBlog    contentType = "blogpost"
	typeComment contentType = "comment"
	typeFile    contentType = "attachment"
)

const (
	statusCurrent    = "current"
	statusDraft      = "draft"
	statusTrashed    = "trashed"
	statusArchived   = "archived"
	statusHistorical = "historical"
)

// content is a page, blog post, comment or attachment with its history.
type content struct {
	id          int64
	typ         contentType
	status      string
	spaceID     int64
	parentID    int64 // page above a page; 0 at the root, in the trash and for other types
	position    int   // among its siblings
	containerID int64 // comment or attachment: what it is on
	inReplyTo   int64 // comment: the comment answered
	subtype     string
	private     bool // only its creator sees it, until it is published
	authorID    string
	ownerID     string
	lastOwnerID string
	createdAt   time.Time
	versions    []*version           // ascending; the last is the current one
	draft       *version             // unpublished changes of a published content
	labels      []int64              // label ids, in order of adding
	inline      bool                 // comment: on a part of the text, or an answer to one that is
	anchor      *anchor              // inline comment that answers no other: where it stands
	todos       []*todo              // page or blog post: the tasks in its body
	audience    audience             // who likes, watches and views it
	limits      map[string][]subject // restrictions: operation → who alone may
	appType     string               // custom content: the type that its app gave it
	raw         bool                 // custom content: the body is not markup
	level       string               // id of its classification level
	index       indexed              `dump:"-"`

	stateOf
}

// ref is the content's id as the API writes it.
func (c *content) ref() string {
	if c.typ == typeFile {
		return attachmentPrefix + itoa(c.id)
	}
	return itoa(c.id)
}

func (c *content) current() *version { return c.versions[len(c.versions)-1] }

func (c *content) title() string { return c.current().title }

// version is one state of a content. It never changes once made.
type version struct {
	number   int
	title    string
	storage  string
	authorID string
	at       time.Time
	message  string
	minor    bool
	file     *file // attachment: what was uploaded
}

// size is what the version takes of the site's room, in bytes.
func (v *version) size() int {
	if v.file != nil {
		return len(v.storage) + len(v.file.data)
	}
	return len(v.storage)
}

// doc parses the version's body; what is stored is always well-formed.
func (v *version) doc() *body.Node {
	n, err := body.ParseStorage(v.storage)
	if err != nil {
		return &body.Node{Name: "#root"}
	}
	return n
}

type label struct {
	id           int64
	prefix, name string
	watchers     []string
}

type space struct {
	id         int64
	key        string
	alias      string
	name       string
	typ        string // global | personal
	status     string // current | archived
	desc       string
	authorID   string
	createdAt  time.Time
	homepageID int64
	audience   audience
	private    bool
	grants     []spaceGrant
	labels     []int64
	level      string // id of the classification level that its contents have unless they have their own

	spaceSettings
}

type user struct {
	User
	service  bool // a service account
	seesAll  bool `dump:"-"` // for a request: see useAdminKey
	timeZone string
	loc      *time.Location `dump:"-"`
}

// store is the whole state of a site. The Sandbox's lock guards it.
type store struct {
	nextID      int64
	nextLabel   int64
	nextMedia   int64
	nextTodo    int64
	contents    map[int64]*content
	order       []int64               // content ids, ascending
	children    map[int64][]int64     // page id → child page ids by position; the space's negative id → its root pages
	comments    map[int64][]int64     // id of what is commented on → comment ids
	files       map[int64][]int64     // page or blog post id → attachment ids
	media       map[string]*file      `dump:"-"` // media id → file of any version
	titles      map[titleKey]int64    `dump:"-"` // who holds a page title
	spaces      map[int64]*space      //
	spaceKeys   map[string]int64      // lower-case key or alias → id
	labels      map[int64]*label      //
	labelIDs    map[string]int64      // prefix:name → id
	users       map[string]*user      // account id → user
	tokens      map[[32]byte]string   `dump:"-"` // digest of e-mail and token → account id
	tasks       map[string]longTask   //
	stored      int                   // bytes of bodies, all versions together
	props       map[int64][]*property // content or space id → its properties, in order of making
	templates   map[int64]*pageTemplate
	conversions map[string]conversion `dump:"-"` // by id, for a while
	states      []customState
	look        look
	userProps   map[string]map[string]userProperty // by account id and key

	access

	maxContents, maxStored int        `dump:"-"`
	words                  vocabulary `dump:"-"`
}

type titleKey struct {
	space int64
	title string
}

func newStore(maxContents, maxStored int) store {
	return store{
		maxContents: maxContents, maxStored: maxStored,
		nextID: 98304, nextLabel: 131072,
		contents: map[int64]*content{}, children: map[int64][]int64{}, comments: map[int64][]int64{},
		files: map[int64][]int64{}, templates: map[int64]*pageTemplate{}, media: map[string]*file{},
		titles: map[titleKey]int64{}, spaces: map[int64]*space{}, spaceKeys: map[string]int64{},
		labels: map[int64]*label{}, labelIDs: map[string]int64{}, users: map[string]*user{},
		tokens: map[[32]byte]string{}, tasks: map[string]longTask{}, words: newVocabulary(),
		props: map[int64][]*property{}, access: newAccess(),
	}
}

// newID gives the next content or space id. Ids only grow, with gaps as in the cloud.
func (st *store) newID() int64 {
	st.nextID += 17
	return st.nextID
}

// room refuses what the site has no place for.
func (st *store) room(size int) *apiError {
	if len(st.contents) >= st.maxContents || st.stored+size > st.maxStored {
		return refuse(http.StatusInsufficientStorage, "INSUFFICIENT_STORAGE", "ServiceException",
			"The sandbox is full: it holds %d contents and %d bytes. Purge some or start it anew", len(st.contents), st.stored)
	}
	return nil
}

func (st *store) add(c *content) {
	st.stored += c.current().size()
	st.contents[c.id] = c
	st.order = append(st.order, c.id)
}

func (st *store) remove(id int64) {
	if x := st.contents[id]; x != nil {
		for _, v := range x.versions {
			st.stored -= v.size()
		}
	}
	delete(st.contents, id)
	delete(st.props, id)
	if i, ok := slices.BinarySearch(st.order, id); ok {
		st.order = slices.Delete(st.order, i, i+1)
	}
}

func foldTitle(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// siblings names the list that a page stands in.
func siblings(c *content) int64 {
	if c.parentID != 0 {
		return c.parentID
	}
	return -c.spaceID
}

func (st *store) attach(c *content) {
	key := siblings(c)
	list := st.children[key]
	c.position = 0
	if len(list) > 0 {
		c.position = st.contents[list[len(list)-1]].position + 1
	}
	st.children[key] = append(list, c.id)
}

func (st *store) detach(c *content) {
	key := siblings(c)
	list := st.children[key]
	if i := slices.Index(list, c.id); i >= 0 {
		st.children[key] = slices.Delete(list, i, i+1)
	}
}

// ancestors gives the pages above a page, the highest first.
func (st *store) ancestors(c *content) []*content {
	var up []*content
	for p := st.contents[c.parentID]; p != nil; p = st.contents[p.parentID] {
		up = append(up, p)
	}
	slices.Reverse(up)
	return up
}

// under says whether c stands below the content id, at any depth.
func (st *store) under(c *content, id int64) bool {
	for p := st.contents[c.parentID]; p != nil; p = st.contents[p.parentID] {
		if p.id == id {
			return true
		}
	}
	return false
}

// spaceOf finds a space by key or alias, in any case.
func (st *store) spaceOf(key string) *space { return st.spaces[st.spaceKeys[strings.ToLower(key)]] }

func (st *store) displayName(accountID string) string {
	if u := st.users[accountID]; u != nil {
		return u.DisplayName
	}
	return "Former user"
}
