package confluence_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/sluice-run/sluice/toolkit"
)

// shelf is the router's file store as far as a call sees it.
type shelf struct {
	mu   sync.Mutex
	kept []shelved
}

type shelved struct {
	name, mime string
	data       []byte
}

func (s *shelf) Open(_ context.Context, key string) (*toolkit.OpenFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.kept {
		if key == fmt.Sprintf("file_%d", i) {
			return &toolkit.OpenFile{Name: f.name, MIME: f.mime, Size: int64(len(f.data)), ReadCloser: io.NopCloser(bytes.NewReader(f.data))}, nil
		}
	}
	return nil, &toolkit.Error{Kind: toolkit.KindNotFound, Message: "there is no such file"}
}

func (s *shelf) Save(_ context.Context, name, mime string, r io.Reader) (toolkit.FileRef, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return toolkit.FileRef{}, fmt.Errorf("reading the file: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("file_%d", len(s.kept))
	s.kept = append(s.kept, shelved{name, mime, data})
	return toolkit.FileRef{Name: name, MIME: mime, URL: "https://router.example/files/" + key, Key: key}, nil
}

// content gives the bytes of a file that was saved.
func (s *shelf) content(key string) string {
	f, err := s.Open(context.Background(), key)
	if err != nil {
		return err.Error()
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
