package confluence_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// part is a part of a form. One with a file name is a file.
type part struct{ field, file, typ, text string }

// form sends a multipart form as a client would; token is X-Atlassian-Token.
func (s *site) form(method, path, token string, parts ...part) answer {
	s.tb.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p.field + `"`}}
		if p.file != "" {
			h.Set("Content-Disposition", `form-data; name="`+p.field+`"; filename="`+p.file+`"`)
		}
		if p.typ != "" {
			h.Set("Content-Type", p.typ)
		}
		pw, err := w.CreatePart(h)
		if err != nil {
			s.tb.Fatal(err)
		}
		if _, err := io.WriteString(pw, p.text); err != nil {
			s.tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.tb.Fatal(err)
	}
	return s.send(method, path, b.String(), http.Header{"Content-Type": {w.FormDataContentType()}, "X-Atlassian-Token": {token}})
}

// fetch gets an address without credentials.
func (s *site) fetch(address string, header ...string) *httptest.ResponseRecorder {
	s.tb.Helper()
	req := httptest.NewRequest("GET", address, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	return w
}

func TestAttachmentLife(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "")
	at := "/wiki/rest/api/content/" + page + "/child/attachment"
	file := part{"file", "plan.txt", "text/plain", "the zeppelin plan"}

	if a := s.form("POST", at, "", file); a.status != 403 || !strings.Contains(a.text, "XSRF") {
		t.Errorf("without X-Atlassian-Token: %d %s", a.status, a.text)
	}
	a := s.form("POST", at, "nocheck", file, part{"comment", "", "text/plain; charset=utf-8", "erste Fassung ü"}, part{"minorEdit", "", "", "true"})
	id := a.str("results.0.id")
	if a.status != 200 || !strings.HasPrefix(id, "att") || a.str("results.0.extensions.comment") != "erste Fassung ü" || a.get("results.0.version.minorEdit") != true {
		t.Fatalf("upload = %d %s", a.status, a.text)
	}
	if b := s.form("POST", at, "no-check", file); b.status != 400 || !strings.Contains(b.str("message"), "same file name as an existing attachment: plan.txt") {
		t.Errorf("the same name again: %d %s", b.status, b.text)
	}
	b := s.form("PUT", at, "nocheck", part{"file", "plan.txt", "text/plain", "the second zeppelin"}, part{"file", "logo.png", "", "PNG"})
	if b.status != 200 || b.str("results.0.id") != id || b.get("results.0.version.number") != 2.0 || b.str("results.1.extensions.mediaType") != "image/png" {
		t.Errorf("PUT = %d %s", b.status, b.text)
	}
	if c := s.form("POST", at+"/"+id+"/data", "nocheck", part{"file", "other.txt", "text/plain", "third"}); c.status != 200 || c.str("title") != "plan.txt" || c.get("version.number") != 3.0 {
		t.Errorf("data = %d %s", c.status, c.text)
	}
	got := s.Attachments(page)
	if len(got) != 2 || got[0].Version != 3 || string(got[0].Data) != "third" || got[1].Name != "logo.png" {
		t.Errorf("attachments = %+v", got)
	}

	v2 := s.must(200, "GET", "/wiki/api/v2/attachments/"+id, nil)
	if v2.str("pageId") != page || v2.get("fileSize") != 5.0 || !strings.HasPrefix(v2.str("downloadLink"), "/download/attachments/"+page+"/plan.txt?") {
		t.Errorf("v2 = %s", v2.text)
	}
	s.must(204, "DELETE", "/wiki/api/v2/attachments/"+id, nil)
	if got := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/attachments", nil).titles(); !slices.Equal(got, []string{"logo.png"}) {
		t.Errorf("after trashing: %v", got)
	}
	if got := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/attachments?status=trashed", nil).titles(); !slices.Equal(got, []string{"plan.txt"}) {
		t.Errorf("in the trash: %v", got)
	}
	if c := s.form("POST", at, "nocheck", file); c.status != 200 {
		t.Errorf("a trashed file still holds its name: %d %s", c.status, c.text)
	}
	s.must(204, "DELETE", "/wiki/api/v2/attachments/"+id+"?purge=true", nil)
	s.must(404, "GET", "/wiki/api/v2/attachments/"+id, nil)
	s.must(400, "GET", "/wiki/api/v2/pages/"+id, nil)
}

func TestAttachmentLists(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "")
	post := s.must(200, "POST", "/wiki/api/v2/blogposts", obj{"spaceId": space, "title": "Post", "body": storage("")}).str("id")
	for _, name := range []string{"b.txt", "a.csv", "c.txt"} {
		if _, err := s.Attach(page, s.me.AccountID, name, "", []byte("words of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Attach(post, s.me.AccountID, "d.pdf", "", []byte("%PDF")); err != nil {
		t.Fatal(err)
	}
	csv := s.Attachments(page)[1]
	s.must(200, "POST", "/wiki/rest/api/content/"+csv.ID+"/label", []obj{{"name": "data"}})
	label := s.must(200, "GET", "/wiki/api/v2/labels", nil).str("results.0.id")
	for path, want := range map[string][]string{
		"/wiki/api/v2/attachments":                                            {"b.txt", "a.csv", "c.txt", "d.pdf"},
		"/wiki/api/v2/attachments?mediaType=text/plain":                       {"b.txt", "c.txt"},
		"/wiki/api/v2/attachments?filename=d.pdf":                             {"d.pdf"},
		"/wiki/api/v2/pages/" + page + "/attachments?sort=-created-date":      {"c.txt", "a.csv", "b.txt"},
		"/wiki/api/v2/blogposts/" + post + "/attachments":                     {"d.pdf"},
		"/wiki/api/v2/labels/" + label + "/attachments":                       {"a.csv"},
		"/wiki/rest/api/content/" + page + "/child/attachment":                {"b.txt", "a.csv", "c.txt"},
		"/wiki/rest/api/content/" + page + "/child/attachment?filename=c.txt": {"c.txt"},
		"/wiki/rest/api/search?cql=" + url.QueryEscape(`type = attachment and text ~ "words" and container = `+page+" order by title"): {"a.csv", "b.txt", "c.txt"},
		"/wiki/rest/api/search?cql=" + url.QueryEscape(`id = `+csv.ID):                                                                 {"a.csv"},
	} {
		if diff := cmp.Diff(want, s.must(200, "GET", path, nil).titles()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	first := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/attachments?limit=2", nil)
	if got := s.must(200, "GET", first.str("_links.next"), nil).titles(); !slices.Equal(got, []string{"c.txt"}) {
		t.Errorf("second page = %v", got)
	}
	comment := s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"attachmentId": csv.ID, "body": storage("<p>nice table</p>")})
	if comment.str("attachmentId") != csv.ID || len(s.must(200, "GET", "/wiki/api/v2/attachments/"+csv.ID+"/footer-comments", nil).results()) != 1 {
		t.Errorf("comment on an attachment = %s", comment.text)
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+page, nil)
	if got := s.must(200, "GET", "/wiki/api/v2/attachments", nil).titles(); !slices.Equal(got, []string{"d.pdf"}) {
		t.Errorf("files of a trashed page are listed: %v", got)
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+page+"?purge=true", nil)
	s.must(404, "GET", "/wiki/api/v2/attachments/"+csv.ID, nil)
	s.must(404, "GET", "/wiki/api/v2/footer-comments/"+comment.str("id"), nil)
}

func TestDownload(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "")
	for _, text := range []string{"<b>old</b>", "<b>newer</b>"} {
		if _, err := s.Attach(page, s.me.AccountID, "x & y.html", "text/html", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	id := s.Attachments(page)[0].ID
	at := "/wiki/rest/api/content/" + page + "/child/attachment/" + id + "/download"
	media := func(path string) string { return s.must(302, "GET", path, nil).header.Get("Location") }

	w := s.fetch(media(at))
	if w.Code != 200 || w.Body.String() != "<b>newer</b>" || w.Header().Get("Content-Type") != "text/html" {
		t.Errorf("media = %d %q %v", w.Code, w.Body.String(), w.Header())
	}
	if !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("an uploaded page could run on the site: %v", w.Header())
	}
	if w := s.fetch(media(at + "?version=1")); w.Body.String() != "<b>old</b>" {
		t.Errorf("version 1 = %q", w.Body.String())
	}
	if w := s.fetch(media(at), "Range", "bytes=3-7"); w.Code != 206 || w.Body.String() != "newer" {
		t.Errorf("a range = %d %q", w.Code, w.Body.String())
	}
	s.must(400, "GET", at+"?version=3", nil)
	other := s.page(space, "Other", "")
	s.must(404, "GET", strings.Replace(at, page, other, 1), nil)

	address := media(at)
	if w := s.fetch(strings.Replace(address, "expires=1", "expires=2", 1)); w.Code != 403 {
		t.Errorf("a longer life than signed: %d", w.Code)
	}
	s.clock = s.clock.Add(confluence.MediaLife)
	if w := s.fetch(address); w.Code != 403 {
		t.Errorf("an expired address: %d, want 403", w.Code)
	}
	servlet := s.must(200, "GET", "/wiki/api/v2/attachments/"+id, nil).str("downloadLink")
	if a := s.call("GET", "/wiki"+servlet, nil); a.status != 401 {
		t.Errorf("the download servlet with an API token: %d, want 401", a.status)
	}
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	s.must(200, "POST", "/wiki/rest/api/space/_private", obj{"key": "PRIV", "name": "Private"})
	hidden := s.page(s.must(200, "GET", "/wiki/api/v2/spaces?keys=PRIV", nil).str("results.0.id"), "Hidden", "")
	secret, err := s.Attach(hidden, s.me.AccountID, "s.txt", "", []byte("s"))
	if err != nil {
		t.Fatal(err)
	}
	if a := s.as(bob, "GET", "/wiki/api/v2/attachments/"+secret.ID, nil); a.status != 404 {
		t.Errorf("a file in another's private space: %d", a.status)
	}
}

// TestUploadBounds: files and forms beyond the bounds are refused and leave nothing.
func TestUploadBounds(t *testing.T) {
	s := newSite(t, confluence.Options{MaxAttachment: 1000, MaxStored: 2500})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "")
	at := "/wiki/rest/api/content/" + page + "/child/attachment"
	big := strings.Repeat("x", 1000)
	many := slices.Repeat([]part{{"minorEdit", "", "", "true"}}, 60)
	for name, tc := range map[string]struct {
		parts  []part
		status int
	}{
		"too large":            {[]part{{"file", "a.bin", "", big + "x"}}, 413},
		"second one too large": {[]part{{"file", "ok.bin", "", "x"}, {"file", "a.bin", "", big + "x"}}, 413},
		"no room":              {[]part{{"file", "a.bin", "", big}, {"file", "b.bin", "", big}, {"file", "c.bin", "", big}}, 507},
		"no file":              {[]part{{"comment", "", "", "x"}}, 400},
		"no name":              {[]part{{"file", "..", "", "x"}}, 400},
		"a comment too few":    {[]part{{"file", "a", "", "x"}, {"file", "b", "", "x"}, {"comment", "", "", "x"}}, 400},
		"a name twice":         {[]part{{"file", "a", "", "x"}, {"file", "a", "", "y"}}, 400},
		"too many parts":       {many, 400},
	} {
		if a := s.form("POST", at, "nocheck", tc.parts...); a.status != tc.status {
			t.Errorf("%s: %d, want %d: %s", name, a.status, tc.status, a.text)
		}
	}
	if a := s.send("POST", at, `{}`, http.Header{"Content-Type": {"application/json"}, "X-Atlassian-Token": {"nocheck"}}); a.status != 400 {
		t.Errorf("JSON instead of a form: %d", a.status)
	}
	if got := s.Attachments(page); len(got) != 0 {
		t.Errorf("refused uploads left %+v", got)
	}
	// Without a charset the comment is read as Latin-1, as the server does.
	a := s.form("POST", at, "nocheck", part{"file", `C:\tmp\a.txt`, "", "x"}, part{"comment", "", "", "ü"})
	if got := a.str("results.0.extensions.comment"); got != "Ã¼" {
		t.Errorf("comment without a charset = %q", got)
	}
	if got := s.Attachments(page); len(got) != 1 || got[0].Name != "a.txt" {
		t.Errorf("attachments = %+v", got)
	}
}

func TestAttachmentProperties(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page, other := s.page(space, "Page", ""), s.page(space, "Other", "")
	f, err := s.Attach(page, s.me.AccountID, "a.txt", "", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	at := "/wiki/rest/api/content/" + page + "/child/attachment/" + f.ID
	in := func(number int, more obj) obj {
		out := obj{"id": f.ID, "type": "attachment", "version": obj{"number": number}}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	s.must(409, "PUT", at, in(2, nil))
	a := s.must(200, "PUT", at, in(1, obj{"title": "b.txt", "metadata": obj{"mediaType": "text/csv", "comment": "renamed"}}))
	if a.str("title") != "b.txt" || a.str("extensions.mediaType") != "text/csv" || a.get("version.number") != 1.0 {
		t.Errorf("renamed = %s", a.text)
	}
	s.must(200, "PUT", at, in(1, obj{"container": obj{"id": other, "type": "page"}}))
	if len(s.Attachments(page)) != 0 || len(s.Attachments(other)) != 1 {
		t.Errorf("the attachment did not move")
	}
	s.must(404, "PUT", at, in(1, nil))
}

// TestServerOnItsOwnListener follows a download as a client does: over sockets.
func TestServerOnItsOwnListener(t *testing.T) {
	srv := confluence.NewServer(confluence.Options{Seed: true})
	defer srv.Close()
	me := srv.AddUser(confluence.User{Email: "ann@example.com"})
	q3, _ := srv.PageByTitle("MKT", "Q3 Planning")
	f, err := srv.Attach(q3.ID, me.AccountID, "a.txt", "", []byte("over the wire"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/wiki/rest/api/content/"+q3.ID+"/child/attachment/"+f.ID+"/download", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(me.Email, me.Token)
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || string(got) != "over the wire" || !strings.HasPrefix(res.Request.URL.String(), srv.URL+"/media/") {
		t.Errorf("%s gave %q, %v", res.Request.URL, got, err)
	}
	srv.Close()
	if _, err := client.Get(srv.URL); err == nil {
		t.Error("a closed server still answers")
	}
}

// TestImagesInViews: an image of an attached file leads to the file, and a
// browser that looks at the page gets it without signing in.
func TestImagesInViews(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", `<p><ac:image><ri:attachment ri:filename="a.svg" /></ac:image></p>`)
	if _, err := s.Attach(page, s.me.AccountID, "a.svg", "", []byte("<svg/>")); err != nil {
		t.Fatal(err)
	}
	view := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"?body-format=view", nil).str("body.view.value")
	if !strings.Contains(view, `src="https://test.atlassian.net/wiki/download/attachments/`+page+`/a.svg?`) {
		t.Errorf("view = %s", view)
	}
	html := s.fetch("/wiki/spaces/DOC/pages/" + page).Body.String()
	_, rest, ok := strings.Cut(html, `src="/media/`)
	address, _, _ := strings.Cut(rest, `"`)
	if w := s.fetch("/media/" + strings.ReplaceAll(address, "&amp;", "&")); !ok || w.Code != 200 || w.Body.String() != "<svg/>" {
		t.Errorf("the page's image = %d %q in %s", w.Code, w.Body.String(), html)
	}
}
