package client

import (
	"context"
	"io"
	"iter"
	"net/http"
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
	return pages[SessionFile](ctx, s.client, s.path(mount+"/items"), values(map[string]string{"mount_relative_prefix": folder}, nil))
}

// WriteFile puts content, from where it stands to its end, at a path of the
// session's files, in the place of what is there. It is kept for 30 days, and as
// long as the session.
func (s *Session) WriteFile(ctx context.Context, path, mime string, content io.ReadSeeker) error {
	size, err := measure(content, io.Discard)
	if err != nil {
		return err
	}
	in := map[string]string{"mount_relative_path": path, "mimetype": mime}
	var a struct {
		URL string `json:"upload_url"`
	}
	if err := s.client.do(ctx, http.MethodPost, s.path(mount+"/upload_url"), nil, in, &a); err != nil {
		return err
	}
	return s.client.put(ctx, a.URL, content, size)
}

// ReadFile writes the content of one of the session's files into w and says how
// many bytes it has. After an error w may hold a part.
func (s *Session) ReadFile(ctx context.Context, path string, w io.Writer) (int64, error) {
	var a struct {
		URL string `json:"download_url"`
	}
	in := map[string]string{"mount_relative_path": path}
	if err := s.client.ask(ctx, s.path(mount+"/download_url"), in, &a); err != nil {
		return 0, err
	}
	return s.client.DownloadFile(ctx, FileRef{Name: path, URL: a.URL}, w)
}

// RemoveFile deletes one of the session's files, or a folder with all in it.
func (s *Session) RemoveFile(ctx context.Context, path string) error {
	in := map[string]string{"mount_relative_path": path}
	return s.client.do(ctx, http.MethodPost, s.path(mount+"/delete"), nil, in, nil)
}
