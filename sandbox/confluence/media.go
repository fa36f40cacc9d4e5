package confluence

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// MediaLife is how long a signed media address works.
const MediaLife = 10 * time.Minute

// downloads serves the two ways to a file's bytes: the media service, which asks
// for no sign-in but a signature, and the download servlet, which does not know
// API tokens.
func (s *Sandbox) downloads(mux *http.ServeMux) {
	mux.HandleFunc("GET /media/file/{id}/binary", s.mediaFile)
	mux.HandleFunc("GET /wiki/download/{path...}", servletRefuses)
}

// mediaURL is the signed address of a file, without the host.
func (s *Sandbox) mediaURL(v *version) string {
	until := strconv.FormatInt(s.now().Add(MediaLife).Unix(), 10)
	q := url.Values{"name": {v.title}, "expires": {until}, "token": {s.sign(v.file.id, v.title, until)}, "dl": {"true"}}
	return "/media/file/" + v.file.id + "/binary?" + q.Encode()
}

func (s *Sandbox) sign(id, name, until string) string {
	h := hmac.New(sha256.New, s.mediaKey)
	_, _ = io.WriteString(h, id+"\x00"+name+"\x00"+until) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))
}

func (s *Sandbox) mediaFile(w http.ResponseWriter, r *http.Request) {
	q, id := r.URL.Query(), r.PathValue("id")
	until, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	signed := hmac.Equal([]byte(q.Get("token")), []byte(s.sign(id, q.Get("name"), q.Get("expires"))))
	if err != nil || !signed || s.now().Unix() >= until {
		mediaError(w, http.StatusForbidden, "The token is not valid or has expired")
		return
	}
	s.mu.RLock()
	f := s.st.media[id]
	s.mu.RUnlock()
	if f == nil {
		mediaError(w, http.StatusNotFound, "The file does not exist")
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": q.Get("name")}))
	// What people upload must not run as a page of this site.
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, max-age="+strconv.Itoa(int(MediaLife/time.Second)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
}

func mediaError(w http.ResponseWriter, status int, text string) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":{"code":"`+http.StatusText(status)+`","title":"`+text+`"}}`)
}

// servletRefuses answers the addresses that downloadLink tells: they are for
// signed-in browsers, and refuse API tokens and OAuth alike.
func servletRefuses(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, "<!doctype html><html lang=\"en\"><head><title>HTTP Status 401 – Unauthorized</title></head><body><h1>HTTP Status 401 – Unauthorized</h1></body></html>\n")
}
