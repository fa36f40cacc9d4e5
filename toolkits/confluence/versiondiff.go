package confluence

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type getPageVersionDiffInput struct {
	ID      string `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
	From    int    `json:"fromVersion,omitempty" jsonschema:"minimum=1" jsonschema_description:"Number of the older version; without it, the one before toVersion."`
	To      int    `json:"toVersion,omitempty" jsonschema:"minimum=1" jsonschema_description:"Number of the newer version; without it, the current one."`
	Section string `json:"section,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Only sections whose heading holds these words, in any case."`
}

// versionDiff is what changed between two versions of a page.
type versionDiff struct {
	ID       string        `json:"id" jsonschema_description:"Id of the page."`
	Title    string        `json:"title" jsonschema_description:"Its title in the newer version."`
	OldTitle string        `json:"oldTitle,omitempty" jsonschema_description:"Its title in the older version, when it was another."`
	From     version       `json:"from" jsonschema_description:"The older version: number, author, date."`
	To       version       `json:"to" jsonschema_description:"The newer version: number, author, date."`
	Changed  bool          `json:"changed" jsonschema_description:"Whether the texts differ in anything that is asked for."`
	Sections []sectionDiff `json:"sections" jsonschema_description:"The sections that changed, in the order of the text."`
	Note     string        `json:"note,omitempty" jsonschema_description:"What the comparison does not show."`
	URL      string        `json:"url,omitempty" jsonschema_description:"Full address of the page for people."`
}

// maxDiff bounds how much of a comparison is shown, in bytes.
const maxDiff = 60_000

var getPageVersionDiff = toolkit.Read("CONFLUENCE_GET_PAGE_VERSION_DIFF", "Get Page Version Diff",
	"Compare the texts of two versions of a page: a unified diff, section by section. "+
		"Without numbers it shows what the last change did. For the list of versions use get page versions.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"compare two versions", "difference between versions", "redline", "track changes"},
		Pitfalls:  []string{"Only the text is compared, not formatting, links, images or the settings of macros."},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}"},
	},
	func(ctx context.Context, c *client, in getPageVersionDiffInput) (*versionDiff, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		now, err := c.page(ctx, id, url.Values{"body-format": {"storage"}})
		if err != nil {
			return nil, err
		}
		last := 0
		if now.Version != nil {
			last = now.Version.Number
		}
		if in.To == 0 {
			in.To = last
		}
		if in.From == 0 {
			in.From = in.To - 1
		}
		if err := in.check(last); err != nil {
			return nil, err
		}
		var sides [2]*page
		for i, number := range []int{in.From, in.To} {
			if sides[i] = now; number == last {
				continue
			}
			if sides[i], err = c.page(ctx, id, url.Values{"body-format": {"storage"}, "version": {strconv.Itoa(number)}}); err != nil {
				return nil, err
			}
		}
		return in.compare(sides[0], sides[1], now.URL), nil
	})

// check refuses versions that are not there.
func (in getPageVersionDiffInput) check(last int) error {
	switch {
	case in.To > last:
		return toolkit.Invalid("toVersion", "toVersion: the newest version of the page is %d", last)
	case in.From == 0:
		return toolkit.Invalid("fromVersion", "fromVersion: there is no version before version %d of the page", in.To)
	case in.From >= in.To:
		return toolkit.Invalid("fromVersion", "fromVersion: expected a number below toVersion, which is %d", in.To)
	}
	return nil
}

func (in getPageVersionDiffInput) compare(older, newer *page, address string) *versionDiff {
	a, _ := older.Body.text()
	b, _ := newer.Body.text()
	out := &versionDiff{ID: newer.ID, Title: newer.Title, URL: address, From: version{Number: in.From}, To: version{Number: in.To}, Sections: []sectionDiff{}}
	if older.Title != newer.Title {
		out.OldTitle = older.Title
	}
	if older.Version != nil {
		out.From = *older.Version
	}
	if newer.Version != nil {
		out.To = *newer.Version
	}
	left := maxDiff
	for _, s := range bySection(compare(shownLines(a.Value), shownLines(b.Value))) {
		if !strings.Contains(strings.ToLower(s.Heading), strings.ToLower(strings.TrimSpace(in.Section))) {
			continue
		}
		if left -= len(s.Diff); left < 0 {
			s.Diff = strings.ToValidUTF8(s.Diff[:max(left+len(s.Diff), 0)], "")
			left = 0
			out.Note = fmt.Sprintf("The changes are larger than the %d characters shown: ask for one section, or for versions that are closer together.", maxDiff)
		}
		out.Sections = append(out.Sections, s)
	}
	out.Changed = len(out.Sections) > 0
	switch {
	case out.Changed || a.Value == b.Value:
	case in.Section != "":
		out.Note = "No section with these words in its heading changed."
	default:
		out.Note = "The text is the same; formatting, links, images or the settings of macros changed."
	}
	return out
}
