package api_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// put puts a content at a path of a session's mount.
func (w *world) put(session, path, content string) {
	w.t.Helper()
	at := w.want(201, "POST", session+"/mounts/files/upload_url", map[string]string{"mount_relative_path": path, "mimetype": "text/plain"}).text("upload_url")
	if a := w.blob("PUT", at, content); a.Status != 200 {
		w.t.Fatalf("%d %s", a.Status, a.Raw)
	}
}

func (w *world) got(session, path string) string {
	w.t.Helper()
	at := w.want(201, "POST", session+"/mounts/files/download_url", map[string]string{"mount_relative_path": path}).text("download_url")
	return string(w.blob("GET", at, "").Raw)
}

func TestMount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.session(`{"user_id":"jane"}`)
	w.put(one, "/mnt/files/reports//2026.txt", "one")
	w.put(one, "reports/2025.txt", "old")
	w.put(one, "notes.txt", "note")
	items := func(query string) []string {
		return w.want(200, "GET", one+"/mounts/files/items"+query, nil).column("mount_relative_path")
	}
	for query, want := range map[string][]string{
		"":                                      {"notes.txt", "reports/2025.txt", "reports/2026.txt"},
		"?mount_relative_prefix=reports":        {"reports/2025.txt", "reports/2026.txt"},
		"?mount_relative_prefix=reports/":       {"reports/2025.txt", "reports/2026.txt"},
		"?mount_relative_prefix=note":           {},
		"?mount_relative_prefix=/&limit=9999":   {"notes.txt", "reports/2025.txt", "reports/2026.txt"},
		"?mount_relative_prefix=/mnt/files&x=1": {"notes.txt", "reports/2025.txt", "reports/2026.txt"},
	} {
		if diff := cmp.Diff(want, items(query)); diff != "" {
			t.Errorf("items%s (-want +got):\n%s", query, diff)
		}
	}
	page := w.want(200, "GET", one+"/mounts/files/items?limit=2", nil)
	rest := w.want(200, "GET", one+"/mounts/files/items?cursor="+url.QueryEscape(page.text("next_cursor")), nil)
	if _, there := rest.JSON.(map[string]any)["next_cursor"]; there || len(rest.column("size")) != 1 {
		t.Errorf("the last page: %s", rest.Raw)
	}

	// A file is replaced in one step.
	w.put(one, "reports/2026.txt", "two")
	if got := w.got(one, "reports/2026.txt"); got != "two" || len(items("")) != 3 {
		t.Errorf("after another upload: %q, %v", got, items(""))
	}
	w.want(200, "POST", one+"/mounts/files/delete", `{"mount_relative_path":"reports"}`)
	if diff := cmp.Diff([]string{"notes.txt"}, items("")); diff != "" {
		t.Errorf("after a folder went (-want +got):\n%s", diff)
	}
	w.want(404, "POST", one+"/mounts/files/delete", `{"mount_relative_path":"reports"}`)
	w.want(404, "POST", one+"/mounts/files/download_url", `{"mount_relative_path":"reports/2026.txt"}`)
	if got := w.want(200, "GET", "/api/v3.1/files/list", nil).column("filename"); len(got) != 0 {
		t.Errorf("files of sessions are listed with those of tools: %v", got)
	}
	for _, path := range []string{"", "/", ".", "../x", "a/../../x", `a\b`, "a\x00b", "a\u202eb", strings.Repeat("x", 1025), "/mnt/files/"} {
		w.want(400, "POST", one+"/mounts/files/upload_url", map[string]string{"mount_relative_path": path})
	}
	for _, op := range []string{"upload_url", "download_url", "delete"} {
		w.want(404, "POST", one+"/mounts/more/"+op, `{"mount_relative_path":"a"}`)
	}
	w.want(404, "GET", one+"/mounts/more/items", nil)
}

// What lies in a mount is its session's, and ends with it.
func TestMountOfSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.session(`{"user_id":"jane"}`), w.session(`{"user_id":"jane"}`)
	w.put(one, "a", "of one")
	late := w.want(201, "POST", one+"/mounts/files/upload_url", `{"mount_relative_path":"b"}`).text("upload_url")
	get := w.want(201, "POST", one+"/mounts/files/download_url", `{"mount_relative_path":"a"}`).text("download_url")
	if got := w.want(200, "GET", two+"/mounts/files/items", nil).column("size"); len(got) != 0 {
		t.Errorf("another session has %v", got)
	}
	w.want(404, "POST", two+"/mounts/files/download_url", `{"mount_relative_path":"a"}`)
	w.want(200, "DELETE", one, nil)
	w.want(404, "GET", one+"/mounts/files/items", nil)
	if a := w.blob("GET", get, ""); a.Status != 404 {
		t.Errorf("a file outlived its session: %d %s", a.Status, a.Raw)
	}
	if a := w.blob("PUT", late, "x"); a.Status != 404 {
		t.Errorf("a deleted session took a file: %d %s", a.Status, a.Raw)
	}

	w.put(two, "a", "of two")
	w.clock = func() time.Time { return time.Now().Add(29 * 24 * time.Hour) }
	if got := w.got(two, "a"); got != "of two" {
		t.Errorf("after 29 days: %q", got)
	}
	w.clock = func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	w.want(404, "POST", two+"/mounts/files/download_url", `{"mount_relative_path":"a"}`)
}
