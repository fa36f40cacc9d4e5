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

	"github.com/sluice-run/sluice/toolkit"
)

var (
	digits       = regexp.MustCompile(`^[0-9]{1,19}$`)
	attachmentID = regexp.MustCompile(`^att[0-9]{1,19}$`)
	spaceKey     = regexp.MustCompile(`^~?[A-Za-z0-9_:.-]{1,255}$`)
	upperKey     = regexp.MustCompile(`^(~[A-Za-z0-9_:.-]+|[A-Z][A-Z0-9]*)$`)
	idInPath     = regexp.MustCompile(`/(?:pages|blog/[0-9]{4}/[0-9]{2}/[0-9]{2}|pages/edit-v2)/([0-9]{1,19})(?:/|$)`)
)

// contentID takes the id of a page or blog post (what says which), or an
// address that holds one, and gives the id. Anything else is refused with what
// it seems to be.
func contentID(field, what, value string) (string, error) {
	value = strings.TrimSpace(value)
	if digits.MatchString(value) {
		return value, nil
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		if m := idInPath.FindStringSubmatch(u.Path); m != nil {
			return m[1], nil
		}
		if id := u.Query().Get("pageId"); digits.MatchString(id) {
			return id, nil
		}
		if id, ok := tinyID(u.Path); ok {
			return id, nil
		}
	}
	shown := value
	if len(shown) > 60 {
		shown = strings.ToValidUTF8(shown[:60], "") + "…"
	}
	e := toolkit.Invalid(field, "")
	e.Fix = "Find the " + what + " with CONFLUENCE_SEARCH_CONTENT."
	switch {
	case value == "":
		e.Message = fmt.Sprintf("%s is empty; expected the id of %s, a number.", field, withArticle(what))
	case upperKey.MatchString(value):
		e.Message = fmt.Sprintf("'%s' is a space key, not %s id.", shown, withArticle(what))
	case attachmentID.MatchString(value):
		e.Message = fmt.Sprintf("'%s' is the id of an attachment, not %s id.", shown, withArticle(what))
	case strings.Contains(value, "://"):
		e.Message = fmt.Sprintf("The address in %s holds no %s id.", field, what)
	default:
		e.Message = fmt.Sprintf("'%s' looks like a title, not %s id; an id is a number.", shown, withArticle(what))
	}
	return "", e
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
