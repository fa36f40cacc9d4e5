package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/sluice-run/sluice/client"
)

// Every call leaves a record, one that was refused too. Records are searched, and
// exported as NDJSON.
func ExampleClient_Logs() {
	ctx, c, start := context.Background(), newClient(), time.Now()
	for _, id := range []string{"98338", "1"} {
		if _, err := c.Execute(ctx, client.ExecuteRequest{Tool: "CONFLUENCE_GET_PAGE_BY_ID", UserID: "user_logs", Arguments: map[string]any{"id": id}}); err != nil {
			log.Fatal(err)
		}
	}
	query := client.LogQuery{From: start, UserID: "user_logs", Tool: "CONFLUENCE_GET_PAGE_BY_ID"}
	for record, err := range c.Logs(ctx, query) { // newest first
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.Status, record.Metadata.UserID)
	}
	for line, err := range c.ExportLogs(ctx, query) { // oldest first
		if err != nil {
			log.Fatal(err)
		}
		var record client.Log
		if err := json.Unmarshal(line, &record); err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.Status, string(record.Data.Arguments), record.Cursor != "")
	}
	// Output:
	// failed user_logs
	// success user_logs
	// success {"id":"98338"} true
	// failed {"id":"1"} true
}

// A call waits for a person's word; the application asks them, and the call is
// repeated.
func ExampleClient_DecideApproval() {
	ctx, c := context.Background(), newClient()
	session, err := c.Create(ctx, "user_approval", client.SessionOptions{Permissions: &client.Permissions{
		Overrides: map[string]string{"CONFLUENCE_ADD_CONTENT_LABEL": client.AskAlways},
	}})
	if err != nil {
		log.Fatal(err)
	}
	arguments := map[string]any{"id": "98338", "labels": []map[string]string{{"name": "reviewed"}}}
	_, err = session.Execute(ctx, "CONFLUENCE_ADD_CONTENT_LABEL", arguments, "")
	var waits *client.Error
	if !errors.As(err, &waits) || !errors.Is(err, client.ErrNeedsPerson) {
		log.Fatal(err)
	}
	approval, err := c.DecideApproval(ctx, waits.ApprovalID, true, "jane@acme.example")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(approval.State, approval.Tool, approval.DecidedBy)
	result, err := session.Execute(ctx, "CONFLUENCE_ADD_CONTENT_LABEL", arguments, "")
	if err != nil {
		log.Fatal(err)
	}
	approval, err = c.Approval(ctx, approval.ID)
	fmt.Println(approval.State, approval.LogID == result.LogID, err)
	// Output:
	// allowed CONFLUENCE_ADD_CONTENT_LABEL jane@acme.example
	// used true <nil>
}

// A fixed set of tools under one address, which every user gets for themselves.
func ExampleClient_CreateMCPServer() {
	ctx, c := context.Background(), newClient()
	name, tools := "Readers", []string{"CONFLUENCE_GET_SPACES"}
	server, err := c.CreateMCPServer(ctx, client.MCPServerChange{Name: &name, Tools: &tools})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.DeleteMCPServer(ctx, server.ID) }()
	urls, err := c.MCPServerURLs(ctx, server.ID, []string{"user_123"}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Tools, strings.HasSuffix(urls.Users[0], "?user_id=user_123"))
	// Output: [CONFLUENCE_GET_SPACES] true
}

// A tool takes a file that was uploaded, and gives one to download: both go as
// they are read, of any size.
func ExampleClient_UploadFile() {
	ctx, c := context.Background(), newClient()
	file, err := c.UploadFile(ctx, client.Upload{Name: "plan.txt", Toolkit: "confluence"}, strings.NewReader("the plan"))
	if err != nil {
		log.Fatal(err)
	}
	session, err := c.Create(ctx, "user_upload", client.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	call := func(tool string, arguments map[string]any, data any) {
		result, err := session.Execute(ctx, tool, arguments, "")
		if err != nil {
			log.Fatal(err)
		}
		if err := result.Decode(data); err != nil {
			log.Fatal(err)
		}
	}
	var attached struct{ ID string }
	call("CONFLUENCE_UPLOAD_ATTACHMENT", map[string]any{"id": "98338", "file": file, "replace": true}, &attached)
	var made struct{ File client.FileRef }
	call("CONFLUENCE_DOWNLOAD_ATTACHMENT", map[string]any{"attachmentId": attached.ID}, &made)

	n, err := c.DownloadFile(ctx, made.File, os.Stdout)
	fmt.Println(":", n, "bytes", err)
	// Output: the plan: 8 bytes <nil>
}

// A session has files of its own.
func ExampleSession_WriteFile() {
	ctx, c := context.Background(), newClient()
	session, err := c.Create(ctx, "user_files", client.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := session.WriteFile(ctx, "notes/today.md", "text/markdown", strings.NewReader("# Today")); err != nil {
		log.Fatal(err)
	}
	for file, err := range session.Files(ctx, "notes") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(file.Path, file.Size)
	}
	var content bytes.Buffer
	if _, err := session.ReadFile(ctx, "notes/today.md", &content); err != nil {
		log.Fatal(err)
	}
	fmt.Println(content.String())
	// Output:
	// notes/today.md 7
	// # Today
}

// Whoever operates the server makes its projects.
func ExampleNewOperator() {
	ctx := context.Background()
	address, _ := serve()
	operator, err := client.NewOperator(client.Options{BaseURL: address, APIKey: operatorKey})
	if err != nil {
		log.Fatal(err)
	}
	project, key, err := operator.CreateProject(ctx, "Acme's agents")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = operator.DeleteProject(ctx, project) }()
	c, err := client.New(client.Options{BaseURL: address, APIKey: key})
	if err != nil {
		log.Fatal(err)
	}
	info, err := c.KeyInfo(ctx)
	fmt.Println(info.Project.ID == project, err)
	// Output: true <nil>
}
