package files_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/files"
)

func TestUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	key, token, err := w.AllowUpload(ctx, mine, files.Meta{Name: "../a.txt", MIME: "text/plain", Toolkit: "notes", Tool: "NOTES_ADD", MD5: sum("hello")})
	must(t, err)
	w.wantContents(0)
	_, err = w.read(mine, key)
	wantCode(t, err, domain.CodeNotFound)
	_, err = w.Upload(ctx, token, 5, strings.NewReader("other"))
	wantCode(t, err, domain.CodeInvalid)
	_, err = w.Upload(ctx, token, limit+1, strings.NewReader("hello"))
	wantCode(t, err, domain.CodeTooLarge)
	for range 2 { // an answer may be lost, and the upload repeated
		f, err := w.Upload(ctx, token, -1, strings.NewReader("hello"))
		if must(t, err); f.Key != key || f.Name != "a.txt" || f.Toolkit != "notes" || f.Tool != "NOTES_ADD" || f.ProjectID != mine {
			t.Errorf("uploaded %+v", f)
		}
	}
	if got, err := w.read(mine, key); err != nil || got != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	_, err = w.read(theirs, key)
	wantCode(t, err, domain.CodeNotFound)

	_, token, err = w.AllowUpload(ctx, mine, files.Meta{})
	must(t, err)
	_, err = w.Upload(ctx, token, -1, strings.NewReader(strings.Repeat("x", limit+1)))
	wantCode(t, err, domain.CodeTooLarge)
	_, err = w.Upload(ctx, token, -1, strings.NewReader("one"))
	must(t, err)
	_, err = w.Upload(ctx, token, -1, strings.NewReader("two"))
	wantCode(t, err, domain.CodeConflict)
	if _, _, err = w.AllowUpload(ctx, mine, files.Meta{MD5: "b"}); domain.CodeOf(err) != domain.CodeInvalid {
		t.Errorf("a checksum that is none: %v", err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	f := w.put("a", "content")
	down, err := w.AllowDownload(ctx, f)
	must(t, err)
	_, up, err := w.AllowUpload(ctx, mine, files.Meta{Name: strings.Repeat("<", 300), Toolkit: strings.Repeat("<", 128), Tool: strings.Repeat("<", 128)})
	must(t, err)
	c, err := w.Download(ctx, down)
	must(t, err)
	must(t, c.Close())
	if strings.Contains(down, f.Key) || strings.Contains(up, mine) {
		t.Error("a token can be read")
	}
	raw, err := base64.RawURLEncoding.DecodeString(down)
	must(t, err)
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		_, err := w.Download(ctx, base64.RawURLEncoding.EncodeToString(changed))
		wantCode(t, err, domain.CodeNotFound)
	}
	for name, token := range map[string]string{
		"empty": "", "of an upload": up, "cut": down[:len(down)-2], "longer": down + "AA", "key": f.Key, "huge": strings.Repeat("A", 1<<20),
		"path": "../../sluice.db", "another spelling": down[:5] + "\n" + down[5:],
	} {
		if _, err := w.Download(ctx, token); domain.CodeOf(err) != domain.CodeNotFound || (len(token) > 2 && strings.Contains(err.Error(), token)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unread := readerFunc(func([]byte) (int, error) { t.Error("the content was read"); return 0, nil })
	_, err = w.Upload(ctx, down, -1, unread)
	wantCode(t, err, domain.CodeNotFound)

	w.now = w.now.Add(15 * time.Minute)
	_, err = w.Upload(ctx, up, -1, unread)
	wantCode(t, err, domain.CodeNotFound)
	w.now = w.now.Add(time.Hour)
	_, err = w.Download(ctx, down)
	wantCode(t, err, domain.CodeNotFound)
}

// A token of a file that expires sooner than tokens do ends with the file.
func TestTokenEndsWithFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.put("a", "content")
	w.now = w.now.Add(59 * time.Minute)
	token, err := w.AllowDownload(t.Context(), f)
	must(t, err)
	w.now = w.now.Add(time.Minute)
	_, err = w.Download(t.Context(), token)
	wantCode(t, err, domain.CodeNotFound)
}
