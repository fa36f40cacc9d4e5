package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/files"
)

func (s *server) fileRoutes() {
	handle(s, operation{
		id: "requestFileUpload", method: http.MethodPost, path: "/files/upload/request", tag: "files",
		summary: "Ask for an address to upload a file to",
	}, s.requestUpload)
	handle(s, operation{
		id: "listFiles", method: http.MethodGet, path: "/files/list", tag: "files", summary: "List files that are kept",
		query: paged(
			param{"toolkit_slug", huma.TypeString, "Only files kept for this toolkit"},
			param{"tool_slug", huma.TypeString, "Only files kept for this tool"},
		),
	}, s.listFiles)
}

type uploadRequestIn struct {
	Body struct {
		ToolkitSlug string `json:"toolkit_slug" doc:"Toolkit that the file is for"`
		ToolSlug    string `json:"tool_slug" doc:"Tool that the file is for"`
		Filename    string `json:"filename" doc:"Name of the file; folders are cut off"`
		Mimetype    string `json:"mimetype" doc:"MIME type of the file"`
		MD5         string `json:"md5" doc:"MD5 of the content in hexadecimal, which is checked; empty: not checked"`
	}
}

type uploadRequestOut struct {
	ID        string          `json:"id"`
	Key       string          `json:"key" doc:"The file's handle: s3key of a tool's file argument, once the content is there"`
	UploadURL string          `json:"new_presigned_url" doc:"Where to PUT the content, within a quarter of an hour"`
	OldURL    string          `json:"newPresignedUrl" doc:"Older name of new_presigned_url"`
	Type      string          `json:"type" enum:"new"`
	Placement uploadPlacement `json:"metadata"`
}

type uploadPlacement struct {
	Backend string `json:"storage_backend" enum:"s3,azure_blob_storage" doc:"How to PUT: s3 is a plain PUT"`
}

// requestUpload allows an upload. Every one is new: content that is there
// already is kept once all the same.
func (s *server) requestUpload(ctx context.Context, in *uploadRequestIn) (uploadRequestOut, error) {
	c, b := callerOf(ctx), &in.Body
	key, token, err := s.Files.AllowUpload(ctx, c.principal.ProjectID, files.Meta{
		Name: b.Filename, MIME: b.Mimetype, Toolkit: b.ToolkitSlug, Tool: b.ToolSlug, MD5: b.MD5,
	})
	if err != nil {
		return uploadRequestOut{}, err
	}
	at := BlobURL(c.origin, token)
	return uploadRequestOut{ID: key, Key: key, UploadURL: at, OldURL: at, Type: "new", Placement: uploadPlacement{Backend: "s3"}}, nil
}

type fileOut struct {
	ToolkitSlug string `json:"toolkit_slug"`
	ToolSlug    string `json:"tool_slug"`
	Filename    string `json:"filename"`
	Mimetype    string `json:"mimetype"`
	MD5         string `json:"md5"`
}

func (s *server) listFiles(ctx context.Context, q *Query) (page[fileOut], error) {
	w, err := q.window(20, 50)
	if err != nil {
		return page[fileOut]{}, err
	}
	list, total, err := s.Files.List(ctx, callerOf(ctx).principal.ProjectID, q.text("toolkit_slug"), q.text("tool_slug"), w.store())
	if err != nil {
		return page[fileOut]{}, err
	}
	items := make([]fileOut, 0, len(list))
	for _, f := range list {
		items = append(items, fileOut{ToolkitSlug: f.Toolkit, ToolSlug: f.Tool, Filename: f.Name, Mimetype: f.MIME, MD5: f.MD5})
	}
	return pageOf(w, items, total), nil
}
