package confluence_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

func TestAttachments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.page("Plan", "")
	upload := func(name, content, more string) string {
		return fmt.Sprintf(`{"id":"MKT: Plan","fileName":%q,"content_base64":%q%s}`, name, base64.StdEncoding.EncodeToString([]byte(content)), more)
	}
	out := s.must("UPLOAD_ATTACHMENT", upload("plan.txt", "first", `,"comment":"draft"`))
	id := text(out, "id")
	if !strings.HasPrefix(id, "att") || text(out, "title") != "plan.txt" || text(out, "mediaType") != "text/plain" || get(out, "fileSize") != 5.0 {
		t.Errorf("uploaded %v", out)
	}
	if e := s.fails("UPLOAD_ATTACHMENT", upload("plan.txt", "second", "")); e.Kind != toolkit.KindConflict || e.Field != "fileName" {
		t.Errorf("twice: %v", e)
	}
	if out := s.must("UPLOAD_ATTACHMENT", upload("plan.txt", "second", `,"replace":true`)); text(out, "id") != id || get(out, "version", "number") != 2.0 {
		t.Errorf("replaced %v", out)
	}
	s.must("UPLOAD_ATTACHMENT", upload("logo.png", "\x89PNG\r\n", ""))

	out = s.must("GET_ATTACHMENTS", fmt.Sprintf(`{"pageId":%s,"sort":"created-date"}`, page))
	if diff := cmp.Diff([]string{"plan.txt", "logo.png"}, column(out, "title")); diff != "" || text(out, "results", 0, "url") == "" {
		t.Errorf("list: %v", out)
	}
	out = s.must("GET_ATTACHMENTS", fmt.Sprintf(`{"pageId":%s,"mediaType":"image/png","status":["current"]}`, page))
	if diff := cmp.Diff([]string{"logo.png"}, column(out, "title")); diff != "" {
		t.Errorf("by type: %v", out)
	}
	for args, want := range map[string]string{
		fmt.Sprintf(`{"attachmentId":%q}`, id):                                                 "second",
		fmt.Sprintf(`{"attachmentId":%q}`, strings.TrimPrefix(id, "att")):                      "second",
		fmt.Sprintf(`{"attachmentId":%q,"version":1}`, id):                                     "first",
		fmt.Sprintf(`{"pageId":%s,"fileName":"plan.txt"}`, page):                               "second",
		`{"pageId":"MKT: Plan","fileName":"logo.png","attachmentId":null}`:                     "\x89PNG\r\n",
		fmt.Sprintf(`{"pageId":%s,"fileName":"plan.txt","version":1,"attachmentId":""}`, page): "first",
	} {
		out := s.must("DOWNLOAD_ATTACHMENT", args)
		got, says := s.files.content(text(out, "file", "s3key")), want
		if !strings.HasPrefix(text(out, "file", "mimetype"), "text/") {
			says = ""
		}
		if got != want || get(out, "size") != float64(len(want)) || text(out, "file", "name") == "" || text(out, "file", "s3url") == "" || text(out, "text") != says {
			t.Errorf("%s: got %q: %v", args, got, out)
		}
	}
	out = s.must("DOWNLOAD_ATTACHMENT", `{"pageId":"MKT: Plan","fileName":"logo.png","bytes":true}`)
	if got, err := base64.StdEncoding.DecodeString(text(out, "content_base64")); err != nil || string(got) != "\x89PNG\r\n" || text(out, "file", "s3key") == "" {
		t.Errorf("bytes: %q, %v: %v", got, err, out)
	}
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%q,"labels":[{"name":"final"}]}`, id))
	if got := column(s.must("GET_ATTACHMENT_LABELS", fmt.Sprintf(`{"id":%q,"prefix":"global"}`, id)), "name"); len(got) != 1 || got[0] != "final" {
		t.Errorf("labels %v", got)
	}
	if out := s.must("DELETE_ATTACHMENT", fmt.Sprintf(`{"id":%q}`, id)); get(out, "deleted") != true {
		t.Errorf("deleted %v", out)
	}
	if out := s.must("DELETE_ATTACHMENT", fmt.Sprintf(`{"id":%q,"purge":true}`, id)); !strings.Contains(text(out, "message"), "for good") {
		t.Errorf("purged %v", out)
	}
	e := s.fails("DOWNLOAD_ATTACHMENT", fmt.Sprintf(`{"attachmentId":%q}`, id))
	if e.Kind != toolkit.KindNotFound || !strings.Contains(e.Message, "credentials are good") {
		t.Errorf("after the purge: %v", e)
	}
}

func TestAttachmentRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.page("Plan", "")
	if e := s.fails("DOWNLOAD_ATTACHMENT", fmt.Sprintf(`{"pageId":%s,"fileName":"x.txt"}`, page)); e.Field != "fileName" || !strings.Contains(e.Fix, "no files at all") {
		t.Errorf("no files: %v", e)
	}
	s.must("UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"fileName":"a.txt","content_base64":"data:text/plain;base64,YQ=="}`, page))
	for _, tc := range []struct{ tool, args, field, want string }{
		{"DOWNLOAD_ATTACHMENT", `{}`, "attachmentId", "give attachmentId, or pageId and fileName"},
		{"DOWNLOAD_ATTACHMENT", `{"attachmentId":"plan.pdf"}`, "attachmentId", "such as att123"},
		{"DOWNLOAD_ATTACHMENT", fmt.Sprintf(`{"pageId":%s,"fileName":"x.txt"}`, page), "fileName", "It has: a.txt"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"fileName":"../x","content_base64":"YQ=="}`, page), "fileName", "without directories"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"fileName":"x","content_base64":"?"}`, page), "content_base64", "base 64"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"fileName":"x"}`, page), "content_base64", "or a file in file"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"content_base64":"YQ=="}`, page), "fileName", "needs a name"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"content_base64":"YQ==","file":{"name":"x","mimetype":"x/y","s3key":"file_0"}}`, page), "content_base64", "not both"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"file":{"name":"x","mimetype":"x/y","s3key":"/etc/passwd"}}`, page), "", "no such file"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"file":"/etc/passwd"}`, page), "file", "object"},
		{"UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"fileName":"x","content_base64":%q}`, page, strings.Repeat("AAAA", 1<<20)), "content_base64", "larger than the 2 MB"},
		{"DELETE_ATTACHMENT", `{"id":"x"}`, "id", "such as att123"},
	} {
		if e := s.fails(tc.tool, tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s %.80s: field %q: %v", tc.tool, tc.args, e.Field, e)
		}
	}
}

// TestLargeFiles: a file that is too large is refused before its bytes are
// asked for, and when the site lied about its size, after as many as fit.
func TestLargeFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	size := 17 << 20
	s.alter = func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/download") {
			resp := answer(r, 200, "")
			resp.Header.Set("Content-Type", "application/zip")
			resp.Body = io.NopCloser(io.LimitReader(zeros{}, 17<<20))
			return resp
		}
		return answer(r, 200, fmt.Sprintf(`{"id":"att9","title":"big.zip","pageId":"7","fileSize":%d,"_links":{"webui":"/x"}}`, size))
	}
	for _, size = range []int{17 << 20, 5} {
		e := s.fails("DOWNLOAD_ATTACHMENT", `{"attachmentId":"att9"}`)
		if e.Kind != toolkit.KindTooLarge || !strings.Contains(e.Fix, "/wiki/x") {
			t.Errorf("size %d: %v", size, e)
		}
	}
	for _, size = range []int{2 << 20, 5} {
		if e := s.fails("DOWNLOAD_ATTACHMENT", `{"attachmentId":"att9","bytes":true}`); e.Kind != toolkit.KindTooLarge || e.Field != "bytes" {
			t.Errorf("bytes of size %d: %v", size, e)
		}
	}
	if len(s.files.kept) != 0 {
		t.Error("a part of the file was kept")
	}
}

// TestFilesGoOn hands a file from one page to another without the agent seeing
// its bytes.
func TestFilesGoOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	from, to := s.page("From", ""), s.page("To", "")
	content := strings.Repeat("x", 3<<20) // more than fits into arguments
	ref, err := s.files.Save(t.Context(), "big.txt", "text/plain", strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	handle := func(ref any) string {
		data, err := json.Marshal(map[string]any{"name": "n", "mimetype": "m", "s3key": ref})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := s.must("UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"file":%s}`, from, handle(ref.Key)))
	if text(first, "title") != "big.txt" || get(first, "fileSize") != float64(len(content)) {
		t.Errorf("uploaded %v", first)
	}
	got := s.must("DOWNLOAD_ATTACHMENT", fmt.Sprintf(`{"attachmentId":%q}`, text(first, "id")))
	if text(got, "text") != "" {
		t.Error("a long text is in the answer")
	}
	second := s.must("UPLOAD_ATTACHMENT", fmt.Sprintf(`{"id":%s,"file":%s,"fileName":"copy.txt"}`, to, handle(get(got, "file", "s3key"))))
	got = s.must("DOWNLOAD_ATTACHMENT", fmt.Sprintf(`{"attachmentId":%q}`, text(second, "id")))
	if text(second, "title") != "copy.txt" || s.files.content(text(got, "file", "s3key")) != content {
		t.Errorf("handed on: %v", got)
	}
}

// TestCutDownload: a file of which only a part arrives is not kept.
func TestCutDownload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.alter = func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/download") {
			resp := answer(r, 200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(io.ErrUnexpectedEOF)))
			return resp
		}
		return answer(r, 200, `{"id":"att9","title":"a.txt","mediaType":"text/plain","pageId":"7"}`)
	}
	if e := s.fails("DOWNLOAD_ATTACHMENT", `{"attachmentId":"att9"}`); e.Kind != toolkit.KindUnavailable || !strings.Contains(e.Message, "in the middle") {
		t.Errorf("cut: %v", e)
	}
	if len(s.files.kept) != 0 {
		t.Error("a part of the file was kept")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
