package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// toolIndex is what the tools of one request look like to the loop.
type toolIndex struct {
	specs        []ToolSpec
	byName       map[string]Tool
	instructions string
}

// gather asks every toolset for its tools.
func (r *run) gather(ctx context.Context) (*toolIndex, error) {
	idx := &toolIndex{byName: map[string]Tool{}}
	instructions := []string{r.opts.Instructions}
	for _, set := range r.opts.Tools {
		tools, err := set.Tools(ctx)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return nil, r.stopped(cause)
			}
			return nil, fmt.Errorf("listing tools: %w", err)
		}
		for _, t := range tools {
			if _, twice := idx.byName[t.Name]; twice || (r.output != nil && t.Name == outputTool) {
				return nil, fmt.Errorf("listing tools: two tools are named %q", t.Name)
			}
			idx.byName[t.Name] = t
			schema := t.Schema
			if len(schema) == 0 {
				schema = json.RawMessage(`{"type":"object","properties":{}}`)
			}
			idx.specs = append(idx.specs, ToolSpec{Name: t.Name, Description: t.Description, Schema: schema})
		}
		if in, ok := set.(Instructor); ok {
			text, err := in.ToolInstructions(ctx)
			if err != nil {
				return nil, fmt.Errorf("reading tool instructions: %w", err)
			}
			instructions = append(instructions, text)
		}
	}
	if r.output != nil {
		idx.specs = append(idx.specs, r.output.spec)
	}
	var nonEmpty []string
	for _, s := range instructions {
		if s = strings.TrimSpace(s); s != "" {
			nonEmpty = append(nonEmpty, s)
		}
	}
	idx.instructions = strings.Join(nonEmpty, "\n\n")
	return idx, nil
}
