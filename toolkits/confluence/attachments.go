package confluence

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-run/sluice/toolkit"
)

const (
	scopeReadAttachment   = "read:attachment:confluence"
	scopeWriteAttachment  = "write:attachment:confluence"
	scopeDeleteAttachment = "delete:attachment:confluence"
	scopeContentDetails   = "read:content-details:confluence"

	// maxInline bounds a file whose bytes travel inside arguments.
	maxInline = 2 << 20
	// maxFile bounds a file that goes through the router's file store. With the
	// form around it it is within what the guarded client sends and takes.
	maxFile = 16 << 20
	// maxText bounds the text of a file that an answer holds besides the file.
	maxText = 64 << 10
)

// attachment is a file on a page or blog post.
type attachment struct {
	ID          string   `json:"id" jsonschema_description:"Id of the attachment (att123)."`
	Status      string   `json:"status,omitempty" jsonschema_description:"current, archived, trashed …"`
	Title       string   `json:"title" jsonschema_description:"Name of the file."`
	CreatedAt   string   `json:"createdAt,omitempty" jsonschema_description:"When it was attached."`
	PageID      string   `json:"pageId,omitempty" jsonschema_description:"Id of the page it is on."`
	BlogPostID  string   `json:"blogPostId,omitempty" jsonschema_description:"Id of the blog post it is on."`
	MediaType   string   `json:"mediaType,omitempty" jsonschema_description:"MIME type: image/png, application/pdf …"`
	MediaText   string   `json:"mediaTypeDescription,omitempty" jsonschema_description:"The MIME type in words."`
	Comment     string   `json:"comment,omitempty" jsonschema_description:"Comment on the file."`
	FileID      string   `json:"fileId,omitempty" jsonschema_description:"Id of the bytes."`
	FileSize    int64    `json:"fileSize,omitempty" jsonschema_description:"Size in bytes."`
	WebuiLink   string   `json:"webuiLink,omitempty" jsonschema_description:"Where people see it, relative to the site's /wiki."`
	DownloadURL string   `json:"downloadLink,omitempty" jsonschema_description:"Where people download it, relative to the site's /wiki. Programs get it with download attachment."`
	Version     *version `json:"version,omitempty" jsonschema_description:"Its version."`
	URL         string   `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links       links    `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

func (c *client) shownAttachment(a *attachment, base string) *attachment {
	a.URL = c.address(a.Links, base)
	if a.URL == "" {
		a.URL = c.address(links{WebUI: a.WebuiLink}, base)
	}
	return a
}

type attachmentList struct {
	Results []attachment `json:"results" jsonschema_description:"The attached files."`
	paging
}

// attID takes the id of an attachment, with or without its prefix.
func attID(field, value string) (string, error) {
	value = strings.TrimSpace(value)
	switch {
	case attachmentID.MatchString(value):
		return value, nil
	case digits.MatchString(value):
		return "att" + value, nil
	}
	e := toolkit.Invalid(field, "%s: expected the id of an attachment, such as att123", field)
	e.Fix = "List the attachments of the page with CONFLUENCE_GET_ATTACHMENTS."
	return "", e
}

type getAttachmentsInput struct {
	PageID    string   `json:"pageId" jsonschema_description:"The page: id, address, or MKT: Title."`
	MediaType string   `json:"mediaType,omitempty" jsonschema_description:"Only files of this MIME type: image/png."`
	Filename  string   `json:"filename,omitempty" jsonschema_description:"Only the file with exactly this name."`
	Status    []string `json:"status,omitempty" jsonschema:"enum=current,enum=archived,enum=trashed" jsonschema_description:"Only files with these statuses."`
	Sort      string   `json:"sort,omitempty" jsonschema:"enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date" jsonschema_description:"Order; - puts the newest first."`
	pageArgs
}

var getAttachments = toolkit.Read("CONFLUENCE_GET_ATTACHMENTS", "Get Attachments",
	"List the files that are attached to a page, with name, type and size. To get the bytes of one use download attachment.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadAttachment),
		Keywords:  []string{"files", "images", "pictures", "pdf", "attached", "documents attached", "uploads", "screenshots"},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/attachments"},
	},
	func(ctx context.Context, c *client, in getAttachmentsInput) (*attachmentList, error) {
		id, err := c.contentID(ctx, "pageId", "page", in.PageID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		set(q, "mediaType", in.MediaType)
		set(q, "filename", in.Filename)
		set(q, "sort", in.Sort)
		if len(in.Status) > 0 {
			q["status"] = in.Status
		}
		got, err := fetch[attachment](ctx, c, request{
			path: v2 + "/pages/" + id + "/attachments", query: q, what: "page with id " + id, field: "pageId", scopes: []string{scopeReadAttachment},
		}, in.pageArgs)
		if err != nil {
			return nil, err
		}
		for i := range got.items {
			c.shownAttachment(&got.items[i], got.base)
		}
		return &attachmentList{Results: orEmpty(got.items), paging: got.paging()}, nil
	})

// file is a downloaded file.
type file struct {
	File  toolkit.FileRef `json:"file" jsonschema_description:"The file: its address for about an hour, and its key to hand it on to another tool."`
	Size  int64           `json:"size" jsonschema_description:"Its size in bytes."`
	Text  string          `json:"text,omitempty" jsonschema_description:"What it says, when it is text of up to 64 KB."`
	Bytes string          `json:"content_base64,omitempty" jsonschema_description:"Its bytes in base 64, when they were asked for."`
}

type downloadAttachmentInput struct {
	AttachmentID string `json:"attachmentId,omitempty" jsonschema_description:"Id of the attachment (att123). Or give pageId and fileName."`
	PageID       string `json:"pageId,omitempty" jsonschema_description:"The page it is on: id, address, or MKT: Title."`
	FileName     string `json:"fileName,omitempty" jsonschema_description:"Name of the file on that page: budget.xlsx."`
	Version      int    `json:"version,omitempty" jsonschema:"minimum=1" jsonschema_description:"Get an older version by its number."`
	Bytes        bool   `json:"bytes,omitempty" jsonschema_description:"Give the bytes themselves as well, in base 64; of files of up to 1 MB. Not needed to hand the file on."`
}

// maxBytes is how large a file may be whose bytes are part of the answer.
const maxBytes = 1 << 20

var downloadAttachment = toolkit.Read("CONFLUENCE_DOWNLOAD_ATTACHMENT", "Download Attachment",
	"Get an attached file, of up to 16 MB, to download or to hand on to another tool; of a short text also what it says. "+
		"Name it by its id, or by its page and file name. "+
		"To see which files there are use get attachments.",
	toolkit.About{
		Scopes: toolkit.AllOf(scopeReadAttachment),
		Keywords: []string{
			"file", "image", "picture", "pdf", "fetch the file", "bytes", "export", "save", "open the attached file",
		},
		Pitfalls: []string{"Larger files than 16 MB are refused; give people the address of the file instead."},
		Endpoints: []string{
			"GET /wiki/rest/api/content/{id}/child/attachment/{attachmentId}/download", "GET /wiki/api/v2/attachments/{id}", "GET /wiki/api/v2/pages/{id}/attachments",
		},
	},
	func(ctx context.Context, c *client, in downloadAttachmentInput) (*file, error) {
		a, err := c.attachmentOf(ctx, in)
		if err != nil {
			return nil, err
		}
		holder := a.PageID
		if holder == "" {
			holder = a.BlogPostID
		}
		if holder == "" {
			return nil, &toolkit.Error{
				Kind: toolkit.KindNotFound, Field: "attachmentId", Message: "The attachment " + a.ID + " is on neither a page nor a blog post, so it cannot be downloaded here.",
			}
		}
		if a.FileSize > maxFile {
			return nil, c.fileTooLarge(a)
		}
		head := maxText
		if in.Bytes {
			if head = maxBytes; a.FileSize > maxBytes {
				return nil, inlineTooLarge(a)
			}
		}
		q := url.Values{}
		if in.Version > 0 {
			q.Set("version", strconv.Itoa(in.Version))
		}
		return c.download(ctx, a, request{
			path: v1 + "/content/" + holder + "/child/attachment/" + a.ID + "/download", query: q,
			what: "attachment with id " + a.ID, field: "attachmentId", scopes: []string{scopeReadAttachment},
		}, head)
	})

func inlineTooLarge(a *attachment) error {
	return &toolkit.Error{
		Kind: toolkit.KindTooLarge, Field: "bytes",
		Message: fmt.Sprintf("The file '%s' is larger than %d MB, which is the most whose bytes can be part of an answer.", a.Title, maxBytes>>20),
		Fix:     "Leave bytes out: the answer then holds an address to download the file from.",
	}
}

func (c *client) fileTooLarge(a *attachment) error {
	return &toolkit.Error{
		Kind: toolkit.KindTooLarge, Field: "attachmentId",
		Message: fmt.Sprintf("The file '%s' has %d bytes; files of up to %d MB can be got here.", a.Title, a.FileSize, maxFile>>20),
		Fix:     "Give the person its address: " + c.shownAttachment(a, "").URL,
	}
}

// attachmentOf finds the attachment by its id, or by its page and name.
func (c *client) attachmentOf(ctx context.Context, in downloadAttachmentInput) (*attachment, error) {
	var a attachment
	if in.AttachmentID != "" {
		id, err := attID("attachmentId", in.AttachmentID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		if in.Version > 0 {
			q.Set("version", strconv.Itoa(in.Version))
		}
		err = c.do(ctx, request{
			path: v2 + "/attachments/" + id, query: q, out: &a, what: "attachment with id " + id + inVersion(q), field: "attachmentId",
			scopes: []string{scopeReadAttachment},
		})
		if a.PageID == "" && a.BlogPostID == "" && in.PageID != "" && err == nil {
			a.PageID, err = c.contentID(ctx, "pageId", "page", in.PageID)
		}
		return &a, err
	}
	if in.PageID == "" || in.FileName == "" {
		return nil, toolkit.Invalid("attachmentId", "attachmentId: say which file: give attachmentId, or pageId and fileName")
	}
	id, err := c.contentID(ctx, "pageId", "page", in.PageID)
	if err != nil {
		return nil, err
	}
	r := request{
		path: v2 + "/pages/" + id + "/attachments", query: url.Values{"filename": {in.FileName}}, what: "page with id " + id, field: "pageId",
		scopes: []string{scopeReadAttachment},
	}
	got, err := fetchOne[attachment](ctx, c, r, 1, "")
	if err != nil {
		return nil, err
	}
	if len(got.items) == 0 {
		return nil, c.unknownFile(ctx, r, in.FileName)
	}
	a = got.items[0]
	if a.PageID == "" {
		a.PageID = id
	}
	return &a, nil
}

// unknownFile lists the files that there are.
func (c *client) unknownFile(ctx context.Context, r request, name string) error {
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: "fileName", Message: "The page has no file with the name '" + name + "'.",
		Fix: "It has no files at all.",
	}
	r.query, r.probe = nil, true
	got, err := fetchOne[attachment](ctx, c, r, maxNamedKeys, "")
	if err != nil {
		e.Fix = "List its files with CONFLUENCE_GET_ATTACHMENTS."
		return e
	}
	var names []string
	for _, a := range got.items {
		names = append(names, a.Title)
	}
	if len(names) > 0 {
		e.Fix = "It has: " + strings.Join(names, ", ") + "."
	}
	return e
}

// download saves the bytes of a in the router's file store. The site redirects
// to signed addresses of another host: the guarded client follows without the
// account's credentials. A file of up to first bytes comes as text where it is
// short and readable, and in base 64 where more than texts are asked for.
func (c *client) download(ctx context.Context, a *attachment, r request, first int) (*file, error) {
	if c.call.Files == nil {
		return nil, errNoFiles()
	}
	r.method = http.MethodGet
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "*/*")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, transportError(ctx, r, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxText))
		if err != nil {
			return nil, cutError(ctx, r, resp.StatusCode, err)
		}
		e := statusError(r, resp, data)
		if e.Kind == toolkit.KindNotFound {
			c.explainMissing(ctx, r, e)
		}
		return nil, e
	}
	kind := a.MediaType
	if kind == "" {
		kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type")) // none is fine
	}
	body := &counted{r: resp.Body, left: maxFile}
	head, err := io.ReadAll(io.LimitReader(body, int64(first)+1))
	if first > maxText && len(head) > first { // more than the site said
		return nil, inlineTooLarge(a)
	}
	var ref toolkit.FileRef
	if err == nil {
		ref, err = c.call.Files.Save(ctx, a.Title, kind, io.MultiReader(bytes.NewReader(head), body))
	}
	switch {
	case errors.Is(body.err, errOver):
		return nil, c.fileTooLarge(a)
	case body.err != nil:
		return nil, cutError(ctx, r, resp.StatusCode, body.err)
	case err != nil:
		return nil, err
	}
	out := &file{File: ref, Size: maxFile - body.left}
	if first > maxText {
		out.Bytes = base64.StdEncoding.EncodeToString(head)
	}
	if len(head) <= maxText && readable(kind) && utf8.Valid(head) && bytes.IndexByte(head, 0) < 0 {
		out.Text = string(head)
	}
	return out, nil
}

func errNoFiles() error {
	return &toolkit.Error{
		Kind: toolkit.KindUnavailable, Message: "This router keeps no files, so none can be handed over.",
		Fix: "Give the person the address of the attachment instead.",
	}
}

// errOver says that a body has more bytes than are let through.
var errOver = errors.New("confluence: the file is too large")

// counted lets so many bytes through, and remembers why reading failed.
type counted struct {
	r    io.Reader
	left int64
	err  error
}

func (c *counted) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		n, err = 0, errOver
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// readable says whether a MIME type is one of text.
func readable(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	if strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") {
		return true
	}
	switch kind {
	case "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript", "application/sql":
		return true
	}
	return false
}
