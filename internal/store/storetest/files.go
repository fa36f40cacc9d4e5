package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// file gives a file of 100 bytes, made at a minute, that expires an hour later.
func file(projectID, key string, minute int) domain.File {
	return domain.File{
		ProjectID: projectID, Key: key, Name: "Größe.pdf", MIME: "application/pdf", Toolkit: "confluence", Tool: "CONFLUENCE_DOWNLOAD",
		Size: 100, SHA256: hash("content of " + key), MD5: "0123456789abcdef0123456789abcdef",
		CreatedAt: at(minute), ExpiresAt: at(minute + 60),
	}
}

func fileKeys(items []domain.File) string {
	return ids(items, func(f domain.File) string { return f.Key })
}

func testFiles(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	same(t, w.a.file, must(s.File(ctx, project, w.a.file.Key))(t))
	_, err := s.File(ctx, project, "file_none")
	wantCode(t, err, domain.CodeNotFound)
	_, err = s.AddFile(ctx, w.a.file, 1<<20)
	wantCode(t, err, domain.CodeConflict)
	_, err = s.AddFile(ctx, file("pr_none", "file_lost", 0), 1<<20)
	wantCode(t, err, domain.CodeNotFound)
	twin := w.a.file // the same key in another project is another file
	twin.ProjectID, twin.Name = w.b.project.ID, "twin"
	must(s.AddFile(ctx, twin, 1<<20))(t)
	same(t, twin, must(s.File(ctx, twin.ProjectID, twin.Key))(t))
	same(t, w.a.file, must(s.File(ctx, project, w.a.file.Key))(t))

	for i := 1; i <= 4; i++ {
		f := file(project, fmt.Sprintf("file_%d", i), i)
		if i == 4 {
			f.Toolkit, f.Tool = "mail", "MAIL_SEND"
		}
		must(s.AddFile(ctx, f, 1<<20))(t)
	}
	for _, tc := range []struct {
		filter store.FileFilter
		page   store.Page
		want   string
		total  int
	}{
		{store.FileFilter{}, store.Page{}, "file_4 file_3 file_2 file_1 file_a", 5},
		{store.FileFilter{}, store.Page{Offset: 1, Limit: 2}, "file_3 file_2", 5},
		{store.FileFilter{Toolkit: "mail"}, store.Page{}, "file_4", 1},
		{store.FileFilter{Toolkit: "confluence", Tool: "MAIL_SEND"}, store.Page{}, "", 0},
		{store.FileFilter{At: at(62)}, store.Page{}, "file_4 file_3", 2},
	} {
		got, total, err := s.ListFiles(ctx, project, tc.filter, tc.page)
		ok(t, err)
		if fileKeys(got) != tc.want || total != tc.total {
			t.Errorf("%+v: got %s of %d, want %s of %d", tc.filter, fileKeys(got), total, tc.want, tc.total)
		}
	}
}

func testMountFiles(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	add := func(session, mount, path string, minute int) error {
		f := file(project, "file_"+session+mount+path, minute)
		f.SessionID, f.Mount, f.Path = session, mount, path
		_, err := s.AddFile(ctx, f, 1<<20)
		return err
	}
	for i, p := range []string{"b.txt", "a", "a/1", "a/ü/2", "aa/3", "a_4"} {
		ok(t, add("trs_1", "files", p, i))
	}
	ok(t, add("trs_1", "more", "a", 1))
	ok(t, add("trs_2", "files", "a", 1))
	twin := file(project, "file_twin", 1)
	twin.SessionID, twin.Mount, twin.Path = "trs_1", "files", "a"
	_, err := s.AddFile(ctx, twin, 1<<20)
	wantCode(t, err, domain.CodeConflict)
	if got, _, err := s.ListFiles(ctx, project, store.FileFilter{}, store.Page{}); err != nil || fileKeys(got) != "file_a" {
		t.Errorf("outside of mounts: %s, %v", fileKeys(got), err)
	}
	type f = store.MountFilter
	paths := func(mf f, page store.Page) string {
		t.Helper()
		got, _, err := s.MountFiles(ctx, project, mf, page)
		ok(t, err)
		return ids(got, func(f domain.File) string { return f.Path })
	}
	for _, tc := range []struct {
		filter f
		want   string
	}{
		{f{SessionID: "trs_1", Mount: "files", Path: "a"}, "a"},
		{f{SessionID: "trs_1", Mount: "files", Under: "a/ü"}, "a/ü/2"},
		{f{SessionID: "trs_1", Mount: "files", Under: "b.txt"}, "b.txt"},
		{f{SessionID: "trs_1", Mount: "files", Under: "a", At: at(61)}, "a/1 a/ü/2"},
		{f{SessionID: "trs_1", Mount: "more"}, "a"},
		{f{SessionID: "trs_2"}, "a"},
		{f{}, ""},
	} {
		if got := paths(tc.filter, store.Page{}); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.filter, got, tc.want)
		}
	}
	if n := must(s.LeaveMount(ctx, project, f{SessionID: "trs_1", Mount: "files", Under: "a"}, at(9)))(t); n != 3 {
		t.Errorf("%d files left", n)
	}
	if got := paths(f{SessionID: "trs_1", Mount: "files", Under: "a"}, store.Page{}); got != "" {
		t.Errorf("still there: %q", got)
	}
	same(t, at(9), must(s.File(ctx, project, "file_trs_1filesa"))(t).ExpiresAt)
	ok(t, add("trs_1", "files", "a/new", 1)) // the place is free
	if n := must(s.LeaveMount(ctx, project, f{SessionID: "trs_1"}, at(9)))(t); n != 5 {
		t.Errorf("%d files of the session left", n)
	}
	if got := paths(f{SessionID: "trs_2"}, store.Page{}); got != "a" {
		t.Errorf("the other session has %q", got)
	}
}

func testFileQuota(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	for _, tc := range []struct {
		key   string
		quota int64
		want  bool
	}{
		{"file_over", 199, false},
		{"file_fits", 200, true},
		{"file_full", 200, false},
	} {
		if got := must(s.AddFile(t.Context(), file(w.a.project.ID, tc.key, 1), tc.quota))(t); got != tc.want {
			t.Errorf("%s: got %v", tc.key, got)
		}
		_, err := s.File(t.Context(), w.a.project.ID, tc.key)
		if (err == nil) != tc.want {
			t.Errorf("%s: afterwards %v", tc.key, err)
		}
	}
	// What others have does not count.
	if !must(s.AddFile(t.Context(), file(w.b.project.ID, "file_own", 1), 200))(t) {
		t.Error("the other project's files were counted")
	}
}

func testFileQuotaRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	added := 0
	for _, yes := range atOnce(t, 16, func(i int) (bool, error) {
		return s.AddFile(t.Context(), file(w.a.project.ID, fmt.Sprintf("file_%d", i), 1), 500)
	}) {
		if yes {
			added++
		}
	}
	if added != 4 {
		t.Errorf("%d files of 100 bytes were added to one within 500 bytes", added)
	}
}

func testExpiredFiles(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	for i, key := range []string{"file_1", "file_2", "file_3"} {
		f := file(w.a.project.ID, key, 10*(i+1))
		f.SHA256 = hash("shared")
		must(s.AddFile(ctx, f, 1<<20))(t)
	}
	drop := func(minute, limit int) (free [][32]byte) {
		t.Helper()
		ok(t, s.InTx(ctx, func(tx store.Tx) (err error) {
			free, err = tx.DropExpiredFiles(ctx, at(minute), limit)
			return err
		}))
		return free
	}
	same(t, nil, drop(59, 10))
	same(t, false, must(s.HasExpiredFiles(ctx, at(59)))(t))
	same(t, true, must(s.HasExpiredFiles(ctx, at(60)))(t))
	if got := drop(60, 10); len(got) != 2 { // the first of both projects, at the very moment
		t.Errorf("dropped %d contents, want 2", len(got))
	}
	same(t, nil, drop(80, 1)) // one of two, and others still have the content
	if got, _, err := s.ListFiles(ctx, w.a.project.ID, store.FileFilter{}, store.Page{}); err != nil || fileKeys(got) != "file_3 file_2" {
		t.Errorf("left: %s, %v", fileKeys(got), err)
	}
	if !must(s.FileContentUsed(ctx, hash("shared")))(t) {
		t.Error("the content counts as unused")
	}
	same(t, [][32]byte{hash("shared")}, drop(99, 10))
	if must(s.FileContentUsed(ctx, hash("shared")))(t) {
		t.Error("the content counts as used")
	}
}

func testFileChunks(t *testing.T, s store.Store) {
	ctx := t.Context()
	one, other := hash("one"), hash("other")
	big := bytes.Repeat([]byte{0, 1, 0xff}, 200_000)
	ok(t, s.PutFileChunk(ctx, one, 0, big))
	ok(t, s.PutFileChunk(ctx, one, 1, []byte("end")))
	ok(t, s.PutFileChunk(ctx, one, 1, []byte("again"))) // stays as it was
	ok(t, s.PutFileChunk(ctx, other, 0, nil))
	for piece, want := range [][]byte{big, []byte("end")} {
		if got := must(s.FileChunk(ctx, one, piece))(t); !bytes.Equal(got, want) {
			t.Errorf("piece %d has %d bytes, want %d", piece, len(got), len(want))
		}
	}
	if got := must(s.FileChunk(ctx, other, 0))(t); len(got) != 0 {
		t.Errorf("the empty piece has %d bytes", len(got))
	}
	ok(t, s.DropFileChunks(ctx, one))
	ok(t, s.DropFileChunks(ctx, one)) // again
	for piece := range 3 {
		_, err := s.FileChunk(ctx, one, piece)
		wantCode(t, err, domain.CodeNotFound)
	}
	must(s.FileChunk(ctx, other, 0))(t)
}
