package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/agent"
)

// Both decoders take anything without a crash, and give either an answer or an
// error.
func fuzzState(f *testing.F, fresh func() accumulator, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stream string) {
		acc := fresh()
		for line := range strings.SplitSeq(stream, "\n") {
			if _, ended, err := acc.add([]byte(line)); err != nil || ended {
				break
			}
		}
		resp, err := acc.finish()
		if (resp == nil) == (err == nil) {
			t.Fatalf("answer %v and error %v", resp, err)
		}
	})
}

func FuzzChat(f *testing.F) {
	fuzzState(f, func() accumulator { return newChatState() },
		`{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0,"id":"x","function":{"name":"n","arguments":"{"}}]}}]}`+"\n[DONE]",
		`{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":1}}},{"index":-1}]},"finish_reason":"stop"}]}`,
		`{"error":"x"}`, `null`, `[]`)
}

func FuzzResponses(f *testing.F) {
	fuzzState(f, func() accumulator { return newResponsesState() },
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call"}}`+"\n"+`{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{"}`+"\n"+`{"type":"response.completed"}`,
		`{"type":"response.output_item.done","item":null}`+"\n"+`{"type":"response.completed","response":{"output":[1,null]}}`,
		`{"type":"error"}`, `{"type":"response.failed","response":{"error":null}}`)
}

// TestAnyFragmentation: however a server cuts the arguments of parallel calls
// and interleaves the pieces, the calls come out whole and in order.
func TestAnyFragmentation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "calls")
		pieces, want := make([][]string, n), make([]string, n)
		for i := range n {
			text := rapid.StringMatching(`[a-z"\\{}é ]{0,20}`).Draw(t, "text")
			args, err := json.Marshal(map[string]string{"v": text})
			if err != nil {
				t.Fatal(err)
			}
			want[i] = fmt.Sprintf("id%d tool %s", i, args)
			for rest := []rune(string(args)); len(rest) > 0; {
				k := rapid.IntRange(1, len(rest)).Draw(t, "cut")
				pieces[i] = append(pieces[i], string(rest[:k]))
				rest = rest[k:]
			}
		}
		s := newChatState()
		begun := 0
		for left := n; left > 0; {
			i := rapid.IntRange(0, min(begun, n-1)).Draw(t, "next")
			f := fmt.Sprintf(`"index":%d`, i)
			name := ""
			if i == begun {
				begun++
				f += fmt.Sprintf(`,"id":"id%d"`, i)
				name = `"name":"tool",`
			} else if len(pieces[i]) == 0 {
				continue
			}
			piece, err := json.Marshal(pieces[i][0])
			if err != nil {
				t.Fatal(err)
			}
			if pieces[i] = pieces[i][1:]; len(pieces[i]) == 0 {
				left--
			}
			event := fmt.Sprintf(`{"choices":[{"delta":{"tool_calls":[{%s,"function":{%s"arguments":%s}}]}}]}`, f, name, piece)
			if _, _, err := s.add([]byte(event)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.finish(); !errors.Is(err, agent.ErrTruncated) {
			t.Fatalf("no end yet, but err = %v", err)
		}
		s.ended = true
		resp, err := s.finish()
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range resp.Parts {
			if got := p.CallID + " " + p.Tool + " " + p.Args; got != want[i] {
				t.Fatalf("call %d = %q, want %q", i, got, want[i])
			}
		}
		if len(resp.Parts) != n {
			t.Fatalf("%d calls, want %d", len(resp.Parts), n)
		}
	})
}
