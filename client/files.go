package client

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the API compares uploads by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path/filepath"
)

// File is a tool's argument that is a file: give it, as it is, where the tool's
// schema says file_uploadable.
type File struct {
	Name string `json:"name"`
	MIME string `json:"mimetype"`
	Key  string `json:"s3key"`
}

// FileRef is what a tool gives where its schema says file_downloadable.
type FileRef struct {
	Name string `json:"name"`
	MIME string `json:"mimetype"`
	URL  string `json:"s3url"` // good for about an hour
	Key  string `json:"s3key,omitempty"`
}

// Upload says what is uploaded. Name is required.
type Upload struct {
	Name string
	MIME string // by the name's ending when empty
	// Toolkit and Tool are what the file is for; optional.
	Toolkit, Tool string
}

// UploadFile hands a file to the router, which keeps it for a day.
func (c *Client) UploadFile(ctx context.Context, up Upload, content []byte) (*File, error) {
	if up.Name == "" {
		return nil, errors.New("client: Upload.Name is empty")
	}
	if up.MIME == "" {
		if up.MIME = mime.TypeByExtension(filepath.Ext(up.Name)); up.MIME == "" {
			up.MIME = "application/octet-stream"
		}
	}
	sum := md5.Sum(content) //nolint:gosec // see the import
	in := struct {
		Toolkit  string `json:"toolkit_slug"`
		Tool     string `json:"tool_slug"`
		Filename string `json:"filename"`
		MIME     string `json:"mimetype"`
		MD5      string `json:"md5"`
	}{up.Toolkit, up.Tool, up.Name, up.MIME, hex.EncodeToString(sum[:])}
	var a struct {
		Key string `json:"key"`
		URL string `json:"new_presigned_url"`
	}
	if err := c.do(ctx, http.MethodPost, "/files/upload/request", nil, in, &a); err != nil {
		return nil, err
	}
	res, err := c.transfer(ctx, http.MethodPut, a.URL, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if err := decode(res, nil); err != nil {
		return nil, err
	}
	return &File{Name: up.Name, MIME: up.MIME, Key: a.Key}, nil
}

// DownloadFile writes the content of a tool's file into w and says how many bytes
// it has. After an error w may hold a part.
func (c *Client) DownloadFile(ctx context.Context, ref FileRef, w io.Writer) (int64, error) {
	res, err := c.transfer(ctx, http.MethodGet, ref.URL, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return 0, decode(res, nil)
	}
	n, err := io.Copy(w, res.Body)
	if err != nil {
		return n, fmt.Errorf("client: downloading %s: %w", ref.Name, err)
	}
	return n, nil
}

// transfer sends a request to a file's address. It carries no key: the address
// is the right, and need not be the router's.
func (c *Client) transfer(ctx context.Context, method, address string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("client: the file has no usable address")
	}
	req.Header.Set("User-Agent", c.userAgent)
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Error{Message: "no answer from the file's address: " + reason(err), Fix: "Is the router's public URL right?"}
	}
	return res, nil
}
