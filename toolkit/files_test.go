package toolkit_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

type attachIn struct {
	File  toolkit.File   `json:"file" jsonschema_description:"The file to attach."`
	More  []toolkit.File `json:"more,omitempty" jsonschema_description:"Further files."`
	Cover *toolkit.File  `json:"cover,omitempty" jsonschema_description:"A picture."`
}

type attachOut struct {
	File toolkit.FileRef   `json:"file"`
	More []toolkit.FileRef `json:"more,omitempty"`
}

func attachTool() *toolkit.Tool {
	tools := toolkit.Bind(newNoClient, toolkit.Create("TEST_ATTACH", "Attach", "Attach.", toolkit.About{},
		func(_ context.Context, _ noClient, in attachIn) (attachOut, error) {
			return attachOut{File: toolkit.FileRef{Name: in.File.Name, MIME: in.File.MIME, URL: "https://s.example/f", Key: in.File.Key}}, nil
		}))
	return &tools[0]
}

// The shapes by which clients of the contract know files.
const (
	uploadable = `"name":{"type":"string","description":"Name of the file."},"mimetype":{"type":"string","description":"MIME type of the file."},` +
		`"s3key":{"type":"string","description":"Key of the uploaded file."}},"type":"object","required":["name","mimetype","s3key"]`
	downloadable = `"name":{"type":"string","description":"Name of the file."},"mimetype":{"type":"string","description":"MIME type of the file."},` +
		`"s3url":{"type":"string","description":"Address to download the file from, for about an hour."},` +
		`"s3key":{"type":"string","description":"Key of the file, to hand it on to another tool."}},"type":"object","required":["name","mimetype","s3url"]`
)

func TestFileSchemas(t *testing.T) {
	t.Parallel()
	tool := attachTool()
	for name, tc := range map[string]struct{ got, want string }{
		"input": {string(tool.Input), `{"properties":{` +
			`"file":{"properties":{` + uploadable + `,"description":"The file to attach.","file_uploadable":true},` +
			`"more":{"items":{"properties":{` + uploadable + `,"file_uploadable":true},"type":"array","description":"Further files."},` +
			`"cover":{"properties":{` + uploadable + `,"description":"A picture.","file_uploadable":true}},` +
			`"type":"object","required":["file"],"title":"AttachIn"}`},
		"output": {string(tool.Output), `{"properties":{"file":{"properties":{` + downloadable + `,"file_downloadable":true},` +
			`"more":{"items":{"properties":{` + downloadable + `,"file_downloadable":true},"type":"array"}},` +
			`"type":"object","required":["file"],"title":"AttachOut"}`},
	} {
		if diff := cmp.Diff(indent(t, []byte(tc.want)), indent(t, []byte(tc.got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFileArguments(t *testing.T) {
	t.Parallel()
	tool := attachTool()
	for args, good := range map[string]bool{
		`{"file":{"name":"a.txt","mimetype":"text/plain","s3key":"file_1"}}`:               true,
		`{"file":{"name":"a.txt","mimetype":"text/plain"}}`:                                false,
		`{"file":"/etc/passwd"}`:                                                           false,
		`{"file":{"name":"a.txt","mimetype":"text/plain","s3key":"file_1","path":"/etc"}}`: false,
	} {
		if _, err := tool.Validate(json.RawMessage(args)); (err == nil) != good {
			t.Errorf("%s: %v", args, err)
		}
	}
	result, err := tool.Run(t.Context(), &toolkit.Call{}, json.RawMessage(`{"file":{"name":"a.txt","mimetype":"text/plain","s3key":"file_1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"file":{"name":"a.txt","mimetype":"text/plain","s3url":"https://s.example/f","s3key":"file_1"}}`
	if diff := cmp.Diff(want, string(result.Data)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}
