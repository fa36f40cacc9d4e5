package client

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// SessionFile is a file of a session.
type SessionFile struct {
	Path     string    `json:"mount_relative_path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"last_modified"`
}

const mount = "/mounts/files"

// Files lists the session's files by path: all, or those in a folder, until the
// loop ends or a request fails.
func (s *Session) Files(ctx context.Context, folder string) iter.Seq2[SessionFile, error] {
	v := url.Values{}
	if folder != "" {
		v.Set("mount_relative_prefix", folder)
	}
	return pages[SessionFile](ctx, s.client, s.path(mount+"/items"), v)
}

// WriteFile puts content at a path of the session's files, in the place of what is
// there. It is kept for 30 days, and as long as the session.
func (s *Session) WriteFile(ctx context.Context, path, mime string, content []byte) error {
	in := map[string]string{"mount_relative_path": path, "mimetype": mime}
	var a struct {
		URL string `json:"upload_url"`
	}
	if err := s.client.do(ctx, http.MethodPost, s.path(mount+"/upload_url"), nil, in, &a); err != nil {
		return err
	}
	res, err := s.client.transfer(ctx, http.MethodPut, a.URL, bytes.NewReader(content))
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return decode(res, nil)
}

// ReadFile writes the content of one of the session's files into w and says how
// many bytes it has. After an error w may hold a part.
func (s *Session) ReadFile(ctx context.Context, path string, w io.Writer) (int64, error) {
	var a struct {
		URL string `json:"download_url"`
	}
	in := map[string]string{"mount_relative_path": path}
	if err := s.client.do(ctx, http.MethodPost, s.path(mount+"/download_url"), nil, in, &a); err != nil {
		return 0, err
	}
	return s.client.DownloadFile(ctx, FileRef{Name: path, URL: a.URL}, w)
}

// RemoveFile deletes one of the session's files, or a folder with all in it.
func (s *Session) RemoveFile(ctx context.Context, path string) error {
	in := map[string]string{"mount_relative_path": path}
	return s.client.do(ctx, http.MethodPost, s.path(mount+"/delete"), nil, in, nil)
}
