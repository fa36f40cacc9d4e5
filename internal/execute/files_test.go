package execute_test

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/files"
)

// withFiles is setup with the paper toolkit and, if kept is true, a file store.
func withFiles(t *testing.T, kept bool) (*fixture, *files.Service) {
	t.Helper()
	cat, err := catalog.New(connecttest.Paper())
	if err != nil {
		t.Fatal(err)
	}
	var store *files.Service
	f := setup(t, func(o *execute.Options) {
		o.Catalog = cat
		if kept {
			o.FileURL = func(origin, token string) string { return origin + "/f/" + token }
		}
	})
	if !kept {
		return f, nil
	}
	store, err = files.New(files.Options{
		Dir: filepath.Join(t.TempDir(), "files"), Store: f.DB, Sealer: execute.NewSealer(f.Vault), MaxFile: 1000, Now: f.Clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = execute.New(execute.Options{
		Catalog: cat, Connect: f.Connect, Store: f.DB, Sealer: execute.NewSealer(f.Vault), Now: f.Clock.Now,
		Files: store, FileURL: func(origin, token string) string { return origin + "/f/" + token },
	})
	return f, store
}

func (f *fixture) call(t *testing.T, project, tool, args string) *execute.Answer {
	t.Helper()
	req := request(tool, args)
	req.Principal = domain.Principal{ProjectID: project, KeyID: "key"}
	req.Origin = "https://s.example"
	a, err := f.Run(t.Context(), req)
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return a
}

func handle(key string) string {
	return fmt.Sprintf(`{"file":{"name":"x","mimetype":"x/y","s3key":%q}}`, key)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	f, store := withFiles(t, true)
	a := f.call(t, connecttest.Project, "PAPER_PRINT", `{"name":"../../a.txt","text":"hello"}`)
	var got connecttest.Printed
	if err := json.Unmarshal(a.Data, &got); err != nil || !a.Successful {
		t.Fatalf("print: %s %v", a.Data, err)
	}
	token, ours := strings.CutPrefix(got.File.URL, "https://s.example/f/")
	if !ours || got.File.Name != "a.txt" || got.File.MIME != "text/plain" {
		t.Errorf("print: %s", a.Data)
	}
	c, err := store.Download(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(c); err != nil || string(text) != "hello" || c.Tool != "PAPER_PRINT" || c.Toolkit != "paper" {
		t.Errorf("download: %q %v of %+v", text, err, c.File)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}

	a = f.call(t, connecttest.Project, "PAPER_READ", handle(got.File.Key))
	var sheet connecttest.Sheet
	if err := json.Unmarshal(a.Data, &sheet); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(connecttest.Sheet{Name: "a.txt", MIME: "text/plain", Size: 5, Text: "hello"}, sheet); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}

	for name, failing := range map[string]*execute.Answer{
		"another project's": f.call(t, connecttest.Other, "PAPER_READ", handle(got.File.Key)),
		"a path":            f.call(t, connecttest.Project, "PAPER_READ", handle("/etc/passwd")),
		"folders":           f.call(t, connecttest.Project, "PAPER_READ", handle("../test.db")),
		"an address":        f.call(t, connecttest.Project, "PAPER_READ", handle(got.File.URL)),
	} {
		if failing.Successful || !strings.Contains(string(failing.Data), `"not_found"`) || !strings.Contains(failing.Error, "Upload the file again") {
			t.Errorf("%s: %s", name, failing.Data)
		}
	}
	if a := f.call(t, connecttest.Project, "PAPER_PRINT", `{"name":"a","text":"x","times":1001}`); a.Successful || !strings.Contains(string(a.Data), "too_large") {
		t.Errorf("too large: %s", a.Data)
	}
}

func TestNoFiles(t *testing.T) {
	t.Parallel()
	f, _ := withFiles(t, false)
	for tool, args := range map[string]string{"PAPER_PRINT": `{"name":"a","text":"x"}`, "PAPER_READ": handle("file_1")} {
		if a := f.call(t, connecttest.Project, tool, args); a.Successful || !strings.Contains(a.Error, "keeps no files") {
			t.Errorf("%s: %s", tool, a.Data)
		}
	}
}
