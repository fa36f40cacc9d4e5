package toolkit

import (
	"context"
	"io"
	"reflect"

	"github.com/invopop/jsonschema"
)

// File is an argument that is a file: a handle of one that was handed in to the
// router's file store. Its schema carries file_uploadable, by which clients know
// that they may upload a file of their own and give its handle. Open it with
// Call.Files; it never names a file of the server.
type File struct {
	Name string `json:"name"`
	MIME string `json:"mimetype"`
	Key  string `json:"s3key"`
}

// FileRef is a result that is a file, kept in the router's file store for a
// while. Its schema carries file_downloadable. Key is there besides what clients
// need to download it, so that an agent can hand the file on to another tool.
type FileRef struct {
	Name string `json:"name"`
	MIME string `json:"mimetype"`
	URL  string `json:"s3url"` // gives the content to whoever has it, for about an hour
	Key  string `json:"s3key,omitempty"`
}

// Files is the router's file store as one call sees it: the files of the call's
// project.
type Files interface {
	// Open opens a file by its key, File.Key. The caller closes its content. A key
	// that is unknown, expired or another project's fails; return that error as it
	// is.
	Open(ctx context.Context, key string) (*OpenFile, error)
	// Save keeps what r gives. name is shown to people, without folders; an empty
	// or unknown mime is application/octet-stream. It fails, keeping nothing, when
	// r fails or when the file or the project's files are too large; return that
	// error as it is.
	Save(ctx context.Context, name, mime string, r io.Reader) (FileRef, error)
}

// OpenFile is a file that is being read.
type OpenFile struct {
	Name, MIME string
	Size       int64
	io.ReadCloser
}

// fileSchema gives the mapper that shows File and FileRef as clients know them.
func fileSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[File]():
		return filesObject("s3key", "file_uploadable", "Key of the uploaded file.")
	case reflect.TypeFor[FileRef]():
		s := filesObject("s3url", "file_downloadable", "Address to download the file from, for about an hour.")
		s.Properties.Set("s3key", &jsonschema.Schema{Type: "string", Description: "Key of the file, to hand it on to another tool."})
		return s
	}
	return nil
}

func filesObject(where, flag, means string) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Properties: jsonschema.NewProperties(), Required: []string{"name", "mimetype", where},
		Extras: map[string]any{flag: true},
	}
	for _, p := range [][2]string{{"name", "Name of the file."}, {"mimetype", "MIME type of the file."}, {where, means}} {
		s.Properties.Set(p[0], &jsonschema.Schema{Type: "string", Description: p[1]})
	}
	return s
}
