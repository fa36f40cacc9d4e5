package session

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// Names, inputs and limits of the meta tools are the contract's (§3.3); the
// descriptions are short, since every agent pays for them with every request.
const (
	searchSchema = `{"type":"object","properties":{` +
		`"queries":{"type":"array","minItems":1,"maxItems":20,"items":{"type":"object","properties":{` +
		`"use_case":{"type":"string","maxLength":1024,"description":"What to do, in English, one tool call's worth; name the app if known"},` +
		`"known_fields":{"type":"string","maxLength":500,"description":"Values at hand, as key:value, key:value"}},"required":["use_case"]}},` +
		`"session":{"type":"object","description":"Send generate_id for a new task, id to go on with one","properties":{` +
		`"id":{"type":"string","maxLength":64},"generate_id":{"type":"boolean"}}},` +
		`"model":{"type":"string","description":"Your model's name"}},"required":["queries"]}`

	schemasSchema = `{"type":"object","properties":{` +
		`"tool_slugs":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"string","minLength":1}},` +
		`"include":{"type":"array","items":{"type":"string","enum":["input_schema","output_schema"]},"default":["input_schema"]},` +
		sessionID + `},"required":["tool_slugs"]}`

	manageSchema = `{"type":"object","properties":{` +
		`"toolkits":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"string"},"description":"Toolkit slugs, such as those that COMPOSIO_SEARCH_TOOLS named"},` +
		`"reinitiate_all":{"type":"boolean","default":false,"description":"New links even where an account is active"},` +
		sessionID + `},"required":["toolkits"]}`

	waitSchema = `{"type":"object","properties":{` +
		`"toolkits":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"string"}},` +
		`"mode":{"type":"string","enum":["any","all"],"default":"any"},` +
		sessionID + `},"required":["toolkits"]}`

	multiHead = `{"type":"object","properties":{` +
		`"tools":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"object","properties":{` +
		`"tool_slug":{"type":"string","minLength":1},` +
		`"arguments":{"type":"object","description":"As the tool's input_schema says","additionalProperties":true}`
	multiAccount = `,"account":{"type":"string","description":"Account id, alias or name, where the user has several"}`
	multiTail    = `},"required":["tool_slug","arguments"]}},` +
		`"thought":{"type":"string"},"sync_response_to_workbench":{"type":"boolean","description":"Send false"},` +
		`"current_step":{"type":"string"},"current_step_metric":{"type":"string"},` +
		sessionID + `},"required":["tools"]}`

	sessionID = `"session_id":{"type":"string","description":"session.id of COMPOSIO_SEARCH_TOOLS"}`

	anyObject = `{"type":"object","properties":{}}`
)

// metaSpec is what a meta tool is made of.
type metaSpec struct {
	slug, name, description, input string
	important                      bool
	hints                          toolkit.Hints
}

var metaSpecs = []metaSpec{
	{
		slug: policy.SearchTools, name: "search_tools", input: searchSchema, important: true,
		hints: toolkit.Hints{ReadOnly: true, OpenWorld: true},
		description: "Find the tools for a task. Call this first. Gives tool slugs with input schemas, a plan, pitfalls, " +
			"and which toolkits still need connecting. One query per step.",
	},
	{
		slug: policy.GetToolSchemas, name: "get_tool_schemas", input: schemasSchema,
		hints:       toolkit.Hints{ReadOnly: true},
		description: "Input schemas (output too, on request) of tools by slug. Never guess arguments: read the schema first.",
	},
	{
		slug: policy.ManageConnections, name: "manage_connections", input: manageSchema,
		hints: toolkit.Hints{Destructive: true, OpenWorld: true},
		description: "Check the user's connections to toolkits. For each without an active one it gives a redirect_url: " +
			"show it to the user as a Markdown link, and go on when they have connected.",
	},
	{
		slug: policy.WaitForConnections, name: "wait_for_connection", input: waitSchema,
		hints:       toolkit.Hints{ReadOnly: true, Idempotent: true},
		description: "Wait until the user has connected any or all of the toolkits, for up to 50 seconds. Call it again if none is.",
	},
	{
		slug: policy.MultiExecute, name: "multi_execute_tool", important: true,
		hints: toolkit.Hints{Destructive: true, OpenWorld: true},
		description: "Run 1 to 50 tools in parallel, by slug with arguments that fit their schemas. Results come in order; " +
			"one failure does not stop the others. Tools that need another's result go into a later call.",
	},
}

// metaTools are the meta tools, made once.
type metaTools struct {
	toolkit *toolkit.Toolkit
	bySlug  map[string]*catalog.Tool
	// multi is the multi-execute of multi-account sessions.
	multi *catalog.Tool
}

func newMetaTools() *metaTools {
	m := &metaTools{
		toolkit: &toolkit.Toolkit{Slug: "COMPOSIO", Name: "composio", Description: "Find, connect and run tools."},
		bySlug:  make(map[string]*catalog.Tool, len(metaSpecs)),
	}
	for _, spec := range metaSpecs {
		if spec.slug == policy.MultiExecute {
			spec.input = multiHead + multiAccount + multiTail
			m.multi = m.make(spec)
			spec.input = multiHead + multiTail
		}
		m.bySlug[spec.slug] = m.make(spec)
	}
	return m
}

// make panics on a schema that is not usable: a mistake in this file, found by
// any test.
func (m *metaTools) make(spec metaSpec) *catalog.Tool {
	t, err := toolkit.Raw(spec.slug, spec.name, spec.description, toolkit.About{Important: spec.important}, spec.hints,
		json.RawMessage(spec.input), json.RawMessage(anyObject),
		func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
			return nil, errors.New("session: a meta tool runs in its session only")
		})
	if err != nil {
		panic("session: " + spec.slug + ": " + err.Error())
	}
	return &catalog.Tool{Tool: &t, Toolkit: m.toolkit}
}

// tool gives the meta tool as the session has it, or nil.
func (m *metaTools) tool(slug string, multiAccount bool) *catalog.Tool {
	if slug == policy.MultiExecute && multiAccount {
		return m.multi
	}
	return m.bySlug[slug]
}
