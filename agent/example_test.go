package agent_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/scripted"
)

func Example() {
	weather := agent.Func("weather", "The weather in a city.", func(_ context.Context, in struct {
		City string `json:"city" jsonschema:"name of the city"`
	},
	) (string, error) {
		return "sunny in " + in.City, nil
	})
	model := scripted.Script(
		scripted.Reply(scripted.Call("1", "weather", `{"city":"Oslo"}`)),
		scripted.Reply(scripted.Text("It is sunny.")),
	)
	a, err := agent.New[string](model, agent.Options{Tools: []agent.Toolset{weather}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var history agent.History
	for event, err := range a.Run(context.Background(), agent.Input{Prompt: "Weather in Oslo?", History: &history}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch e := event.(type) {
		case agent.ToolCall:
			fmt.Println("●", e.Name, string(e.Args))
		case agent.ToolResult:
			fmt.Println("⎿", e.Outcome, e.Content)
		case agent.Done:
			fmt.Println(e.Text)
		}
	}
	fmt.Println(len(history), "messages")
	// Output:
	// ● weather {"city":"Oslo"}
	// ⎿ ok sunny in Oslo
	// It is sunny.
	// 4 messages
}

func ExampleAgent_Do() {
	type city struct {
		Name    string `json:"name"`
		Country string `json:"country"`
	}
	model := scripted.Script(scripted.Reply(scripted.Call("1", "final_result", `{"name":"Oslo","country":"Norway"}`)))
	a, err := agent.New[city](model, agent.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	got, _, err := a.Do(context.Background(), agent.Input{Prompt: "The capital of Norway?"})
	fmt.Println(got.Name, got.Country, err)
	// Output: Oslo Norway <nil>
}

func ExampleMCP() {
	tools := agent.MCP("http://127.0.0.1:8080/tool_router/trs_1/mcp", agent.MCPOptions{
		Header: http.Header{"X-Api-Key": {"…"}},
	})
	defer tools.Close()
	a, err := agent.New[string](scripted.Script(), agent.Options{Tools: []agent.Toolset{tools}})
	fmt.Println(a != nil, err)
	// Output: true <nil>
}
