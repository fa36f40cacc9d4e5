package execute

import (
	"context"
	"io"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/toolkit"
)

// files gives the call its view of the file store.
func (r *run) files(t *catalog.Tool) toolkit.Files {
	if r.s.opts.Files == nil {
		return noFiles{}
	}
	return &callFiles{
		kept: r.s.opts.Files, project: r.req.Principal.ProjectID, toolkit: t.Toolkit.Slug, tool: t.Slug,
		url: func(token string) string { return r.s.opts.FileURL(r.req.Origin, token) },
	}
}

// callFiles are the files of the call's project. Keys lead nowhere else.
type callFiles struct {
	kept                   *files.Service
	project, toolkit, tool string
	url                    func(token string) string
}

// Open implements toolkit.Files.
func (f *callFiles) Open(ctx context.Context, key string) (*toolkit.OpenFile, error) {
	c, err := f.kept.Open(ctx, f.project, key)
	if err != nil {
		return nil, err
	}
	return &toolkit.OpenFile{Name: c.Name, MIME: c.MIME, Size: c.Size, ReadCloser: c}, nil
}

// Save implements toolkit.Files.
func (f *callFiles) Save(ctx context.Context, name, mime string, r io.Reader) (toolkit.FileRef, error) {
	file, err := f.kept.Put(ctx, f.project, files.Meta{Name: name, MIME: mime, Toolkit: f.toolkit, Tool: f.tool}, r)
	if err != nil {
		return toolkit.FileRef{}, err
	}
	token, err := f.kept.AllowDownload(ctx, file)
	if err != nil {
		return toolkit.FileRef{}, err
	}
	return toolkit.FileRef{Name: file.Name, MIME: file.MIME, URL: f.url(token), Key: file.Key}, nil
}

// noFiles is the file store of a router that has none.
type noFiles struct{}

func (noFiles) refuse() error {
	return &toolkit.Error{Kind: toolkit.KindUnavailable, Message: "This router keeps no files."}
}

// Open implements toolkit.Files.
func (n noFiles) Open(context.Context, string) (*toolkit.OpenFile, error) { return nil, n.refuse() }

// Save implements toolkit.Files.
func (n noFiles) Save(context.Context, string, string, io.Reader) (toolkit.FileRef, error) {
	return toolkit.FileRef{}, n.refuse()
}
