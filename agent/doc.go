// Package agent runs typed agents: a language model, a set of tools, and the
// loop between them.
//
// An [Agent] is built once with [New] and is safe for concurrent use; every
// [Agent.Run] is one user turn. Run yields events while it works (text,
// thinking, tool calls and their results, progress, usage) and ends with
// [Done] or with an error. The conversation is a [History] of plain values
// that marshal to JSON; it stays valid, ready for the next turn, whatever
// ends the run: success, an error, cancellation, or leaving the range loop.
//
//	a, err := agent.New[string](model, agent.Options{
//		Instructions: "You are a Confluence assistant.",
//		Tools:        []agent.Toolset{agent.MCP(url, agent.MCPOptions{Header: header})},
//	})
//	var history agent.History
//	for event, err := range a.Run(ctx, agent.Input{Prompt: "hello", History: &history}) {
//		…
//	}
//
// Tools come from MCP servers ([MCP]), from Go functions ([Func]) or from any
// other [Toolset]. What the model sends is checked against the tool's schema
// before anything runs; what is wrong goes back to the model, a bounded number
// of times. A failing tool is an answer for the model, never an error of the
// run.
package agent
