package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/toolkit"
)

// TestFileWalk hands a file in, has tools read and make files through MCP and
// REST, and gets what they made.
func TestFileWalk(t *testing.T) { onBoth(t, testFileWalk) }

func testFileWalk(t *testing.T, in func(*app.Options)) {
	r := testApp(t, func(o *app.Options) { in(o); o.Toolkits = []*toolkit.Toolkit{connecttest.Paper()} })
	ctx := t.Context()
	c, err := client.New(client.Options{BaseURL: r.URL(), APIKey: r.key})
	must(t, err)
	up, err := c.UploadFile(ctx, client.Upload{Name: "note.txt", Toolkit: "paper", Tool: "PAPER_READ"}, strings.NewReader("from the application"))
	must(t, err)
	s, err := c.Create(ctx, "ann", client.SessionOptions{Toolkits: []string{"paper"}, Preload: []string{"PAPER_READ", "PAPER_PRINT"}})
	must(t, err)
	read, err := s.Execute(ctx, "PAPER_READ", map[string]any{"file": up}, "")
	must(t, err)
	if !read.Successful || !strings.Contains(string(read.Data), "from the application") {
		t.Errorf("read: %s %s", read.Data, read.Error)
	}

	conn, err := r.dial(s.ID, r.key, "2025-06-18")
	must(t, err)
	defer func() { _ = conn.Close() }()
	answer, err := conn.CallTool(ctx, &mcp.CallToolParams{Name: "PAPER_PRINT", Arguments: map[string]any{"name": "out.txt", "text": "from the tool"}})
	must(t, err)
	var printed struct {
		Data struct {
			File client.FileRef `json:"file"`
		} `json:"data"`
	}
	must(t, json.Unmarshal([]byte(answer.Content[0].(*mcp.TextContent).Text), &printed))
	ref := printed.Data.File
	if !strings.HasPrefix(ref.URL, r.URL()+"/files/blob/") || ref.Name != "out.txt" {
		t.Fatalf("the file's address: %+v", ref)
	}
	var got bytes.Buffer
	if n, err := c.DownloadFile(ctx, ref, &got); err != nil || got.String() != "from the tool" || n != int64(got.Len()) {
		t.Errorf("download: %q, %v", got.String(), err)
	}
	// What one tool gave another takes.
	read, err = s.Execute(ctx, "PAPER_READ", map[string]any{"file": client.File{Name: ref.Name, MIME: ref.MIME, Key: ref.Key}}, "")
	must(t, err)
	if !strings.Contains(string(read.Data), "from the tool") {
		t.Errorf("read again: %s %s", read.Data, read.Error)
	}
	ref.URL = ref.URL[:len(ref.URL)-2]
	if _, err := c.DownloadFile(ctx, ref, &got); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a changed address: %v", err)
	}

	must(t, r.Stop(context.WithoutCancel(ctx)))
	_, token, _ := strings.Cut(printed.Data.File.URL, "/files/blob/")
	if strings.Contains(r.logs.String(), token) {
		t.Error("the log shows a file's token")
	}
	if !strings.Contains(r.logs.String(), `"route":"/files/blob/{token}","status":200`) {
		t.Error("the log does not show the transfer")
	}
	info, err := os.Stat(filepath.Join(r.cfg.Home, "files"))
	if must(t, err); info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of files is open to others: %s", info.Mode())
	}
}

// TestAttachmentWalk carries a file from the application into Confluence and out
// again, by the tools that users have.
func TestAttachmentWalk(t *testing.T) { onBoth(t, testAttachmentWalk) }

func testAttachmentWalk(t *testing.T, in func(*app.Options)) {
	r := testApp(t, in)
	ctx := t.Context()
	c, err := client.New(client.Options{BaseURL: r.URL(), APIKey: r.key})
	must(t, err)
	s, err := c.Create(ctx, "ann", client.SessionOptions{})
	must(t, err)
	run := func(tool string, args map[string]any, out any) {
		t.Helper()
		res, err := s.Execute(ctx, tool, args, "")
		must(t, err)
		if !res.Successful {
			t.Fatalf("%s: %s", tool, res.Error)
		}
		must(t, json.Unmarshal(res.Data, out))
	}
	var pages struct {
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
	}
	run("CONFLUENCE_GET_PAGES", map[string]any{"limit": 1}, &pages)
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	up, err := c.UploadFile(ctx, client.Upload{Name: "big.bin", Toolkit: "confluence", Tool: "CONFLUENCE_UPLOAD_ATTACHMENT"}, bytes.NewReader(content))
	must(t, err)
	var attached struct {
		ID string `json:"id"`
	}
	run("CONFLUENCE_UPLOAD_ATTACHMENT", map[string]any{"id": pages.Results[0].ID, "file": up}, &attached)
	var down struct {
		File client.FileRef `json:"file"`
		Size int            `json:"size"`
	}
	run("CONFLUENCE_DOWNLOAD_ATTACHMENT", map[string]any{"attachmentId": attached.ID}, &down)
	var got bytes.Buffer
	_, err = c.DownloadFile(ctx, down.File, &got)
	must(t, err)
	if !bytes.Equal(got.Bytes(), content) || down.Size != len(content) || down.File.Name != "big.bin" {
		t.Errorf("got %d of %d bytes as %+v", got.Len(), len(content), down.File)
	}
}
