package files

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// The purposes of tokens. They are sealed in, so that a token for one does not
// open as one for the other.
const (
	forUpload   = "files/upload/v1"
	forDownload = "files/download/v1"
)

const (
	// uploadTime is how long an upload may be begun after it was asked for.
	uploadTime = 15 * time.Minute
	// downloadTime is how long a download may be begun.
	downloadTime = time.Hour
	// maxToken bounds a token's characters.
	maxToken = 8 << 10
)

// grant is what a token holds. A download's has only project, key and time.
type grant struct {
	Project string `json:"p"`
	Key     string `json:"k"`
	Expires int64  `json:"e"` // seconds since 1970
	Name    string `json:"n,omitempty"`
	MIME    string `json:"m,omitempty"`
	Toolkit string `json:"t,omitempty"`
	Tool    string `json:"o,omitempty"`
	MD5     string `json:"d,omitempty"`
	MaxSize int64  `json:"s,omitempty"`
	// Where the file will lie in a session's mount.
	Session string `json:"r,omitempty"`
	Mount   string `json:"u,omitempty"`
	Path    string `json:"h,omitempty"`
}

// AllowUpload gives the key that a file will have, and the token by which its
// content can be put for a quarter of an hour. Nothing is kept before.
func (s *Service) AllowUpload(ctx context.Context, projectID string, m Meta) (key, token string, err error) {
	m, err = m.clean()
	if err != nil {
		return "", "", err
	}
	key = domain.NewSecret(domain.PrefixFile)
	token, err = s.seal(ctx, forUpload, grant{
		Project: projectID, Key: key, Expires: s.opts.Now().Add(uploadTime).Unix(),
		Name: m.Name, MIME: m.MIME, Toolkit: m.Toolkit, Tool: m.Tool, MD5: m.MD5, MaxSize: s.opts.MaxFile,
	})
	return key, token, err
}

// Upload keeps what r gives as the file that token allows; see Put. size is what
// r announces, or -1. A token that allows no upload is CodeNotFound, before r is
// read.
func (s *Service) Upload(ctx context.Context, token string, size int64, r io.Reader) (domain.File, error) {
	g, err := s.open(ctx, forUpload, token)
	if err != nil {
		return domain.File{}, err
	}
	limit := min(g.MaxSize, s.opts.MaxFile)
	if size > limit {
		return domain.File{}, tooLarge(limit)
	}
	m := Meta{Name: g.Name, MIME: g.MIME, Toolkit: g.Toolkit, Tool: g.Tool, MD5: g.MD5, session: g.Session, mount: g.Mount, path: g.Path}
	return s.put(ctx, g.Project, g.Key, m, r, limit)
}

// AllowDownload gives a token by which the file can be got, for an hour or until
// it expires.
func (s *Service) AllowDownload(ctx context.Context, f domain.File) (string, error) {
	return s.seal(ctx, forDownload, grant{Project: f.ProjectID, Key: f.Key, Expires: s.Until(f).Unix()})
}

// Until is when a download that is allowed now can no longer be begun.
func (s *Service) Until(f domain.File) time.Time {
	until := s.opts.Now().Add(downloadTime)
	if f.ExpiresAt.Before(until) {
		until = f.ExpiresAt
	}
	return until
}

// DownloadOf is Download for one project: another's file is CodeNotFound.
func (s *Service) DownloadOf(ctx context.Context, projectID, token string) (*Content, error) {
	g, err := s.open(ctx, forDownload, token)
	if err == nil && g.Project != projectID {
		err = gone("there is no such file in this project")
	}
	if err != nil {
		return nil, err
	}
	return s.Open(ctx, g.Project, g.Key)
}

// Download opens the file that token allows. One that allows none is
// CodeNotFound.
func (s *Service) Download(ctx context.Context, token string) (*Content, error) {
	g, err := s.open(ctx, forDownload, token)
	if err != nil {
		return nil, err
	}
	return s.Open(ctx, g.Project, g.Key)
}

func (s *Service) seal(ctx context.Context, purpose string, g grant) (string, error) {
	plain, err := json.Marshal(g)
	if err != nil {
		return "", domain.Internal("allowing a file", err)
	}
	return s.opts.Sealer.SealState(ctx, purpose, plain)
}

func (s *Service) open(ctx context.Context, purpose, token string) (grant, error) {
	var g grant
	bad := domain.Errorf(domain.CodeNotFound, "this address is not one for a file, or not for this").
		WithFix("Use the address as it was given, the upload's with PUT and the file's with GET.")
	if token == "" || len(token) > maxToken {
		return g, bad
	}
	plain, err := s.opts.Sealer.OpenState(ctx, purpose, token)
	if err != nil {
		if ctx.Err() != nil {
			return g, ctx.Err()
		}
		return g, bad // the cause may quote the token
	}
	if err := json.Unmarshal(plain, &g); err != nil || g.Project == "" || g.Key == "" {
		return g, bad
	}
	if s.opts.Now().Unix() >= g.Expires {
		return g, domain.Errorf(domain.CodeNotFound, "this address has expired").
			WithFix("Ask for a new one: request the upload again, or run the tool again that gave the file.")
	}
	return g, nil
}
