package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
)

// kept runs a call and gives what its record keeps of its arguments, whatever
// became of the call.
func (f *fixture) kept(t *testing.T, tool, args string) (domain.Execution, string) {
	t.Helper()
	a, err := f.Run(t.Context(), request(tool, args))
	id := execute.LogID(err)
	if err == nil {
		id = a.LogID
	}
	rec := f.last(t, id)
	got, unreadable := f.Arguments(t.Context(), &rec)
	if unreadable {
		t.Fatal("what was kept cannot be read")
	}
	return rec, string(got)
}

func TestKeptArguments(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("confidential ", 100)
	for name, tc := range map[string]struct {
		keep             execute.Keep
		tool, args, want string
	}{
		"scalars":            {"", "ABACUS_ADD", `{"b":2,"a":1}`, `{"a":1,"b":2}`},
		"large numbers":      {"", "ABACUS_ADD", `{"a":12345678901234567890}`, `{"a":12345678901234567890}`},
		"a short text":       {"", "NOTES_CREATE_NOTE", `{"text":"hello"}`, `{"text":"hello"}`},
		"a body":             {"", "NOTES_CREATE_NOTE", `{"text":"` + long + `"}`, `{"text":"` + long[:200] + `… [1300 bytes in all]"}`},
		"a body, in full":    {execute.KeepFull, "NOTES_CREATE_NOTE", `{"text":"` + long + `"}`, `{"text":"` + long + `"}`},
		"nothing":            {execute.KeepNone, "NOTES_CREATE_NOTE", `{"text":"hello"}`, ``},
		"no arguments":       {"", "NOTES_WHOAMI", `{}`, ``},
		"an unknown tool":    {"", "NO_SUCH", `{"x":"` + long + `","deep":{"password":"p","page_token":"t2"}}`, `{"deep":{"page_token":"t2","password":"[hidden]"},"x":"` + long[:64] + `… [1300 bytes in all]"}`},
		"broken JSON":        {"", "NOTES_CREATE_NOTE", `{"text":`, ``},
		"no object":          {"", "NOTES_CREATE_NOTE", `["x"]`, ``},
		"a key in a text":    {execute.KeepFull, "NOTES_CREATE_NOTE", `{"text":"use Bearer abcdefgh12345678 and sk-abcdefghijkl1234, https://u:pw@x.test/"}`, `{"text":"use Bearer [hidden] and [hidden], https[hidden]x.test/"}`},
		"a key at the cut":   {"", "NO_SUCH", `{"x":"` + strings.Repeat("y", 55) + ` ATATT` + strings.Repeat("k", 60) + `"}`, `{"x":"` + strings.Repeat("y", 55) + ` [hidden]… [121 bytes in all]"}`},
		"secret in any mode": {execute.KeepFull, "NO_SUCH", `{"api_key":{"a":"b"},"client_secret":["s"],"max_tokens":5}`, `{"api_key":"[hidden]","client_secret":"[hidden]","max_tokens":5}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(o *execute.Options) { o.Keep = tc.keep })
			f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
			rec, got := f.kept(t, tc.tool, tc.args)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if got != "" && strings.Contains(rec.SealedArgs, "hello") {
				t.Error("it is not sealed")
			}
		})
	}
}

// What is sealed for one record opens for no other.
func TestKeptArgumentsAreBound(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	rec, got := f.kept(t, "ABACUS_ADD", `{"a":1}`)
	if got != `{"a":1}` {
		t.Fatal(got)
	}
	for name, change := range map[string]func(*domain.Execution){
		"another id":      func(e *domain.Execution) { e.ID = "log_other" },
		"another project": func(e *domain.Execution) { e.ProjectID = "pr_other" },
		"other bytes":     func(e *domain.Execution) { e.SealedArgs = "AA" + e.SealedArgs[2:] },
		"no sealing":      func(e *domain.Execution) { e.SealedArgs = `{"a":1}` },
	} {
		other := rec
		change(&other)
		if args, unreadable := f.Arguments(t.Context(), &other); args != nil || !unreadable {
			t.Errorf("%s: %s, %v", name, args, unreadable)
		}
	}
}

// Whatever agents make up, what is kept is a JSON object within its bound, with
// no value of a secret argument.
func FuzzKeptArguments(f *testing.F) {
	f.Add(`{"password":"SECRETVALUE","a":[{"token":"SECRETVALUE"}]}`)
	f.Add(`{"a":` + strings.Repeat(`[`, 50) + strings.Repeat(`]`, 50) + `}`)
	f.Add(`{"x":"\u0000\ud800","y":"` + strings.Repeat("\\u0001", 9000) + `"}`)
	f.Add(`{"` + strings.Repeat("n", 9000) + `":1e999}`)
	f.Fuzz(func(t *testing.T, args string) {
		for _, keep := range []execute.Keep{execute.KeepFull, execute.KeepRedacted} {
			got := execute.Redact(keep, json.RawMessage(args), json.RawMessage(
				`{"type":"object","properties":{"a":{"type":"string"},"doc":{"type":"string","format":"password"},"f":{"file_uploadable":true}}}`))
			if got == nil {
				continue
			}
			var m map[string]any
			dec := json.NewDecoder(bytes.NewReader(got))
			dec.UseNumber() // some are larger than a float
			if err := dec.Decode(&m); err != nil || len(got) > 64<<10 || !utf8.Valid(got) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if v, ok := m["doc"]; ok && v != "[hidden]" {
				t.Fatalf("a secret: %v", v)
			}
		}
	})
}

func TestRedactBySchema(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"object","properties":{
		"pin":{"type":"string","format":"password"},"once":{"type":"string","writeOnly":true},"data":{"type":"string","contentEncoding":"base64"},
		"blob":{"type":"string","format":"binary"},"mark":{"type":"object","x-secret":true},
		"file":{"type":"object","file_uploadable":true,"properties":{"name":{"type":"string"}}},
		"list":{"type":"array","items":{"type":"object","properties":{"pin":{"type":"string","format":"password"},"ok":{"type":"string"}}}},
		"either":{"anyOf":[{"type":"string"},{"type":"string","format":"password"}]},
		"map":{"type":"object","additionalProperties":{"type":"string","writeOnly":true}}}}`
	got := execute.Redact(execute.KeepFull, json.RawMessage(`{"pin":"1","once":"2","data":"3","blob":"4","mark":{"a":5},
		"file":{"name":"a.txt","mimetype":"text/plain","s3key":"k"},"list":[{"pin":"6","ok":"7"}],"either":"8","map":{"x":"9"}}`), json.RawMessage(schema))
	want := `{"blob":"[hidden]","data":"[hidden]","either":"[hidden]","file":{"mimetype":"text/plain","name":"a.txt","s3key":"[hidden]"},` +
		`"list":[{"ok":"7","pin":"[hidden]"}],"map":{"x":"[hidden]"},"mark":"[hidden]","once":"[hidden]","pin":"[hidden]"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// A call leaves its record whatever ends it, with what upstream said of it.
func TestRecordOfFailures(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Run(ctx, request("NOTES_WHOAMI", `{}`))
	if rec := f.last(t, execute.LogID(err)); rec.Outcome != domain.OutcomeCanceled {
		t.Errorf("canceled: %+v, %v", rec, err)
	}
	refused := f.Refuse(t.Context(), request("NOTES_WHOAMI", `{"token":"x"}`), domain.Errorf(domain.CodeRateLimited, "too many"))
	rec := f.last(t, execute.LogID(refused))
	if args, _ := f.Arguments(t.Context(), &rec); rec.Outcome != domain.OutcomeRefused || rec.ErrorCode != domain.CodeRateLimited || string(args) != `{"token":"[hidden]"}` {
		t.Errorf("rate limited: %+v, %s", rec, args)
	}
	var e *domain.Error
	if !errors.As(refused, &e) {
		t.Error(refused)
	}
}

// BenchmarkKeep is what keeping arguments adds to a call, part by part: the
// digest was made before arguments were kept, and reads them anyway.
func BenchmarkKeep(b *testing.B) {
	for name, args := range map[string]string{
		"small": `{"id":"12345","limit":25,"include":["a","b"]}`,
		"page":  `{"spaceId":"98310","title":"Plan","body":{"representation":"storage","value":"` + strings.Repeat("<p>text</p>", 2000) + `"}}`,
	} {
		f := setup(b, nil)
		sealer := execute.NewSealer(f.Vault)
		raw := json.RawMessage(args)
		decoded := execute.Decode(raw)
		kept := execute.RedactDecoded(execute.KeepRedacted, decoded)
		for part, work := range map[string]func() error{
			"digest": func() error { execute.Decode(raw); return nil },
			"redact": func() error { execute.RedactDecoded(execute.KeepRedacted, decoded); return nil },
			"seal":   func() error { _, err := sealer.SealState(b.Context(), "x", kept); return err },
		} {
			b.Run(name+"/"+part, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := work(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
