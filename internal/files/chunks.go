package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// chunkSize is the bytes of one piece of a content in the store: few round trips
// for most files, and little memory for each that is being read.
const chunkSize = 256 << 10

// chunks keeps contents in the store. What is still arriving lies in the
// directory until its hash is known.
type chunks struct {
	arriving blobs
	store    store.FileChunks
}

func (c chunks) take(ctx context.Context, r io.Reader, limit int64) (*arrived, error) {
	return c.arriving.take(ctx, r, limit)
}

// place writes the content into the transaction that makes it known, so that
// there is never one without the other.
func (c chunks) place(ctx context.Context, tx store.Tx, a *arrived) error {
	f, err := os.Open(a.temp)
	if err != nil {
		return diskError(err)
	}
	defer func() { _ = f.Close() }()
	piece := make([]byte, chunkSize)
	for i := 0; ; i++ {
		n, err := io.ReadFull(f, piece)
		if n > 0 {
			if err := tx.PutFileChunk(ctx, a.sha256, i, piece[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return diskError(err)
		}
	}
}

// open reads the first piece at once, to know that the content is there.
func (c chunks) open(ctx context.Context, of domain.File) (io.ReadSeekCloser, error) {
	r := &chunkReader{ctx: ctx, store: c.store, file: of, at: -1}
	if of.Size == 0 {
		return r, nil
	}
	err := r.load(0)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c chunks) remove(ctx context.Context, tx store.Tx, sum [32]byte) error {
	return tx.DropFileChunks(ctx, sum)
}

// each clears away temporary files; the store has no content that no file has.
func (c chunks) each(age time.Duration, _ func(sum [32]byte) error) error {
	return c.arriving.each(age, func([32]byte) error { return nil })
}

// chunkReader reads a content piece by piece. It holds ctx because a reader is
// the length of one request.
type chunkReader struct {
	ctx   context.Context //nolint:containedctx // see above
	store store.FileChunks
	file  domain.File
	piece []byte
	at    int // which piece; -1 before the first
	off   int64
}

func (r *chunkReader) load(piece int) error {
	if piece == r.at {
		return nil
	}
	data, err := r.store.FileChunk(r.ctx, r.file.SHA256, piece)
	if err != nil {
		return err
	}
	if want := min(chunkSize, r.file.Size-int64(piece)*chunkSize); int64(len(data)) != want {
		return domain.Internal("reading a file", fmt.Errorf("files: piece %d has %d bytes, not %d", piece, len(data), want))
	}
	r.piece, r.at = data, piece
	return nil
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (int, error) {
	if r.off >= r.file.Size {
		return 0, io.EOF
	}
	if err := r.load(int(r.off / chunkSize)); err != nil {
		return 0, err
	}
	n := copy(p, r.piece[r.off%chunkSize:])
	r.off += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (r *chunkReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.file.Size
	}
	if offset < 0 {
		return 0, errors.New("files: a place before the beginning")
	}
	r.off = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *chunkReader) Close() error { return nil }
