package confluence

import (
	"context"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type attachmentConfig struct {
	PageID    string `json:"pageId" jsonschema:"minLength=1" jsonschema_description:"The page: its id or its address."`
	MediaType string `json:"mediaType,omitempty" jsonschema_description:"Only files of this type: application/pdf, or image/* for a whole group."`
}

func (cfg attachmentConfig) keep(mediaType string) bool {
	want, got := strings.ToLower(strings.TrimSpace(cfg.MediaType)), strings.ToLower(mediaType)
	if group, ok := strings.CutSuffix(want, "*"); ok {
		return strings.HasPrefix(got, group)
	}
	return want == "" || want == got
}

// newFile is an attachment as lists give it.
type newFile struct {
	ID           string   `json:"id"`
	Status       string   `json:"status"`
	Title        string   `json:"title"`
	CreatedAt    string   `json:"createdAt"`
	PageID       string   `json:"pageId"`
	MediaType    string   `json:"mediaType"`
	FileSize     int64    `json:"fileSize"`
	Comment      string   `json:"comment"`
	DownloadLink string   `json:"downloadLink"`
	Version      *version `json:"version"`
	Links        links    `json:"_links"`
}

type attachmentEvent struct {
	happened
	Change attachmentChange `json:"change" jsonschema_description:"What changed."`
}

type attachmentChange struct {
	Attachment attachmentFacts `json:"attachment" jsonschema_description:"The file that was added."`
}

type attachmentFacts struct {
	ID           string `json:"id" jsonschema_description:"Its id; download it with CONFLUENCE_DOWNLOAD_ATTACHMENT."`
	Title        string `json:"title" jsonschema_description:"Name of the file."`
	MediaType    string `json:"mediaType" jsonschema_description:"Its type."`
	FileSize     int64  `json:"fileSize" jsonschema_description:"Its size in bytes."`
	Comment      string `json:"comment,omitempty" jsonschema_description:"What was said on uploading it."`
	DownloadLink string `json:"downloadLink,omitempty" jsonschema_description:"Path of the file for browsers, below the site's address."`
}

var attachmentAdded = toolkit.Poll("CONFLUENCE_ATTACHMENT_ADDED_TRIGGER", "New Attachment Added",
	"Fires once for each file that is attached to a page, all types or one. Not for a new version of a file that is there already.",
	toolkit.TriggerAbout{
		Scopes:    toolkit.AllOf("read:attachment:confluence").Sometimes(scopeReadPage),
		Keywords:  []string{"file uploaded", "upload", "picture", "pdf", "document attached"},
		Blind:     []string{blindGone, "A file that comes back from the trash is not reported."},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/attachments", "GET /wiki/api/v2/attachments/{id}", "GET /wiki/api/v2/pages/{id}"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1 + firstPage, IdleMore: "fewer points on a page with fewer files",
	},
	toolkit.Poller[*client, attachmentConfig, feed, attachmentEvent]{
		Example: attachmentEvent{
			happened{
				OccurredAt: "2026-11-22T10:00:00.000Z", Actor: by("5b10a2844c20165700ede21g"),
				Resource: eventResource{Type: "attachment", ID: "att98355", Title: "plan.pdf", Status: "current", SpaceKey: "MKT", ParentID: "98321", URL: "https://example.atlassian.net/wiki/spaces/MKT/pages/98321/Q3+Planning?preview=/98321/98355/plan.pdf"},
			},
			attachmentChange{attachmentFacts{ID: "att98355", Title: "plan.pdf", MediaType: "application/pdf", FileSize: 48213, DownloadLink: "/download/attachments/98321/plan.pdf?version=1"}},
		},
		Check: func(ctx context.Context, c *client, cfg attachmentConfig) (_ attachmentConfig, err error) {
			cfg.MediaType = strings.ToLower(strings.TrimSpace(cfg.MediaType))
			if cfg.MediaType != "" && !strings.Contains(cfg.MediaType, "/") {
				return cfg, toolkit.Invalid("mediaType", "mediaType: expected a type such as application/pdf, or image/* for all images")
			}
			cfg.PageID, err = c.checkContent(ctx, "page", "pageId", cfg.PageID)
			return cfg, err
		},
		Sample: sampled(func(cfg attachmentConfig, e *attachmentEvent) {
			e.Resource.lieUnder(cfg.PageID)
			file := &e.Change.Attachment
			file.MediaType = mediaExample(cfg.MediaType, file.MediaType)
			file.DownloadLink = "/download/attachments/" + e.Resource.ParentID + "/plan.pdf?version=1"
		}),
		Poll: func(ctx context.Context, c *client, cfg attachmentConfig, cur *feed) (step toolkit.Step[feed, attachmentEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			s := source[newFile]{
				list: func(ctx context.Context, limit int, cursor string) (list[newFile], error) {
					return fetchOne[newFile](ctx, c, request{
						path: v2 + "/pages/" + cfg.PageID + "/attachments", query: url.Values{"sort": {"-created-date"}},
						what: "page with id " + cfg.PageID, field: "pageId", scopes: []string{"read:attachment:confluence"},
					}, limit, cursor)
				},
				mark: func(f newFile) (string, mark) { return f.ID, mark{At: millis(f.CreatedAt)} },
			}
			step.More, err = follow(ctx, c, &step.Cursor, s, func(n newItem[newFile]) (bool, error) {
				if len(step.Events) >= maxPollEvents {
					return false, nil
				}
				if !n.known && cfg.keep(n.item.MediaType) {
					step.Events = append(step.Events, c.fileEvent(n.item, n.base))
				}
				return true, nil
			})
			step.Events = inOrder(step.Events)
			return step, err
		},
		Receive: func(ctx context.Context, c *client, cfg attachmentConfig, in toolkit.Inbound) ([]toolkit.Event[attachmentEvent], error) {
			id, _, err := readTold(in, "created", "attachment")
			if err != nil || id == "" {
				return nil, err
			}
			var f newFile
			err = c.do(ctx, request{
				path: v2 + "/attachments/att" + strings.TrimPrefix(id, "att"), out: &f, probe: true, scopes: []string{"read:attachment:confluence"},
			})
			if isStatus(err, 404) {
				return nil, nil
			}
			if err != nil || f.PageID != cfg.PageID || f.Status != "current" || !cfg.keep(f.MediaType) || c.when(f.CreatedAt).Before(c.now().Add(-toldWindow)) {
				return nil, err
			}
			return []toolkit.Event[attachmentEvent]{c.fileEvent(f, "")}, nil
		},
	})

// fileEvent tells of an attachment. Its version is the current one, which may be
// later than the one that was added first.
func (c *client) fileEvent(f newFile, base string) toolkit.Event[attachmentEvent] {
	at := c.when(f.CreatedAt)
	e := attachmentEvent{
		happened{OccurredAt: stampOf(at), Resource: eventResource{
			Type: "attachment", ID: f.ID, Title: f.Title, Status: f.Status, SpaceKey: keyInLink(f.Links.WebUI), ParentID: f.PageID,
			Version: f.Version, URL: c.address(f.Links, base),
		}},
		attachmentChange{attachmentFacts{ID: f.ID, Title: f.Title, MediaType: f.MediaType, FileSize: f.FileSize, Comment: f.Comment, DownloadLink: f.DownloadLink}},
	}
	if f.Version != nil && f.Version.Number == 1 {
		e.Actor = by(f.Version.AuthorID)
	}
	return toolkit.Event[attachmentEvent]{Key: "attachment:" + f.ID + ":created", OccurredAt: at, Payload: e}
}
