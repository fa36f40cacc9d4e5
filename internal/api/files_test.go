package api_test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/files"
)

func sum(content string) string {
	h := md5.Sum([]byte(content))
	return hex.EncodeToString(h[:])
}

// blob sends a request to a file's address, without a key, as clients do.
func (w *world) blob(method, at, content string, header ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, at, strings.NewReader(content))
	must(w.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return answer{Status: resp.StatusCode, Header: resp.Header, Raw: raw}
}

// request asks for an upload, in the words of the Python SDK.
func (w *world) request(version, name, checksum string) answer {
	w.t.Helper()
	return w.want(200, "POST", version+"/files/upload/request", map[string]any{
		"md5": checksum, "filename": name, "mimetype": "text/html", "tool_slug": "NOTES_ADD", "toolkit_slug": "notes",
	})
}

func (w *world) download(key string) string {
	w.t.Helper()
	c, err := w.kept.Open(w.t.Context(), w.project.ID, key)
	must(w.t, err)
	defer func() { _ = c.Close() }()
	token, err := w.kept.AllowDownload(w.t.Context(), c.File)
	must(w.t, err)
	return w.server.URL + "/files/blob/" + token
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"/api/v3.1", "/api/v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			const content = "<script>alert(1)</script>"
			up := w.request(version, "dir/Größe.html", sum(content))
			at, key := up.text("new_presigned_url"), up.text("key")
			if at != up.text("newPresignedUrl") || up.text("type") != "new" || up.text("metadata.storage_backend") != "s3" ||
				up.text("id") == "" || !strings.HasPrefix(at, w.server.URL+"/files/blob/") {
				t.Errorf("request: %s", up.Raw)
			}
			if n := len(w.want(200, "GET", version+"/files/list", nil).column("md5")); n != 0 {
				t.Errorf("%d files before the upload", n)
			}
			if a := w.blob("PUT", at, content, "Content-Type", "text/html"); a.Status != 200 || len(a.Raw) != 0 || a.Header.Get("ETag") != `"`+sum(content)+`"` {
				t.Fatalf("upload: %d %s", a.Status, a.Raw)
			}
			list := w.want(200, "GET", version+"/files/list?toolkit_slug=notes&tool_slug=NOTES_ADD&limit=9999", nil)
			want := map[string]any{
				"toolkit_slug": "notes", "tool_slug": "NOTES_ADD", "filename": "Größe.html", "mimetype": "text/html", "md5": sum(content),
			}
			if diff := cmp.Diff(want, list.at("items.0")); diff != "" || list.at("total_items") != 1.0 {
				t.Errorf("list (-want +got):\n%s", diff)
			}
			if n := len(w.want(200, "GET", version+"/files/list?toolkit_slug=mail", nil).column("md5")); n != 0 {
				t.Errorf("%d files of another toolkit", n)
			}

			down := w.download(key)
			a := w.blob("GET", down, "")
			if a.Status != 200 || string(a.Raw) != content {
				t.Errorf("download: %d %s", a.Status, a.Raw)
			}
			for name, want := range map[string]string{
				"Content-Type": "text/html", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
				"Content-Security-Policy": "sandbox; default-src 'none'", "Referrer-Policy": "no-referrer",
				"Content-Disposition": "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.html", "Content-Length": fmt.Sprint(len(content)),
			} {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if a := w.blob("HEAD", down, ""); a.Status != 200 || len(a.Raw) != 0 {
				t.Errorf("HEAD: %d %s", a.Status, a.Raw)
			}
			if a := w.blob("GET", down, "", "Range", "bytes=1-6"); a.Status != 206 || string(a.Raw) != "script" {
				t.Errorf("a range: %d %s", a.Status, a.Raw)
			}
			if a := w.blob("PUT", down, content); a.Status != 404 {
				t.Errorf("putting to a download: %d", a.Status)
			}
			if a := w.blob("GET", at, ""); a.Status != 404 {
				t.Errorf("getting an upload: %d", a.Status)
			}
			if a := w.blob("POST", at, ""); a.Status != 405 || a.Header.Get("Allow") == "" {
				t.Errorf("POST: %d", a.Status)
			}
			w.secretsStay(at, down)
		})
	}
}

// secretsStay checks that no token of an address is in the log.
func (w *world) secretsStay(addresses ...string) {
	w.t.Helper()
	// A proxy may mangle an address: then it is not found, and still a secret.
	for _, at := range addresses {
		_, token, _ := strings.Cut(at, "/files/blob/")
		w.blob("GET", w.server.URL+"/x/files/blob/"+token, "")
	}
	w.server.Close() // waits for the handlers
	for _, at := range addresses {
		_, token, _ := strings.Cut(at, "/files/blob/")
		if strings.Contains(w.logs.String(), token) {
			w.t.Errorf("the log shows a token: %s", w.logs)
		}
	}
}

func TestFileRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for field, body := range map[string]string{
		"md5":          `{"toolkit_slug":"notes","tool_slug":"NOTES_ADD","filename":"a","mimetype":"b","md5":"c"}`,
		"filename":     `{"toolkit_slug":"notes","tool_slug":"NOTES_ADD","mimetype":"b","md5":""}`,
		"toolkit_slug": `{"tool_slug":"NOTES_ADD","filename":"a","mimetype":"b","md5":""}`,
	} {
		if e := w.want(400, "POST", "/api/v3.1/files/upload/request", body); !strings.Contains(string(e.Raw), field) {
			t.Errorf("%s is not named: %s", field, e.Raw)
		}
	}
	w.want(401, "POST", "/api/v3.1/files/upload/request", `{}`, "X-Api-Key", "")
	w.want(401, "GET", "/api/v3.1/files/list", nil, "X-Api-Key", "")

	at := w.request("/api/v3.1", "a.txt", sum("content")).text("new_presigned_url")
	for name, tc := range map[string]struct {
		at, content string
		status      int
	}{
		"wrong checksum": {at, "other", 400},
		"too large":      {at, strings.Repeat("x", maxFile+1), 413},
		"tampered":       {at[:len(at)-3] + "AAA", "content", 404},
		"no token":       {w.server.URL + "/files/blob/", "content", 404},
		"traversal":      {w.server.URL + "/files/blob/..%2f..%2fsluice.db", "content", 404},
	} {
		a := w.blob("PUT", tc.at, tc.content)
		if a.Status != tc.status || !bytes.Contains(a.Raw, []byte(`"message"`)) || !bytes.Contains(a.Raw, []byte(a.Header.Get("X-Request-Id"))) {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
	w.keptNothing()
	now := time.Now()
	w.clock = func() time.Time { return now.Add(15 * time.Minute) }
	if a := w.blob("PUT", at, "content"); a.Status != 404 || !strings.Contains(string(a.Raw), "expired") {
		t.Errorf("expired: %d %s", a.Status, a.Raw)
	}
	w.keptNothing()
}

func (w *world) keptNothing() {
	w.t.Helper()
	if n := len(w.want(200, "GET", "/api/v3.1/files/list", nil).column("md5")); n != 0 {
		w.t.Errorf("%d files are kept", n)
	}
	arriving, err := filepath.Glob(filepath.Join(w.dir, "files", "*", "*"))
	if must(w.t, err); len(arriving) != 0 {
		w.t.Errorf("left on disk: %v", arriving)
	}
}

// A connection that breaks in the middle, and a body without a length that never
// ends.
func TestCutUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := func() string {
		return strings.TrimPrefix(w.request("/api/v3.1", "a.txt", "").text("new_presigned_url"), w.server.URL)
	}
	conn, err := net.Dial("tcp", hostOf(w.server.URL))
	must(t, err)
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf", path())
	must(t, err)
	must(t, conn.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	if resp.StatusCode != 400 {
		t.Errorf("a cut upload: %d", resp.StatusCode)
	}
	must(t, resp.Body.Close())
	must(t, conn.Close())
	w.keptNothing()

	conn, err = net.Dial("tcp", hostOf(w.server.URL))
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", path())
	must(t, err)
	chunk := strings.Repeat("x", maxFile)
	for range 2 {
		if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
			break // the server has closed already
		}
	}
	resp, err = http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	if resp.StatusCode != 413 {
		t.Errorf("an endless upload: %d", resp.StatusCode)
	}
	must(t, resp.Body.Close())
	w.keptNothing()
}

func TestFilesOfAnotherProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, err := w.kept.Put(t.Context(), w.project.ID, files.Meta{Name: "a"}, strings.NewReader("secret"))
	must(t, err)
	other := *w
	otherProject(t, &other)
	if n := len(other.want(200, "GET", "/api/v3.1/files/list", nil).column("md5")); n != 0 {
		t.Errorf("another project lists %d files", n)
	}
	if _, err := w.kept.Open(t.Context(), other.project.ID, f.Key); err == nil {
		t.Error("another project opens the file")
	}
}

func TestFilePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 55 {
		_, err := w.kept.Put(t.Context(), w.project.ID, files.Meta{Name: fmt.Sprint(i)}, strings.NewReader("x"))
		must(t, err)
	}
	first := w.want(200, "GET", "/api/v3.1/files/list?limit=1000", nil)
	rest := w.want(200, "GET", "/api/v3.1/files/list?cursor="+first.text("next_cursor"), nil)
	if a, b := len(first.column("md5")), len(rest.column("md5")); a != 50 || b != 5 || rest.at("next_cursor") != nil {
		t.Errorf("pages of %d and %d: %s", a, b, rest.Raw)
	}
}

// The disk that fails is our fault, and the answer keeps to itself where it is.
func TestFileDiskFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, os.WriteFile(filepath.Join(w.dir, "files"), nil, 0o600)) // where a folder should be
	a := w.blob("PUT", w.request("/api/v3.1", "a", "").text("new_presigned_url"), "x")
	if a.Status != 500 || strings.Contains(string(a.Raw), w.dir) {
		t.Errorf("%d %s", a.Status, a.Raw)
	}
}
