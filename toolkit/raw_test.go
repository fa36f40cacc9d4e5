package toolkit_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/toolkit"
)

func raw(t testing.TB, schema string) (*toolkit.Tool, error) {
	t.Helper()
	tool, err := toolkit.Raw("TEST_RAW", "Raw", "Raw.", toolkit.About{}, toolkit.Hints{}, json.RawMessage(schema), nil,
		func(_ context.Context, _ *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
			return &toolkit.Result{Data: args}, nil
		})
	return &tool, err
}

const modern = `{ "$schema":"https://json-schema.org/draft/2020-12/schema", "type":"object",
 "$defs":{"address":{"$anchor":"addr","type":"object","properties":{"street":{"type":"string"}},"required":["street"]},
          "tree":{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"additionalProperties":false}},
 "properties":{"home":{"$ref":"#/$defs/address"},"work":{"$ref":"#addr"},"tree":{"$ref":"#/$defs/tree"},
   "kind":{"const":"x"},"n":{"type":"integer","multipleOf":5},"who":{"oneOf":[{"type":"string"},{"type":"integer"}]},
   "limit":{"type":"integer","default":7}},
 "if":{"properties":{"kind":{"const":"x"}},"required":["kind"]},"then":{"required":["home"]},
 "additionalProperties":false }`

func TestRawKeepsTheSchemaAndObeysIt(t *testing.T) {
	t.Parallel()
	tool, err := raw(t, modern)
	if err != nil {
		t.Fatal(err)
	}
	if string(tool.Input) != modern {
		t.Errorf("the schema changed: %s", tool.Input)
	}
	for _, tc := range []struct{ args, err string }{
		{`{"home":{"street":"Main"},"kind":"x","limit":1}`, ""},
		{`{"who":5,"limit":1}`, ""},
		{`{"tree":{"kids":[{"kids":[]}]},"limit":1}`, ""},
		{`{"tree":{"kids":[{"kid":[]}]}}`, "kid"},
		{`{"home":{}}`, "street"},
		{`{"work":{"street":5}}`, "string"},
		{`{"kind":"x"}`, "home"},
		{`{"n":7}`, "multipleOf"},
		{`{"who":true}`, "oneOf"},
		{`{"limits":1}`, `limits: unknown argument, did you mean "limit"?`},
	} {
		got, err := tool.Validate(json.RawMessage(tc.args))
		if tc.err == "" {
			if err != nil || string(got) != tc.args {
				t.Errorf("%s: got %s, %v", tc.args, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: got %v, want an error with %q", tc.args, err, tc.err)
		}
	}
}

func TestRawLeavesObjectsOpen(t *testing.T) {
	t.Parallel()
	tool, err := raw(t, `{"type":"object","properties":{"a":{"type":"string"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tool.Validate(json.RawMessage(`{"b":1}`)); err != nil || string(got) != `{"b":1}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestRawToleratesWhatItCannotCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, schema, takes, refuses string }{
		{
			"lookahead", `{"type":"object","properties":{"mail":{"type":"string","pattern":"^(?!\\.)[a-z.]+@[a-z.]+$"},"pattern":{"type":"integer"}}}`,
			`{"mail":"ann@example.com","pattern":1}`, `{"pattern":"x"}`,
		},
		{
			"lookahead in names", `{"type":"object","patternProperties":{"^(?!x)":{"type":"string"}},"additionalProperties":false,"required":["b"]}`,
			`{"a":"1","b":"2"}`, `{"a":"1"}`,
		},
		{
			"another version", `{"$schema":"https://json-schema.org/draft/2019-09/schema","type":"object","properties":{"a":{"type":"integer"}}}`,
			`{"a":1}`, `{"a":"x"}`,
		},
		{"a pattern that can be checked", `{"type":"object","properties":{"a":{"type":"string","pattern":"^x+$"}}}`, `{"a":"xx"}`, `{"a":"y"}`},
	} {
		tool, err := raw(t, tc.schema)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if string(tool.Input) != tc.schema {
			t.Errorf("%s: the schema changed", tc.name)
		}
		if _, err := tool.Validate(json.RawMessage(tc.takes)); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if _, err := tool.Validate(json.RawMessage(tc.refuses)); err == nil {
			t.Errorf("%s takes %s", tc.name, tc.refuses)
		}
	}
}

func TestRawRefusesUnusableSchemas(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString(`{"type":"object","$defs":{"d0":{}`)
	for i := range 30 {
		prev := string(rune('0'+i/10)) + string(rune('0'+i%10))
		if i == 0 {
			prev = "0"
		}
		next := string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
		bomb.WriteString(`,"d` + next + `":{"allOf":[{"$ref":"#/$defs/d` + prev + `"},{"$ref":"#/$defs/d` + prev + `"}]}`)
	}
	bomb.WriteString(`},"allOf":[{"$ref":"#/$defs/d30"}]}`)
	for _, tc := range []struct{ name, schema, want string }{
		{"not JSON", `{`, "not a JSON object"},
		{"a boolean", `true`, "not a JSON object"},
		{"no type", `{"properties":{}}`, `"type":"object"`},
		{"not an object", `{"type":"string"}`, `"type":"object"`},
		{"bad keyword", `{"type":"object","properties":{"a":{"type":5}}}`, "not usable"},
		{"remote reference", `{"type":"object","$ref":"https://example.com/x"}`, "does not contain"},
		{"itself", `{"type":"object","$ref":"#"}`, "refers to itself"},
		{"circle", `{"type":"object","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}},"properties":{"x":{"$ref":"#/$defs/a"}}}`, "refers to itself"},
		{"doubling", bomb.String(), "too many"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := raw(t, tc.schema); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func FuzzValidate(f *testing.F) {
	f.Add(`{"type":"object"}`, `{}`)
	f.Add(modern, `{"home":{"street":"Main"},"kind":"x"}`)
	f.Add(pageSchema, `{"spaceId":5,"title":"T","body":{"storage":{"value":"x"}},"limit":"1"}`)
	f.Add(`{"type":"object","properties":{"a":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}`, `{"a":1e400}`)
	own := pageTool(f)
	f.Fuzz(func(t *testing.T, schema, args string) {
		check := func(tool *toolkit.Tool) {
			out, err := tool.Validate(json.RawMessage(args))
			if err != nil {
				return
			}
			if !json.Valid(out) {
				t.Fatalf("%s gave %s, which is not JSON", args, out)
			}
			again, err := tool.Validate(out)
			if err != nil {
				t.Fatalf("%s was accepted, its result %s was not: %v", args, out, err)
			}
			if string(again) != string(out) {
				t.Fatalf("not stable: %s, %s", out, again)
			}
		}
		check(own)
		if tool, err := raw(t, schema); err == nil {
			_, _ = tool.Validate(json.RawMessage(args))
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	tool := pageTool(b)
	for _, bc := range []struct{ name, args string }{
		{"read", `{"spaceId":"98306","title":"T","body":{},"limit":5}`},
		{"create", `{"spaceId":"MKT","title":"Launch plan","body":{"storage":{"value":"<h1>Launch</h1><p>We start on Monday.</p>"}}}`},
	} {
		b.Run(bc.name, func(b *testing.B) {
			args := json.RawMessage(bc.args)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tool.Validate(args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
