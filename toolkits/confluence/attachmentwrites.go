package confluence

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type uploadAttachmentInput struct {
	ID       string        `json:"id" jsonschema_description:"The page or blog post to attach it to: id, address, or MKT: Title."`
	FileName string        `json:"fileName,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Name of the file: budget.xlsx. Needed with content_base64; with file it renames it."`
	Content  string        `json:"content_base64,omitempty" jsonschema_description:"The bytes of the file in base 64; up to 2 MB. Or give file."`
	File     *toolkit.File `json:"file,omitempty" jsonschema_description:"An uploaded file, or one that another tool gave; up to 16 MB. Or give content_base64."`
	Comment  string        `json:"comment,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Comment on the file."`
	Replace  bool          `json:"replace,omitempty" jsonschema_description:"Make a new version when a file with this name is there; without it that is refused."`
}

var uploadAttachment = toolkit.Create("CONFLUENCE_UPLOAD_ATTACHMENT", "Upload Attachment",
	"Attach a file to a page or blog post, from its bytes in base 64 or from a file that was uploaded or that another tool gave. "+
		"With replace, a file of the same name gets a new version. For text create a page instead.",
	toolkit.About{
		Scopes: toolkit.Scopes{}.AnyOf(scopeWriteAttachment, "write:confluence-file").AnyOf(scopeContentDetails, "write:confluence-file"),
		Keywords: []string{
			"file", "image", "picture", "pdf", "attach", "add a file", "send a file", "put a screenshot", "spreadsheet",
		},
		Pitfalls:  []string{"An uploaded image is not shown in the text until the page says so: <ac:image><ri:attachment ri:filename=\"name.png\"/></ac:image>."},
		Endpoints: []string{"POST /wiki/rest/api/content/{id}/child/attachment", "PUT /wiki/rest/api/content/{id}/child/attachment"},
	},
	func(ctx context.Context, c *client, in uploadAttachmentInput) (*attachment, error) {
		if err := in.check(); err != nil {
			return nil, err
		}
		f, err := c.fileForm(ctx, &in)
		if err != nil {
			return nil, err
		}
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		method := http.MethodPost
		if in.Replace {
			method = http.MethodPut
		}
		var answer struct {
			Results []uploaded `json:"results"`
			Links   links      `json:"_links"`
		}
		err = c.do(ctx, request{
			method: method, path: v1 + "/content/" + id + "/child/attachment", form: f, out: &answer,
			what: "content with id " + id, field: "id", scopes: []string{scopeWriteAttachment, scopeContentDetails},
		})
		var e *toolkit.Error
		if isStatus(err, http.StatusBadRequest) && errors.As(err, &e) && strings.Contains(e.Message, "same file name") {
			e.Kind, e.Field, e.Message = toolkit.KindConflict, "fileName", "There is a file with the name '"+in.FileName+"' already."
			e.Fix = "Set replace to true to make a new version of it, or choose another name."
		}
		if err != nil {
			return nil, err
		}
		if len(answer.Results) == 0 {
			return nil, &toolkit.Error{Kind: toolkit.KindUnavailable, Message: "Confluence did not say what became of the file.", Fix: retryHint(request{method: method})}
		}
		return answer.Results[0].shown(c, id, answer.Links.Base), nil
	})

// uploaded is an attachment as v1 gives it.
type uploaded struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Title   string `json:"title"`
	Version struct {
		Number int    `json:"number"`
		When   string `json:"when"`
	} `json:"version"`
	Extensions struct {
		MediaType string `json:"mediaType"`
		FileSize  int64  `json:"fileSize"`
		Comment   string `json:"comment"`
		FileID    string `json:"fileId"`
	} `json:"extensions"`
	Links links `json:"_links"`
}

func (u uploaded) shown(c *client, on, base string) *attachment {
	a := &attachment{
		ID: u.ID, Status: u.Status, Title: u.Title, PageID: on, MediaType: u.Extensions.MediaType, FileSize: u.Extensions.FileSize,
		Comment: u.Extensions.Comment, FileID: u.Extensions.FileID, Version: &version{Number: u.Version.Number, CreatedAt: u.Version.When}, Links: u.Links,
	}
	return c.shownAttachment(a, base)
}

// bytesOf reads a file out of an argument.
func bytesOf(field, content string) ([]byte, error) {
	if _, rest, ok := strings.Cut(content, ";base64,"); ok && strings.HasPrefix(content, "data:") {
		content = rest
	}
	content = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' {
			return -1
		}
		return r
	}, content)
	if base64.StdEncoding.DecodedLen(len(content)) > maxInline+2 {
		return nil, &toolkit.Error{Kind: toolkit.KindTooLarge, Field: field, Message: fmt.Sprintf("The file is larger than the %d MB that fit into a call.", maxInline>>20), Fix: "Upload the file and give it as file."}
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding} {
		if data, err := enc.DecodeString(content); err == nil {
			return data, nil
		}
	}
	return nil, toolkit.Invalid(field, "%s: expected the bytes of a file in base 64", field)
}

// check says what is wrong with the file of in before anything is asked.
func (in *uploadAttachmentInput) check() error {
	switch {
	case in.File == nil && in.Content == "":
		return toolkit.Invalid("content_base64", "content_base64: give the bytes of the file here, or a file in file")
	case in.File != nil && in.Content != "":
		return toolkit.Invalid("content_base64", "content_base64: give either the bytes here or a file in file, not both")
	case in.File == nil && in.FileName == "":
		return toolkit.Invalid("fileName", "fileName: the file needs a name, such as budget.xlsx")
	case strings.ContainsAny(in.FileName, "/\\\x00\r\n"):
		return toolkit.Invalid("fileName", "fileName: expected a name without directories")
	}
	return nil
}

// fileForm is a form with the file of in, as v1 takes it. It settles the name.
func (c *client) fileForm(ctx context.Context, in *uploadAttachmentInput) (*form, error) {
	if in.File == nil {
		data, err := bytesOf("content_base64", in.Content)
		if err != nil {
			return nil, err
		}
		return formOf(in.FileName, in.Comment, bytes.NewReader(data))
	}
	if c.call.Files == nil {
		return nil, errNoFiles()
	}
	f, err := c.call.Files.Open(ctx, in.File.Key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if f.Size > maxFile {
		return nil, &toolkit.Error{
			Kind: toolkit.KindTooLarge, Field: "file", Message: fmt.Sprintf("The file has %d bytes; at most %d MB can be attached here.", f.Size, maxFile>>20),
		}
	}
	if in.FileName == "" {
		in.FileName = f.Name
	}
	return formOf(in.FileName, in.Comment, f)
}

func formOf(name, comment string, content io.Reader) (*form, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = io.Copy(part, content)
	}
	if err == nil {
		err = w.WriteField("minorEdit", "true")
	}
	if err == nil && comment != "" {
		err = w.WriteField("comment", comment)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("confluence: make form: %w", err)
	}
	return &form{kind: w.FormDataContentType(), data: b.Bytes()}, nil
}

type deleteAttachmentInput struct {
	ID    string `json:"id" jsonschema_description:"Id of the attachment (att123)."`
	Purge bool   `json:"purge,omitempty" jsonschema_description:"Remove for good a file that is in the trash already. Needs an administrator of the space."`
}

var deleteAttachment = toolkit.Delete("CONFLUENCE_DELETE_ATTACHMENT", "Delete Attachment",
	"Move an attached file to the trash of its space, from where a person can restore it; with purge remove one from the trash for good. "+
		"Not for the page, which stays.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeDeleteAttachment),
		Keywords:  []string{"file", "image", "picture", "pdf", "attached", "detach", "remove a file"},
		Pitfalls:  []string{"A text that shows the file shows a gap afterwards."},
		Endpoints: []string{"DELETE /wiki/api/v2/attachments/{id}"},
	},
	func(ctx context.Context, c *client, in deleteAttachmentInput) (*gone, error) {
		id, err := attID("id", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		out := &gone{ID: id, Deleted: true, Message: "The file is in the trash now; a person can restore it from the trash of its space."}
		if in.Purge {
			q.Set("purge", "true")
			out.Message = "The file is gone for good."
		}
		err = c.do(ctx, request{
			method: http.MethodDelete, path: v2 + "/attachments/" + id, query: q, what: "attachment with id " + id, field: "id",
			scopes: []string{scopeDeleteAttachment},
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
