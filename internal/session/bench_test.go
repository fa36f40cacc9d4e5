package session_test

import (
	"encoding/json"
	"testing"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
)

// BenchmarkOpenAndCall is one tools/call below its transport: the session read
// from the store, then the pipeline.
func BenchmarkOpenAndCall(b *testing.B) {
	f := setup(b)
	f.Account(b, connecttest.Project, "ann", "ann@x.test", "")
	id := f.open(b, "ann", domain.SessionConfig{Toolkits: &domain.Selection{Enable: []string{"notes"}}}).ID
	call := session.Call{Tool: "NOTES_CREATE_NOTE", Arguments: json.RawMessage(`{"text":"hello"}`), Door: execute.DoorMCP}
	b.ReportAllocs()
	for b.Loop() {
		h, err := f.Open(b.Context(), connecttest.Principal, id)
		if err != nil {
			b.Fatal(err)
		}
		if a, err := f.Call(b.Context(), h, call); err != nil || !a.Successful {
			b.Fatal(a, err)
		}
	}
}

// BenchmarkSearch is one search with plan and schemas, without its record.
func BenchmarkSearch(b *testing.B) {
	f := setup(b)
	h := f.open(b, "ann", domain.SessionConfig{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Search(b.Context(), h, []session.Query{{UseCase: "delete a note"}}); err != nil {
			b.Fatal(err)
		}
	}
}
