package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Bounds of an export.
const (
	exportBatch   = 100 // records in memory at a time
	exportDefault = 10_000
	exportMost    = 100_000
	// exportTime is when an answer ends early, well within a request's time: the
	// client goes on with the last cursor.
	exportTime = time.Minute
	// exportWrite bounds the sending of one batch.
	exportWrite = 30 * time.Second
)

// exportRoute is by hand: its answer is written while it is read.
func (s *server) exportRoute(tag string) {
	huma.Register(s.huma, huma.Operation{
		OperationID: "exportLogs", Method: http.MethodGet, Path: prefix + ownPrefix + "/logs/export", Tags: []string{tag},
		Summary: "Export the log of tool calls as NDJSON, oldest first: a record a line, each with the cursor to go on from. " +
			"An answer may end before the log does: go on until one is empty",
		Parameters: parameters([]param{
			{"from", huma.TypeString, "Calls that began at or after this time (RFC 3339)"},
			{"to", huma.TypeString, "and before this one"},
			{"user_id", huma.TypeString, "Only of this user"},
			{"tool_slug", huma.TypeString, "Only of this tool"},
			{"toolkit_slug", huma.TypeString, "Only of this toolkit"},
			{"session_id", huma.TypeString, "Only of this session"},
			{"status", huma.TypeString, "Only success or failed"},
			{"outcome", huma.TypeString, "Only ok, failed, refused, canceled or asked"},
			{"text", huma.TypeString, "Only with this text in ids, tool, user or error"},
			{"cursor", huma.TypeString, "Go on after the record with this cursor"},
			{"limit", huma.TypeInteger, "Records in the answer, brought into 1 to 100000; 10000 unless said otherwise"},
		}),
		Responses: func() map[string]*huma.Response {
			r := errorResponses(s.huma.OpenAPI().Components.Schemas)
			r["200"] = &huma.Response{
				Description: "A record of a call a line, as getLog gives it, with cursor besides",
				Content:     map[string]*huma.MediaType{"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}}},
			}
			return r
		}(),
		MaxBodyBytes: -1, BodyReadTimeout: -1,
	}, func(ctx context.Context, in *listQuery) (*huma.StreamResponse, error) {
		write, err := s.exportLogs(ctx, in)
		if err != nil {
			return nil, s.refuse(ctx, http.MethodGet, err)
		}
		return &huma.StreamResponse{Body: write}, nil
	})
}

type exportLine struct {
	logDetailOut
	Cursor string `json:"cursor"`
}

// exportLogs reads the first batch, so that what is wrong is answered as an error,
// and gives what writes it and the rest.
func (s *server) exportLogs(ctx context.Context, in *listQuery) (func(huma.Context), error) {
	project := callerOf(ctx).principal.ProjectID
	q := store.ExecutionQuery{Oldest: true}
	var err error
	if q.From, err = timeOf("from", in.text("from")); err != nil {
		return nil, err
	}
	if q.To, err = timeOf("to", in.text("to")); err != nil {
		return nil, err
	}
	for _, name := range []string{"user_id", "tool_slug", "toolkit_slug", "session_id", "status", "outcome", "text"} {
		value, operator := in.text(name), "=="
		if value == "" {
			continue
		}
		if name == "text" {
			operator = "contains"
		}
		t, err := logTest("", name, operator, value)
		if err != nil { // it names the value; here that is the parameter
			e := domain.AsError(err)
			return nil, domain.Invalid(name, "%s%s", name, strings.TrimPrefix(e.Message, "value"))
		}
		q.Tests = append(q.Tests, t)
	}
	if q.After, err = parseMark(in.text("cursor")); err != nil {
		return nil, err
	}
	limits := Query{values: map[string][]string{"limit": in.values["limit"]}}
	w, err := limits.window(exportDefault, exportMost)
	if err != nil {
		return nil, err
	}
	left := w.limit
	batch, err := s.Execute.Logs(ctx, project, q, min(left, exportBatch))
	if err != nil {
		return nil, err
	}
	return func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/x-ndjson")
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetStatus(http.StatusOK)
		_, rw := humago.Unwrap(hc)
		rc := http.NewResponseController(rw)
		enc := json.NewEncoder(hc.BodyWriter())
		enc.SetEscapeHTML(false)
		end := s.Now().Add(exportTime)
		for len(batch) > 0 && ctx.Err() == nil {
			_ = rc.SetWriteDeadline(time.Now().Add(exportWrite)) // not every ResponseWriter can
			for i := range batch {
				if err := enc.Encode(exportLine{logDetailOut: s.logDetail(ctx, &batch[i]), Cursor: markText(&batch[i])}); err != nil {
					return // the client is gone
				}
			}
			if rc.Flush() != nil {
				return
			}
			last := &batch[len(batch)-1]
			if left -= len(batch); left <= 0 || s.Now().After(end) {
				return
			}
			q.After = store.Mark{At: last.StartedAt, ID: last.ID}
			if batch, err = s.Execute.Logs(ctx, project, q, min(left, exportBatch)); err != nil {
				// An end would look like one that there is more after: break off.
				panic(http.ErrAbortHandler)
			}
		}
	}, nil
}
