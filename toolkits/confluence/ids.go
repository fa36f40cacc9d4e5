package confluence

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-run/sluice/toolkit"
)

// number is an id: what fits into 64 bits, and not quite all of that.
const number = `[0-9]{1,18}|[1-8][0-9]{18}|9[01][0-9]{17}`

var (
	digits       = regexp.MustCompile(`^(?:` + number + `)$`)
	attachmentID = regexp.MustCompile(`^att[0-9]{1,19}$`)
	taskID       = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	spaceKey     = regexp.MustCompile(`^~?[A-Za-z0-9_:.-]{1,255}$`)
	upperKey     = regexp.MustCompile(`^(~[A-Za-z0-9_:.-]+|[A-Z][A-Z0-9]*)$`)
	displayPath  = regexp.MustCompile(`/display/(~?[A-Za-z0-9_:.-]{1,255})/([^/]+)$`)
	idInPath     = regexp.MustCompile(`/(?:pages|blog/[0-9]{4}/[0-9]{2}/[0-9]{2}|pages/edit-v2|whiteboard|folder)/(` + number + `)(?:/|$)`)
)

// contentID takes what names a page or blog post (what says which): its id, an
// address that holds it, a short link, or space and title ("MKT: Q3 Planning",
// or the address of one). Of other content it takes ids and addresses. Anything
// else is refused with what it seems to be.
func (c *client) contentID(ctx context.Context, field, what, value string) (string, error) {
	value = strings.TrimSpace(value)
	if digits.MatchString(value) {
		return value, nil
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		if err := c.onSite(field, u); err != nil {
			return "", err
		}
		if id, ok := idInAddress(u); ok {
			return id, nil
		}
		if m := displayPath.FindStringSubmatch(u.Path); m != nil && collectionOf[what] != "" {
			return c.idByTitle(ctx, field, what, m[1], strings.ReplaceAll(m[2], "+", " "))
		}
	}
	key, title, ok := strings.Cut(value, ":")
	title = strings.TrimSpace(title)
	if ok && title != "" && !strings.HasPrefix(title, "//") && upperKey.MatchString(key) && collectionOf[what] != "" {
		return c.idByTitle(ctx, field, what, key, title)
	}
	return "", c.notAnID(ctx, field, what, value)
}

const cloudDomain = ".atlassian.net"

// onSite refuses the address of another site: an id in it means other content
// here, or none. Behind the gateway a site's own domain is not known, and taken.
func (c *client) onSite(field string, u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	here := ""
	if name, err := siteName(c.call.Account[fieldSubdomain]); err == nil {
		here = name + cloudDomain
	}
	base, err := url.Parse(c.base)
	gateway := err != nil || strings.Contains(base.Path, "/ex/confluence/")
	switch {
	case host == here, !gateway && host == strings.ToLower(base.Hostname()):
		return nil
	case gateway && (here == "" || !strings.HasSuffix(host, cloudDomain)):
		return nil
	}
	if here == "" || !gateway && !strings.HasSuffix(base.Hostname(), cloudDomain) {
		here = base.Hostname()
	}
	e := toolkit.Invalid(field, "The address in %s is on %s, and this account works on %s.", field, clipped(host), here)
	e.Fix = "Use an account of that site, or give the id of the content on this one."
	return e
}

// collectionOf names the lists that can be asked by title.
var collectionOf = map[string]string{"page": "pages", "blog post": "blogposts"}

// idInAddress reads the id out of an address for people.
func idInAddress(u *url.URL) (string, bool) {
	if m := idInPath.FindStringSubmatch(u.Path); m != nil {
		return m[1], true
	}
	for _, name := range []string{"pageId", "focusedCommentId", "draftId"} {
		if id := u.Query().Get(name); digits.MatchString(id) {
			return id, true
		}
	}
	return tinyID(u.Path)
}

// notAnID says what value seems to be instead of an id. Of a title it names
// the pages that have it.
func (c *client) notAnID(ctx context.Context, field, what, value string) error {
	shown := clipped(value)
	e := toolkit.Invalid(field, "")
	e.Fix = "Find the " + what + " with CONFLUENCE_SEARCH_CONTENT."
	switch {
	case value == "":
		e.Message = fmt.Sprintf("%s is empty; expected the id of %s, a number.", field, withArticle(what))
	case strings.Trim(value, "0123456789") == "":
		e.Message = fmt.Sprintf("'%s' is too large a number for %s id.", shown, withArticle(what))
	case upperKey.MatchString(value):
		e.Message = fmt.Sprintf("'%s' is a space key, not %s id.", shown, withArticle(what))
	case attachmentID.MatchString(value):
		e.Message = fmt.Sprintf("'%s' is the id of an attachment, not %s id.", shown, withArticle(what))
	case strings.Contains(value, "://"):
		e.Message = fmt.Sprintf("The address in %s holds no %s id.", field, what)
	default:
		e.Message = fmt.Sprintf("'%s' looks like a title, not %s id; an id is a number.", shown, withArticle(what))
		if names := c.titled(ctx, what, value); names != "" {
			e.Message += " With this title there are: " + names + "."
			e.Fix = "Give one of these ids."
		}
	}
	return e
}

func clipped(value string) string {
	if len(value) > 60 {
		return strings.ToValidUTF8(value[:60], "") + "…"
	}
	return value
}

// maxTitled is how many candidates an error names.
const maxTitled = 5

// titled names the pages or blog posts with a title, or gives "".
func (c *client) titled(ctx context.Context, what, title string) string {
	if collectionOf[what] == "" || len(title) > 255 || !utf8.ValidString(title) {
		return ""
	}
	found, err := c.listByTitle(ctx, what, url.Values{"title": {title}}, maxTitled+1)
	if err != nil {
		return ""
	}
	var names []string
	for i, p := range found {
		if i == maxTitled {
			names = append(names, "and more")
			break
		}
		names = append(names, fmt.Sprintf("id %s in the space with id %s", p.ID, p.SpaceID))
	}
	return strings.Join(names, ", ")
}

// idByTitle finds a page or blog post by its title in a space.
func (c *client) idByTitle(ctx context.Context, field, what, key, title string) (string, error) {
	ref, err := c.spaceByKey(ctx, field, key)
	if err != nil {
		return "", err
	}
	found, err := c.listByTitle(ctx, what, url.Values{"title": {title}, "space-id": {ref.id}}, maxTitled)
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", &toolkit.Error{
			Kind: toolkit.KindNotFound, Field: field,
			Message: fmt.Sprintf("There is no %s with exactly the title '%s' in the space %s that this account may see.", what, title, ref.key),
			Fix:     "Find it with CONFLUENCE_SEARCH_CONTENT.",
		}
	case 1:
		return found[0].ID, nil
	}
	var names []string
	for _, p := range found {
		names = append(names, p.ID+" ("+p.CreatedAt+")")
	}
	e := toolkit.Invalid(field, "The space %s has several with the title '%s': %s.", ref.key, title, strings.Join(names, ", "))
	e.Fix = "Give one of these ids."
	return "", e
}

func (c *client) listByTitle(ctx context.Context, what string, q url.Values, limit int) ([]page, error) {
	got, err := fetchOne[page](ctx, c, request{path: v2 + "/" + collectionOf[what], query: q, scopes: []string{scopeReadPage}}, limit, "")
	return got.items, err
}

func withArticle(what string) string {
	if strings.HasPrefix(what, "a") {
		return "an " + what
	}
	return "a " + what
}

// tinyID reads the id out of a short link, /wiki/x/D4AB: the id's bytes, lowest
// first, in base 64 without the zeros at the end.
func tinyID(path string) (string, bool) {
	_, code, ok := strings.Cut(path, "/x/")
	if !ok || code == "" || len(code) > 11 {
		return "", false
	}
	code = strings.NewReplacer("-", "/", "_", "+").Replace(code)
	code += strings.Repeat("A", 11-len(code)) + "="
	raw, err := base64.StdEncoding.DecodeString(code)
	if err != nil || len(raw) != 8 {
		return "", false
	}
	id := binary.LittleEndian.Uint64(raw)
	return strconv.FormatUint(id, 10), id > 0 && id <= math.MaxInt64
}

// spaceRef is a space that an argument named.
type spaceRef struct{ id, key string }

// spaceID gives the id of the space that value names by id or key. An id is
// taken as it is, without a call.
func (c *client) spaceID(ctx context.Context, field, value string) (string, error) {
	value = strings.TrimSpace(value)
	if digits.MatchString(value) {
		return value, nil
	}
	s, err := c.spaceByKey(ctx, field, value)
	return s.id, err
}

// spaceRef gives id and key of the space that value names by either.
func (c *client) spaceRef(ctx context.Context, field, value string) (spaceRef, error) {
	value = strings.TrimSpace(value)
	if !digits.MatchString(value) {
		return c.spaceByKey(ctx, field, value)
	}
	var s space
	err := c.do(ctx, request{
		path: v2 + "/spaces/" + value, out: &s, what: "space with id " + value, field: field,
		scopes: []string{"read:space:confluence"},
	})
	return spaceRef{s.ID, s.Key}, err
}

// spaceByKey looks a key up. For an unknown one the error lists keys that exist.
func (c *client) spaceByKey(ctx context.Context, field, key string) (spaceRef, error) {
	if key == "" {
		return spaceRef{}, toolkit.Invalid(field, "%s is empty; expected the id or the key of a space", field)
	}
	if spaceKey.MatchString(key) {
		found, err := c.listSpaces(ctx, url.Values{"keys": {key}, "limit": {"1"}})
		if err != nil {
			return spaceRef{}, err
		}
		if len(found) > 0 {
			return spaceRef{found[0].ID, found[0].Key}, nil
		}
	}
	return spaceRef{}, c.unknownSpace(ctx, field, key)
}

// maxNamedSpaces is how many spaces an error lists.
const maxNamedSpaces = 10

func (c *client) unknownSpace(ctx context.Context, field, key string) error {
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: field,
		Message: fmt.Sprintf("There is no space with the key '%s', or this account may not see it.", key),
		Fix:     "List the spaces with CONFLUENCE_GET_SPACES.",
	}
	all, err := c.listSpaces(ctx, url.Values{"limit": {"250"}, "sort": {"key"}, "status": {"current"}})
	if err != nil || len(all) == 0 {
		return e
	}
	var names []string
	for _, s := range all {
		if strings.EqualFold(s.Name, key) {
			e.Message = fmt.Sprintf("'%s' is the name of the space with the key %s (id %s).", key, s.Key, s.ID)
			e.Fix = "Give its key or id."
			return e
		}
		if len(names) < maxNamedSpaces && s.Type != "personal" {
			names = append(names, fmt.Sprintf("%s (%s)", s.Key, s.Name))
		}
	}
	if len(names) > 0 {
		e.Message += " Spaces that it sees: " + strings.Join(names, ", ") + "."
	}
	return e
}

func (c *client) listSpaces(ctx context.Context, q url.Values) ([]space, error) {
	var answer struct {
		Results []space `json:"results"`
	}
	err := c.do(ctx, request{
		path: v2 + "/spaces", query: q, out: &answer,
		scopes: []string{"read:space:confluence"},
	})
	return answer.Results, err
}
