package httpx

import "io"

// cappedBody fails with a *TooLargeError when more than its limit is read.
type cappedBody struct {
	rc   io.ReadCloser
	left int64
	err  TooLargeError
	over bool
}

// Read hands on at most the bytes up to the limit, and asks for one byte more
// than that to tell a body that just fits from one that does not.
func (b *cappedBody) Read(p []byte) (int, error) {
	if b.over {
		return 0, &b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p))-1 > b.left {
		p = p[:b.left+1]
	}
	n, err := b.rc.Read(p)
	if int64(n) <= b.left {
		b.left -= int64(n)
		return n, err
	}
	n = int(b.left)
	b.left = 0
	b.over = true
	return n, &b.err
}

func (b *cappedBody) Close() error { return b.rc.Close() }

// discard reads what little may be left, so that the connection can be used
// again, and closes.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 16<<10)
	body.Close()
}
