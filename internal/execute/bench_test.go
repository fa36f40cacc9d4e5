package execute_test

import (
	"testing"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/execute"
)

// BenchmarkRun is what the pipeline adds to a tool: everything but upstream,
// the record on SQLite included.
func BenchmarkRun(b *testing.B) {
	for _, bm := range []struct{ name, tool, args string }{
		{"no_auth", "ABACUS_ADD", `{"a":1,"b":2}`},
		{"account", "NOTES_CREATE_NOTE", `{"text":"hello"}`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			f := setup(b, nil)
			f.Account(b, connecttest.Project, "ann", "ann@x.test", "")
			req := request(bm.tool, bm.args)
			req.Door = execute.DoorMCP
			b.ReportAllocs()
			for b.Loop() {
				if a, err := f.Run(b.Context(), req); err != nil || !a.Successful {
					b.Fatal(a, err)
				}
			}
		})
	}
}
