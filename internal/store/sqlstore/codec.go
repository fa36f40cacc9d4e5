package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/store"
)

// micros is a time as it is stored: microseconds, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// encode gives JSON text of a value that always has one.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encoding: %w", err)
	}
	return string(b), nil
}

// decodeMap reads a JSON object; an empty one is nil.
func decodeMap(text string) (map[string]string, error) {
	var m map[string]string
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	if len(m) == 0 {
		return nil, nil
	}
	return m, nil
}

func encodeMap(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	return encode(m)
}

// encodeList writes a list; nil stays apart from an empty one.
func encodeList(l []string) (string, error) {
	if l == nil {
		return "null", nil
	}
	return encode(l)
}

// decodeList reads what encodeList wrote.
func decodeList(text string) (l []string, err error) {
	if text == "null" || text == "" {
		return nil, nil
	}
	if err = json.Unmarshal([]byte(text), &l); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	return l, nil
}

func toHash(b []byte) (h [32]byte, err error) {
	if len(b) != len(h) {
		return h, fmt.Errorf("a stored hash has %d bytes", len(b))
	}
	copy(h[:], b)
	return h, nil
}

// plain makes text storable that came from anywhere.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

const (
	pageDefault  = 20
	pageMax      = 1000
	pageFarthest = 1 << 40
)

// window gives the limit and offset of a page, in bounds.
func window(p store.Page) (limit, offset int) {
	limit = p.Limit
	if limit == 0 {
		limit = pageDefault
	}
	return min(max(limit, 1), pageMax), min(max(p.Offset, 0), pageFarthest)
}

// filter gathers the conditions of a list.
type filter struct {
	where strings.Builder
	args  []any
}

func newFilter(projectID string) *filter {
	f := &filter{args: []any{projectID}}
	f.where.WriteString(" WHERE project_id = ?")
	return f
}

// is keeps rows whose column has the value; an empty value keeps all.
func (f *filter) is(column, value string) {
	if value != "" {
		f.where.WriteString(" AND " + column + " = ?")
		f.args = append(f.args, value)
	}
}

// in keeps rows whose column has one of the values; no value keeps all.
func in[S ~string](f *filter, column string, values []S) {
	if len(values) == 0 {
		return
	}
	f.where.WriteString(" AND " + column + " IN (" + marks(len(values)) + ")")
	for _, v := range values {
		f.args = append(f.args, string(v))
	}
}

// marks gives n placeholders.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }
