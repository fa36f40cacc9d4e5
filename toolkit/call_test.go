package toolkit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, tc := range []struct {
		err  *toolkit.Error
		want string
	}{
		{&toolkit.Error{Message: "It is gone."}, "It is gone."},
		{&toolkit.Error{Message: "It is gone.", Fix: "Look elsewhere."}, "It is gone. Look elsewhere."},
		{&toolkit.Error{Field: "id", Message: "expected a number"}, "id: expected a number"},
		{&toolkit.Error{Field: "id", Message: "id: expected a number", Fix: "Try 1."}, "id: expected a number Try 1."},
		{toolkit.Invalid("a.b", "expected %d", 5), "a.b: expected 5"},
		{&toolkit.Error{Message: "m", Cause: cause}, "m"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	if !errors.Is(&toolkit.Error{Cause: cause}, cause) {
		t.Error("the cause cannot be found")
	}
}

type bad struct{}

func (bad) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

func TestRunPassesOn(t *testing.T) {
	t.Parallel()
	type in struct{}
	own := &toolkit.Error{Kind: toolkit.KindConflict, Message: "mine"}
	for _, tc := range []struct {
		name string
		run  toolkit.Func[noClient, in, any]
		data string
		err  string
	}{
		{"a map", func(context.Context, noClient, in) (any, error) { return map[string]int{"n": 1}, nil }, `{"n":1}`, ""},
		{"a result", func(context.Context, noClient, in) (any, error) {
			return toolkit.Result{Data: []byte(`{"r":1}`)}, nil
		}, `{"r":1}`, ""},
		{"a pointer to a result", func(context.Context, noClient, in) (any, error) {
			return &toolkit.Result{Data: []byte(`{"r":2}`)}, nil
		}, `{"r":2}`, ""},
		{"an error", func(context.Context, noClient, in) (any, error) { return nil, own }, "", "mine"},
		{"a list", func(context.Context, noClient, in) (any, error) { return []int{1}, nil }, "", "JSON object"},
		{"nothing", func(context.Context, noClient, in) (any, error) { return nil, nil }, "", "JSON object"},
		{"what cannot be marshalled", func(context.Context, noClient, in) (any, error) { return bad{}, nil }, "", "marshal"},
	} {
		tools := toolkit.Bind(newNoClient, toolkit.Read("TEST_X", "X", "X.", toolkit.About{}, tc.run))
		res, err := tools[0].Run(t.Context(), &toolkit.Call{}, []byte(`{}`))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: got %v, want %q", tc.name, err, tc.err)
			}
			continue
		}
		if err != nil || string(res.Data) != tc.data {
			t.Errorf("%s: got %+v, %v", tc.name, res, err)
		}
	}
	failing := toolkit.Bind(func(*toolkit.Call) (noClient, error) { return noClient{}, own },
		toolkit.Read("TEST_X", "X", "X.", toolkit.About{}, func(context.Context, noClient, in) (any, error) { return nil, nil }))
	if _, err := failing[0].Run(t.Context(), &toolkit.Call{}, []byte(`{}`)); !errors.Is(err, own) {
		t.Errorf("no client: %v", err)
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	question := toolkit.Question{Message: "Sure?", URL: "https://example.com/ok"}
	call := &toolkit.Call{State: []byte(`1`)}
	_, err := call.Ask("confirm", question)
	var ask *toolkit.Ask
	if !errors.As(err, &ask) || ask.Error() != "Sure? https://example.com/ok" {
		t.Fatalf("got %v", err)
	}
	want := &toolkit.Ask{Questions: map[string]toolkit.Question{"confirm": question}, State: []byte(`1`)}
	if diff := cmp.Diff(want, ask); diff != "" {
		t.Error(diff)
	}
	call.Answers = map[string]toolkit.Answer{"confirm": {Action: "accept"}}
	if a, err := call.Ask("confirm", question); err != nil || a.Action != "accept" {
		t.Errorf("got %+v, %v", a, err)
	}
	var reports []string
	call.Progress(0, 0, "unheard")
	call.OnProgress = func(done, total float64, m string) { reports = append(reports, fmt.Sprint(done, "/", total, m)) }
	call.Progress(1, 2, "half")
	if diff := cmp.Diff([]string{"1/2half"}, reports); diff != "" {
		t.Error(diff)
	}
}

func TestHintsAndScopes(t *testing.T) {
	t.Parallel()
	none := func(context.Context, noClient, struct{}) (struct{}, error) { return struct{}{}, nil }
	for _, tc := range []struct {
		op   toolkit.Op[noClient]
		want []string
	}{
		{toolkit.Read("T_X", "X", "X.", toolkit.About{}, none), []string{"readOnlyHint", "idempotentHint", "openWorldHint"}},
		{toolkit.Create("T_X", "X", "X.", toolkit.About{}, none), []string{"openWorldHint"}},
		{toolkit.Update("T_X", "X", "X.", toolkit.About{}, none), []string{"destructiveHint", "openWorldHint"}},
		{toolkit.Delete("T_X", "X", "X.", toolkit.About{}, none), []string{"destructiveHint", "idempotentHint", "openWorldHint"}},
		{toolkit.Idempotent(toolkit.Create("T_X", "X", "X.", toolkit.About{}, none)), []string{"idempotentHint", "openWorldHint"}},
	} {
		tool := toolkit.Bind(newNoClient, tc.op)[0]
		if diff := cmp.Diff(tc.want, tool.Hints.Tags()); diff != "" {
			t.Error(diff)
		}
	}
	s := toolkit.AllOf("a", "b").AnyOf("b", "c")
	if diff := cmp.Diff([][]string{{"a"}, {"b"}, {"b", "c"}}, s.All); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, s.Names()); diff != "" {
		t.Error(diff)
	}
	s = s.Sometimes("d", "a")
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, s.Names()); diff != "" {
		t.Error(diff)
	}
	for granted, want := range map[string][][]string{
		"":      {{"a"}, {"b"}, {"b", "c"}},
		"a":     {{"b"}, {"b", "c"}},
		"a c":   {{"b"}},
		"b x a": nil,
	} {
		if diff := cmp.Diff(want, s.Missing(strings.Fields(granted))); diff != "" {
			t.Errorf("with %q (-want +got):\n%s", granted, diff)
		}
	}
	if got := fmt.Sprintf("%v %#v %s", toolkit.Secrets{"k": "hush"}, toolkit.Secrets{"k": "hush"}, toolkit.Secrets{"k": "hush"}); strings.Contains(got, "hush") {
		t.Error(got)
	}
}
