package api

import (
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/files"
)

// BlobPath is the path of a file's content. The token in it is a secret: it must
// not be logged.
const BlobPath = "/files/blob/{token}"

const blobPrefix = "/files/blob/"

// BlobURL gives the address that a token of the file store opens.
func BlobURL(origin, token string) string { return origin + blobPrefix + token }

// maxTransfers bounds the contents that come and go at a time.
const maxTransfers = 32

// NewBlobs makes the handler of BlobPath: PUT takes an upload's content, GET and
// HEAD give a download's. They need no API key: the token is the right. Bodies
// pass in streams and are bounded by the file store; log may be nil.
func NewBlobs(kept *files.Service, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &blobs{kept: kept, log: log, slots: make(chan struct{}, maxTransfers)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer") // the address is a secret
		select {
		case b.slots <- struct{}{}:
			defer func() { <-b.slots }()
		default:
			busy := domain.Errorf(domain.CodeUnavailable, "%d files are being transferred, the most at a time", maxTransfers)
			busy.RetryAfter = time.Second
			b.refuse(w, r, id, busy)
			return
		}
		_, token, _ := strings.Cut(r.URL.Path, blobPrefix)
		var err error
		switch r.Method {
		case http.MethodPut:
			err = b.put(w, r, token)
		case http.MethodGet, http.MethodHead:
			err = b.get(w, r, token)
		default:
			e := newError(kindMethod, r.Method, id, "this path does not take "+r.Method, "Use GET, HEAD, PUT.")
			e.header.Set("Allow", "GET, HEAD, PUT")
			writeError(w, e)
		}
		if err != nil {
			b.refuse(w, r, id, err)
		}
	})
}

type blobs struct {
	kept  *files.Service
	log   *slog.Logger
	slots chan struct{}
}

// put takes a content. The answer has no body, as clients of object stores
// expect. Failures are never 403, which old clients take for "already there".
func (b *blobs) put(w http.ResponseWriter, r *http.Request, token string) error {
	f, err := b.kept.Upload(r.Context(), token, r.ContentLength, r.Body)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", strconv.Quote(f.MD5))
	w.WriteHeader(http.StatusOK)
	return nil
}

// get gives a content, as something to save: what a user or an upstream made
// must never run as a page of ours.
func (b *blobs) get(w http.ResponseWriter, r *http.Request, token string) error {
	c, err := b.kept.Download(r.Context(), token)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	h := w.Header()
	h.Set("Content-Type", c.MIME)
	h.Set("Content-Disposition", attachment(c.Name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("ETag", strconv.Quote(c.MD5))
	http.ServeContent(w, r, "", time.Time{}, c)
	return nil
}

// attachment names the file in ASCII for old clients and in full for the others.
func attachment(name string) string {
	if full := mime.FormatMediaType("attachment", map[string]string{"filename": name}); full != "" {
		return full
	}
	return "attachment"
}

func (b *blobs) refuse(w http.ResponseWriter, r *http.Request, id string, err error) {
	if r.Method == http.MethodPut {
		w.Header().Set("Connection", "close") // the rest of the body may be long, or never come
	}
	var broken *files.ReadError
	switch {
	case errors.As(err, &broken) && errors.Is(err, os.ErrDeadlineExceeded):
		writeError(w, newError(kindSlowBody, r.Method, id, "the content did not arrive in time", ""))
		return
	case errors.As(err, &broken):
		err = domain.Errorf(domain.CodeInvalid, "the content could not be read to its end; nothing was kept")
	case r.Context().Err() != nil:
		err = domain.Errorf(domain.CodeCanceled, "the caller went away")
	}
	e := domain.AsError(err)
	if e.Code == domain.CodeInternal {
		b.log.LogAttrs(r.Context(), slog.LevelError, "a file's transfer failed",
			slog.String("request_id", id), slog.String("error", err.Error()), slog.Any("cause", errors.Unwrap(e)))
	}
	out := fail(e, r.Method, id)
	if r.Method == http.MethodPut && e.Code == domain.CodeUnavailable {
		out.header.Del("X-Should-Retry") // the same content may be put again
	}
	writeError(w, out)
}
