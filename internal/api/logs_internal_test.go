package api

import (
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
)

// Whatever is asked, it is a test on known columns or an error that names its
// field; and a cursor is one that was given, or refused.
func FuzzLogQuery(f *testing.F) {
	f.Add("tool_slug", "==", "X", "")
	f.Add("status", "contains", "suc%_\\", "MTox")
	f.Add("sandbox_id", "not_contains", "'", "MTpsb2df")
	f.Add("text", "contains", "\x00\xff", "OTk5OTk5OTk5OTk5OTk5OTk5OTk6YQ")
	f.Fuzz(func(t *testing.T, field, operator, value, cursor string) {
		tests, err := logTests([]logFilterIn{{Field: field, Operator: operator, Value: value}})
		if err != nil {
			if e := domain.AsError(err); e.Code != domain.CodeInvalid || e.Field == "" {
				t.Errorf("%q %q %q: %v", field, operator, value, err)
			}
		} else if len(tests) != 1 || len(tests[0].Columns) == 0 || len(tests[0].Values) == 0 {
			t.Errorf("%q %q %q: %+v", field, operator, value, tests)
		}
		m, err := parseMark(cursor)
		if err != nil {
			if e := domain.AsError(err); e.Code != domain.CodeInvalid || e.Field != "cursor" {
				t.Errorf("%q: %v", cursor, err)
			}
			return
		}
		if cursor == "" {
			return
		}
		again, err := parseMark(markText(&domain.Execution{ID: m.ID, StartedAt: m.At}))
		if err != nil || again != m {
			t.Errorf("%q: %v, then %v, %v", cursor, m, again, err)
		}
	})
}
