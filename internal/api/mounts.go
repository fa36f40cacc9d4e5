package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/files"
)

// Every session has one mount. Where it lies in a sandbox is the contract's word;
// paths may begin with it.
const (
	mountID    = "files"
	mountRoot  = "/mnt/files"
	maxInMount = 500
)

func (s *server) mountRoutes() {
	const at = "/tool_router/session/{session_id}/mounts/{mount_id}"
	handle(s, operation{
		id: "listMountItems", method: http.MethodGet, path: at + "/items", tag: "sessions", summary: "List the files of a session's mount",
		query: paged(param{"mount_relative_prefix", huma.TypeString, "Only the file at this path, or those in this folder"}),
	}, s.mountItems)
	handle(s, operation{
		id: "createMountUpload", method: http.MethodPost, path: at + "/upload_url", tag: "sessions",
		summary: "Ask for an address to put a file of a session's mount to", status: http.StatusCreated,
	}, s.mountUpload)
	handle(s, operation{
		id: "createMountDownload", method: http.MethodPost, path: at + "/download_url", tag: "sessions",
		summary: "Ask for an address to get a file of a session's mount from", status: http.StatusCreated,
	}, s.mountDownload)
	handle(s, operation{
		id: "deleteMountItem", method: http.MethodPost, path: at + "/delete", tag: "sessions",
		summary: "Delete a file or a folder of a session's mount",
	}, s.mountDelete)
}

// MountPath is the input of operations on one mount.
type MountPath struct {
	SessionPath
	MountID string `path:"mount_id"`
}

// mount gives a mount of the caller's session.
func (s *server) mount(ctx context.Context, in *MountPath) (files.Mount, error) {
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return files.Mount{}, err
	}
	if in.MountID != mountID {
		return files.Mount{}, domain.Errorf(domain.CodeNotFound, "the session has no mount %.64q", in.MountID).
			WithFix("A session has one mount: %q.", mountID)
	}
	return files.Mount{ProjectID: h.ProjectID, SessionID: h.ID, Name: mountID}, nil
}

type mountQuery struct {
	MountPath
	Query
}

// mountList has no next_cursor at its end: null is refused by clients.
type mountList struct {
	Items      []mountItem `json:"items"`
	NextCursor *string     `json:"next_cursor,omitempty"`
}

type mountItem struct {
	Path     string `json:"mount_relative_path"`
	Root     string `json:"sandbox_mount_prefix"`
	Size     int64  `json:"size" doc:"Bytes"`
	Modified string `json:"last_modified"`
}

func (s *server) mountItems(ctx context.Context, in *mountQuery) (mountList, error) {
	w, err := in.window(100, maxInMount)
	if err != nil {
		return mountList{}, err
	}
	m, err := s.mount(ctx, &in.MountPath)
	if err != nil {
		return mountList{}, err
	}
	under := in.text("mount_relative_prefix")
	if under == "/" || under == mountRoot {
		under = ""
	}
	if under != "" {
		if under, err = files.CleanPath(mountRoot, under); err != nil {
			return mountList{}, err
		}
	}
	list, total, err := s.Files.InMount(ctx, m, under, w.store())
	if err != nil {
		return mountList{}, err
	}
	items := make([]mountItem, 0, len(list))
	for _, f := range list {
		items = append(items, mountItem{Path: f.Path, Root: mountRoot, Size: f.Size, Modified: wireTime(f.CreatedAt)})
	}
	return mountList{Items: items, NextCursor: pageOf(w, items, total).NextCursor}, nil
}

type mountUploadIn struct {
	MountPath
	Body struct {
		Path string `json:"mount_relative_path" doc:"Where the file will lie; what lies there is replaced"`
		MIME string `json:"mimetype,omitempty" maxLength:"256"`
	}
}

type mountUploadOut struct {
	URL       string `json:"upload_url" doc:"Where to PUT the content"`
	Path      string `json:"mount_relative_path"`
	Root      string `json:"sandbox_mount_prefix"`
	ExpiresAt string `json:"expires_at"`
}

func (s *server) mountUpload(ctx context.Context, in *mountUploadIn) (mountUploadOut, error) {
	m, err := s.mount(ctx, &in.MountPath)
	if err != nil {
		return mountUploadOut{}, err
	}
	at, err := files.CleanPath(mountRoot, in.Body.Path)
	if err != nil {
		return mountUploadOut{}, err
	}
	token, until, err := s.Files.AllowMount(ctx, m, at, in.Body.MIME)
	if err != nil {
		return mountUploadOut{}, err
	}
	return mountUploadOut{URL: BlobURL(callerOf(ctx).origin, token), Path: at, Root: mountRoot, ExpiresAt: wireTime(until)}, nil
}

type mountPathIn struct {
	MountPath
	Body struct {
		Path string `json:"mount_relative_path"`
	}
}

type mountDownloadOut struct {
	URL       string `json:"download_url"`
	Path      string `json:"mount_relative_path"`
	Root      string `json:"sandbox_mount_prefix"`
	ExpiresAt string `json:"expires_at"`
}

func (s *server) mountDownload(ctx context.Context, in *mountPathIn) (mountDownloadOut, error) {
	m, err := s.mount(ctx, &in.MountPath)
	if err != nil {
		return mountDownloadOut{}, err
	}
	at, err := files.CleanPath(mountRoot, in.Body.Path)
	if err != nil {
		return mountDownloadOut{}, err
	}
	f, err := s.Files.AtPath(ctx, m, at)
	if err != nil {
		return mountDownloadOut{}, err
	}
	token, err := s.Files.AllowDownload(ctx, f)
	if err != nil {
		return mountDownloadOut{}, err
	}
	return mountDownloadOut{URL: BlobURL(callerOf(ctx).origin, token), Path: at, Root: mountRoot, ExpiresAt: wireTime(s.Files.Until(f))}, nil
}

type mountPathOut struct {
	Path string `json:"mount_relative_path"`
	Root string `json:"sandbox_mount_prefix"`
}

func (s *server) mountDelete(ctx context.Context, in *mountPathIn) (mountPathOut, error) {
	m, err := s.mount(ctx, &in.MountPath)
	if err != nil {
		return mountPathOut{}, err
	}
	at, err := files.CleanPath(mountRoot, in.Body.Path)
	if err != nil {
		return mountPathOut{}, err
	}
	return mountPathOut{Path: at, Root: mountRoot}, s.Files.Remove(ctx, m, at)
}
