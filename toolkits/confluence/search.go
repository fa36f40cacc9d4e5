package confluence

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

const scopeSearch = "read:content-details:confluence"

// found is one row of a search.
type found struct {
	Content      *foundContent `json:"content,omitempty" jsonschema_description:"What was found, when it is content."`
	Space        *foundSpace   `json:"space,omitempty" jsonschema_description:"The space, when a space was found."`
	User         *user         `json:"user,omitempty" jsonschema_description:"The account, when one was found."`
	Title        string        `json:"title" jsonschema_description:"Title, as plain text."`
	Excerpt      string        `json:"excerpt,omitempty" jsonschema_description:"Some of the text around the words, as plain text."`
	URL          string        `json:"url,omitempty" jsonschema_description:"Full address for people."`
	SpaceName    string        `json:"space_name,omitempty" jsonschema_description:"Name of the space it is in."`
	EntityType   string        `json:"entityType,omitempty" jsonschema_description:"content, space or user."`
	LastModified string        `json:"lastModified,omitempty" jsonschema_description:"When it was last changed."`
}

type foundContent struct {
	ID        string          `json:"id" jsonschema_description:"Id, for the other tools."`
	Type      string          `json:"type,omitempty" jsonschema_description:"page, blogpost, comment, attachment …"`
	Status    string          `json:"status,omitempty" jsonschema_description:"Its status."`
	Title     string          `json:"title,omitempty" jsonschema_description:"Its title."`
	Space     *foundSpace     `json:"space,omitempty" jsonschema_description:"Its space, when expanded."`
	Version   json.RawMessage `json:"version,omitempty" jsonschema_description:"Its version, when expanded."`
	History   json.RawMessage `json:"history,omitempty" jsonschema_description:"Its history, when expanded."`
	Ancestors json.RawMessage `json:"ancestors,omitempty" jsonschema_description:"What it is under, when expanded."`
	Metadata  json.RawMessage `json:"metadata,omitempty" jsonschema_description:"Its metadata, when expanded."`
	Body      json.RawMessage `json:"body,omitempty" jsonschema_description:"Its text, when expanded."`
}

type foundSpace struct {
	ID   json.Number `json:"id,omitempty" jsonschema:"type=integer" jsonschema_description:"Id of the space."`
	Key  string      `json:"key" jsonschema_description:"Key of the space."`
	Name string      `json:"name,omitempty" jsonschema_description:"Name of the space."`
	Type string      `json:"type,omitempty" jsonschema_description:"global or personal."`
}

// row is a row as the API gives it.
type row struct {
	found
	Container struct {
		Title string `json:"title"`
	} `json:"resultGlobalContainer"`
}

// foundList is a page of a search.
type foundList struct {
	Results   []found `json:"results" jsonschema_description:"What was found."`
	TotalSize int     `json:"totalSize" jsonschema_description:"How many there are; an estimate."`
	CQL       string  `json:"cqlQuery,omitempty" jsonschema_description:"The query that was run."`
	Note      string  `json:"note,omitempty" jsonschema_description:"How the query was read, when it was not taken as it is."`
	paging

	beyond bool // there are results that are never fetched
}

type cqlSearchInput struct {
	CQL     string `json:"cql" jsonschema:"minLength=1,maxLength=6000" jsonschema_description:"The query in CQL, such as type = page and space = MKT and label = \"urgent\" and title ~ \"planning\" order by lastmodified desc. Quote values with \"."`
	Excerpt string `json:"excerpt,omitempty" jsonschema:"enum=highlight,enum=indexed,enum=none,default=highlight" jsonschema_description:"highlight: text around the words; indexed: the beginning; none: nothing."`
	Expand  string `json:"expand,omitempty" jsonschema_description:"More of each result, separated by commas: content.space, content.version, content.history, content.ancestors, content.body.storage. Keep limit at 25 with bodies."`
	pageArgs
}

var cqlSearch = toolkit.Read("CONFLUENCE_CQL_SEARCH", "CQL Search",
	"Search with Confluence Query Language: by label, space, author, date, type, title or text in any combination, ordered. "+
		"Use it for exact conditions (label = \"urgent\" and lastmodified > now(\"-1w\")). For a few words use search content.",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.Scopes{}.AnyOf(scopeSearch, "search:confluence"),
		Keywords: []string{
			"find", "query", "filter", "look up", "lookup", "advanced", "labelled", "tagged", "created by", "mine", "my pages",
			"modified", "changed", "recent", "last week", "since", "pages", "blog posts", "where",
		},
		Pitfalls: []string{
			"Quote values that hold spaces or punctuation, and personal space keys: space = \"~abc\".",
			"There is no field status; archived and trashed pages are never found. New pages are found after about a minute.",
			"The next results are reached with cursor; a short list is not the end while next_cursor is there.",
		},
		Endpoints: []string{"GET /wiki/rest/api/search"},
	},
	func(ctx context.Context, c *client, in cqlSearchInput) (*foundList, error) {
		return c.search(ctx, in.CQL, in.Excerpt, in.Expand, in.pageArgs)
	})

// search runs a CQL query.
func (c *client) search(ctx context.Context, cql, excerpt, expand string, a pageArgs) (*foundList, error) {
	q := url.Values{"cql": {cql}, "excerpt": {excerpt}}
	for part := range strings.SplitSeq(expand, ",") {
		if part = strings.TrimSpace(part); part != "" {
			q.Add("expand", part)
		}
	}
	r := request{path: v1 + "/search", query: q, scopes: []string{scopeSearch}}
	var totals struct {
		TotalSize int    `json:"totalSize"`
		CQL       string `json:"cqlQuery"`
	}
	each := 250
	if strings.Contains(expand, "body") {
		each = 25
	}
	got, err := gather(c, a, each, func(limit int, cursor string) (list[row], error) {
		return fetchOneInto[row](ctx, c, r, limit, cursor, &totals)
	})
	if err != nil {
		return nil, explainCQL(err)
	}
	rows := c.shownRows(got)
	return &foundList{
		Results: rows, TotalSize: totals.TotalSize, CQL: totals.CQL,
		paging: newPaging(got.cursor, len(rows), totals.TotalSize-a.Start),
	}, nil
}

// shownRows turns rows into what is shown of them.
func (c *client) shownRows(got list[row]) []found {
	rows := make([]found, 0, len(got.items))
	for _, one := range got.items {
		f := one.found
		f.Title, f.Excerpt = plainText(f.Title), plainText(f.Excerpt)
		if f.Content != nil && f.Content.Title != "" {
			f.Title = f.Content.Title
		}
		f.SpaceName = html.UnescapeString(one.Container.Title)
		f.URL = c.address(links{WebUI: f.URL}, got.base)
		rows = append(rows, f)
	}
	return rows
}

// plainText takes the marks of highlighting and the HTML entities away.
func plainText(s string) string {
	s = strings.NewReplacer("@@@hl@@@", "", "@@@endhl@@@", "").Replace(s)
	return strings.TrimSpace(html.UnescapeString(s))
}

// explainCQL adds what to do about a query that was refused.
func explainCQL(err error) error {
	var e *toolkit.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		return err
	}
	e.Field = "cql"
	e.Fix = "A condition is field, operator, value: text ~ \"words\", title ~ \"words\", space = KEY, label = \"x\", type = page, creator = currentUser(), " +
		"lastmodified > now(\"-7d\"); join them with and, or; quote values."
	return e
}

// quote makes a CQL string of s.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
