package agent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/scripted"
)

// sleepTool takes n seconds, or ends with its context; a deaf one does not
// listen.
func sleepTool(deaf bool) agent.Tool {
	return agent.Func("sleep", "", func(ctx context.Context, in struct {
		N int `json:"n"`
	},
	) (string, error) {
		timer := time.NewTimer(time.Duration(in.N) * time.Second)
		defer timer.Stop()
		if deaf {
			<-timer.C
			return "slept", nil
		}
		select {
		case <-timer.C:
			return "slept", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
}

func twoSleeps() *scripted.Model {
	return scripted.Script(
		scripted.Reply(scripted.Text("wait"), scripted.Call("short", "sleep", `{"n":1}`), scripted.Call("long", "sleep", `{"n":60}`)),
		scripted.Reply(scripted.Text("ok")),
	)
}

func outcomes(h agent.History) string {
	out := ""
	for _, m := range h {
		for _, p := range m.Parts {
			if p.Kind == agent.KindToolResult {
				out += fmt.Sprintf("%s=%s ", p.CallID, p.Outcome)
			}
		}
	}
	return out
}

func TestCancelKeepsWhatIsFinished(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf=%v", deaf), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				time.AfterFunc(10*time.Second, cancel)
				a := mustNew[string](t, twoSleeps(), agent.Options{Tools: []agent.Toolset{sleepTool(deaf)}})
				var h agent.History
				_, _, err := a.Do(ctx, agent.Input{Prompt: "go", History: &h})
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("err = %v", err)
				}
				if took := time.Since(began); took > 13*time.Second {
					t.Errorf("took %s", took)
				}
				if got, want := outcomes(h), "short=ok long=interrupted "; got != want {
					t.Errorf("outcomes %q, want %q", got, want)
				}
				if err := agent.Validate(h); err != nil {
					t.Error(err)
				}
				// The next turn goes on from there.
				b := mustNew[string](t, scripted.Script(scripted.Reply(scripted.Text("fine"))), agent.Options{})
				if text, _, err := b.Do(t.Context(), agent.Input{Prompt: "and now?", History: &h}); err != nil || text != "fine" {
					t.Errorf("next turn: %q, %v", text, err)
				}
				time.Sleep(time.Minute) // the bubble's clock: lets the deaf tool end
			})
		})
	}
}

func TestLeavingTheLoopStopsTheTools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustNew[string](t, twoSleeps(), agent.Options{Tools: []agent.Toolset{sleepTool(false)}})
		var h agent.History
		began := time.Now()
		for e := range a.Run(t.Context(), agent.Input{Prompt: "go", History: &h}) {
			if _, ok := e.(agent.ToolResult); ok {
				break
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("leaving took until %s", took)
		}
		if got, want := outcomes(h), "short=ok long=interrupted "; got != want {
			t.Errorf("outcomes %q, want %q", got, want)
		}
	})
}

func TestTimeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustNew[string](t, twoSleeps(), agent.Options{
			Tools: []agent.Toolset{sleepTool(false)}, Limits: agent.Limits{Time: 5 * time.Second},
		})
		var h agent.History
		if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go", History: &h}); !errors.Is(err, agent.ErrLimit) {
			t.Errorf("run: err = %v", err)
		}
		if got, want := outcomes(h), "short=ok long=interrupted "; got != want {
			t.Errorf("outcomes %q, want %q", got, want)
		}

		a = mustNew[string](t, twoSleeps(), agent.Options{
			Tools: []agent.Toolset{sleepTool(false)}, Limits: agent.Limits{ToolTime: 5 * time.Second},
		})
		h = nil
		if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go", History: &h}); err != nil {
			t.Errorf("tool: err = %v", err)
		}
		if got, want := outcomes(h), "short=ok long=failed "; got != want {
			t.Errorf("outcomes %q, want %q", got, want)
		}
	})
}

func TestParallelAndAlone(t *testing.T) {
	tests := []struct {
		parallel int
		alone    bool
		want     time.Duration
	}{{8, false, 4 * time.Second}, {2, false, 6 * time.Second}, {8, true, 10 * time.Second}}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d alone=%v", tt.parallel, tt.alone), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls []agent.Part
				for i := range 4 {
					calls = append(calls, scripted.Call(fmt.Sprint("c", i), "sleep", fmt.Sprintf(`{"n":%d}`, i+1)))
				}
				tool := sleepTool(false)
				tool.Alone = tt.alone
				a := mustNew[string](t, scripted.Script(scripted.Reply(calls...), scripted.Reply(scripted.Text("ok"))),
					agent.Options{Tools: []agent.Toolset{tool}, Limits: agent.Limits{Parallel: tt.parallel}})
				began := time.Now()
				if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go"}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != tt.want {
					t.Errorf("took %s, want %s", took, tt.want)
				}
			})
		})
	}
}

// TestAnyScriptAnyCancelPoint: whatever the model says and wherever the run is
// left or cancelled, the history is valid and repairing it changes nothing.
func TestAnyScriptAnyCancelPoint(t *testing.T) {
	part := rapid.Custom(func(t *rapid.T) agent.Part {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return scripted.Text(rapid.SampledFrom([]string{"", "hello", "a longer text to stream"}).Draw(t, "text"))
		case 1:
			return scripted.Thinking(rapid.SampledFrom([]string{"", "hm"}).Draw(t, "thinking"))
		default:
			return scripted.Call(
				rapid.SampledFrom([]string{"", "0", "a", "b"}).Draw(t, "id"),
				rapid.SampledFrom([]string{"add", "fail", "nope", ""}).Draw(t, "tool"),
				rapid.SampledFrom([]string{`{"a":1,"b":2}`, `{"a":1}`, `{`, ``, `null`, `[]`}).Draw(t, "args"))
		}
	})
	turn := rapid.Custom(func(t *rapid.T) scripted.Turn {
		turn := scripted.Turn{Parts: rapid.SliceOfN(part, 0, 4).Draw(t, "parts")}
		if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
			turn.Err = agent.ErrTruncated
		}
		return turn
	})
	rapid.Check(t, func(t *rapid.T) {
		turns := rapid.SliceOfN(turn, 1, 5).Draw(t, "turns")
		a, err := agent.New[string](scripted.Script(turns...), agent.Options{Tools: []agent.Toolset{addTool(), failTool()}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stopAt := rapid.IntRange(0, 25).Draw(t, "stop at event")
		leave := rapid.Bool().Draw(t, "leave rather than cancel")
		var h agent.History
		n := 0
		for range a.Run(ctx, agent.Input{Prompt: "go", History: &h}) {
			if n++; n > stopAt {
				cancel()
				if leave {
					break
				}
			}
		}
		checkRepaired(t, h)
	})
}

// TestRepairAnything: histories that no run of ours makes.
func TestRepairAnything(t *testing.T) {
	part := rapid.Custom(func(t *rapid.T) agent.Part {
		return agent.Part{
			Kind:    rapid.SampledFrom([]agent.PartKind{agent.KindText, agent.KindThinking, agent.KindToolCall, agent.KindToolResult, agent.KindRetry, "x"}).Draw(t, "kind"),
			Text:    rapid.SampledFrom([]string{"", "t"}).Draw(t, "text"),
			CallID:  rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "id"),
			Tool:    rapid.SampledFrom([]string{"", "add"}).Draw(t, "tool"),
			Outcome: rapid.SampledFrom([]agent.Outcome{"", agent.OutcomeOK, agent.OutcomeFailed}).Draw(t, "outcome"),
		}
	})
	message := rapid.Custom(func(t *rapid.T) agent.Message {
		return agent.Message{
			Role:  rapid.SampledFrom([]agent.Role{agent.RoleUser, agent.RoleAssistant, agent.RoleTool, "system"}).Draw(t, "role"),
			Parts: rapid.SliceOfN(part, 0, 4).Draw(t, "parts"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		checkRepaired(t, agent.Repair(rapid.SliceOfN(message, 0, 8).Draw(t, "history")))
	})
}

func checkRepaired(t *rapid.T, h agent.History) {
	if err := agent.Validate(h); err != nil {
		t.Fatalf("invalid: %v\n%+v", err, h)
	}
	if again := agent.Repair(h); fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", h) {
		t.Fatalf("repairing again changed it:\n%+v\n%+v", h, again)
	}
}
