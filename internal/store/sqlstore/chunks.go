package sqlstore

import "context"

var chunkNoun = noun{name: "piece of the file"}

// PutFileChunk implements store.FileChunks.
func (s *queries) PutFileChunk(ctx context.Context, sha256 [32]byte, piece int, data []byte) error {
	if data == nil {
		data = []byte{}
	}
	_, err := s.exec(ctx, chunkNoun,
		`INSERT INTO file_chunks (sha256, piece, bytes) VALUES (?, ?, ?) ON CONFLICT (sha256, piece) DO NOTHING`,
		sha256[:], piece, data)
	return err
}

// FileChunk implements store.FileChunks.
func (s *queries) FileChunk(ctx context.Context, sha256 [32]byte, piece int) ([]byte, error) {
	return one(ctx, s, chunkNoun, func(r row) (b []byte, err error) { return b, r.Scan(&b) },
		`SELECT bytes FROM file_chunks WHERE sha256 = ? AND piece = ?`, sha256[:], piece)
}

// DropFileChunks implements store.FileChunks.
func (s *queries) DropFileChunks(ctx context.Context, sha256 [32]byte) error {
	_, err := s.exec(ctx, chunkNoun, `DELETE FROM file_chunks WHERE sha256 = ?`, sha256[:])
	return err
}
