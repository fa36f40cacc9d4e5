package client

import (
	"context"
	"crypto/md5" //nolint:gosec // the API compares uploads by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
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
	URL  string `json:"s3url"` // good for about an hour; whoever has it may read
	Key  string `json:"s3key,omitempty"`
}

// Upload says what is uploaded. Name is required.
type Upload struct {
	Name string
	MIME string // by the name's ending when empty
	// Toolkit and Tool are what the file is for; optional.
	Toolkit, Tool string
}

// UploadFile hands a file to the router, which keeps it for a day. content is read
// twice, from where it stands to its end: once for the digest by which the API
// knows it, once to send it; never as a whole into memory.
func (c *Client) UploadFile(ctx context.Context, up Upload, content io.ReadSeeker) (*File, error) {
	if up.Name == "" {
		return nil, errors.New("client: Upload.Name is empty")
	}
	if up.MIME == "" {
		if up.MIME = mime.TypeByExtension(filepath.Ext(up.Name)); up.MIME == "" {
			up.MIME = "application/octet-stream"
		}
	}
	sum := md5.New() //nolint:gosec // see the import
	size, err := measure(content, sum)
	if err != nil {
		return nil, err
	}
	in := struct {
		Toolkit  string `json:"toolkit_slug"`
		Tool     string `json:"tool_slug"`
		Filename string `json:"filename"`
		MIME     string `json:"mimetype"`
		MD5      string `json:"md5"`
	}{up.Toolkit, up.Tool, up.Name, up.MIME, hex.EncodeToString(sum.Sum(nil))}
	var a struct {
		Key string `json:"key"`
		URL string `json:"new_presigned_url"`
	}
	if err := c.do(ctx, http.MethodPost, "/files/upload/request", nil, in, &a); err != nil {
		return nil, err
	}
	if err := c.put(ctx, a.URL, content, size); err != nil {
		return nil, err
	}
	return &File{Name: up.Name, MIME: up.MIME, Key: a.Key}, nil
}

// measure copies content into w, says how long it is, and goes back.
func measure(content io.ReadSeeker, w io.Writer) (int64, error) {
	from, err := content.Seek(0, io.SeekCurrent)
	if err == nil {
		var size int64
		if size, err = io.Copy(w, content); err == nil {
			if _, err = content.Seek(from, io.SeekStart); err == nil {
				return size, nil
			}
		}
	}
	return 0, fmt.Errorf("client: reading the file: %w", err)
}

// DownloadFile writes the content of a tool's file into w, as it comes, and says
// how many bytes it has. It is of any size: a w that fails ends it. After an error
// w may hold a part.
func (c *Client) DownloadFile(ctx context.Context, ref FileRef, w io.Writer) (int64, error) {
	whole := ctx
	ctx, p := newPulse(ctx, stall)
	defer p.stop()
	res, err := c.transfer(ctx, p, http.MethodGet, ref.URL, nil, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		if err := decode(ctx, res, nil); err != nil {
			return 0, err
		}
		return 0, &Error{Status: res.StatusCode, Message: "the file's address gave no file"}
	}
	body := &felt{Reader: res.Body, p: p}
	n, err := io.Copy(w, body)
	switch {
	case err == nil:
		return n, nil
	case whole.Err() != nil:
		return n, whole.Err()
	case body.err != nil:
		return n, broken(res.StatusCode, "the file broke off", p.why(ctx, err), "")
	}
	return n, fmt.Errorf("client: writing the file: %w", err)
}

// put sends content, of size bytes, to a file's address.
func (c *Client) put(ctx context.Context, address string, content io.Reader, size int64) error {
	ctx, p := newPulse(ctx, stall)
	defer p.stop()
	var body io.Reader = http.NoBody // a body of no bytes would be of unknown length
	if size > 0 {
		body = &felt{Reader: content, p: p}
	}
	res, err := c.transfer(ctx, p, http.MethodPut, address, body, size)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return decode(ctx, res, nil)
}

// transfer sends a request to a file's address. It carries no key: the address
// is the right, and need not be the router's.
func (c *Client) transfer(ctx context.Context, p *pulse, method, address string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("client: the file has no usable address")
	}
	req.ContentLength = size
	req.Header.Set("User-Agent", c.userAgent)
	res, err := c.patient().Do(req)
	if err == nil {
		p.beat()
		return res, nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errStalled) {
		return nil, ctx.Err()
	}
	return nil, broken(0, "no answer from the file's address", p.why(ctx, err), "Is the router's public URL right?")
}

// StoredFile is what is known of a file that the router keeps.
type StoredFile struct {
	Name    string `json:"filename"`
	MIME    string `json:"mimetype"`
	MD5     string `json:"md5"` // hexadecimal
	Toolkit string `json:"toolkit_slug"`
	Tool    string `json:"tool_slug"`
}

// FileQuery narrows a list of files; empty fields do not.
type FileQuery struct {
	Toolkit, Tool string // what they were uploaded for
}

// Files lists the files that were uploaded and are kept, newest first.
func (c *Client) Files(ctx context.Context, q FileQuery) iter.Seq2[StoredFile, error] {
	return pages[StoredFile](ctx, c, "/files/list", values(map[string]string{"toolkit_slug": q.Toolkit, "tool_slug": q.Tool}, nil))
}
