package offline

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/agent"
)

// tool is one app tool, listed directly or found by a search.
type tool struct {
	slug, toolkit, description string
	schema                     schema
	direct                     bool
}

// toolbox is what the request offers: the meta tools of a router, recognised
// by the shape of their arguments, and app tools.
type toolbox struct {
	search, schemas, connect, wait, execute string
	direct                                  []tool
}

func newToolbox(specs []agent.ToolSpec) toolbox {
	var b toolbox
	for _, s := range specs {
		sc := parseSchema(s.Schema)
		switch {
		case sc.has("queries", "array"):
			b.search = s.Name
		case sc.has("tools", "array") && sc.Properties["tools"].Items != nil && sc.Properties["tools"].Items.has("tool_slug", ""):
			b.execute = s.Name
		case sc.has("tool_slugs", "array"):
			b.schemas = s.Name
		case sc.has("toolkits", "array") && !sc.has("mode", ""):
			b.connect = s.Name
		case sc.has("toolkits", "array"):
			b.wait = s.Name
		default:
			b.direct = append(b.direct, tool{slug: s.Name, description: s.Description, schema: sc, direct: true})
		}
	}
	return b
}

// need says what a tool must be able to do, in general words that are looked
// for in the tool's name.
type need struct {
	useCase string   // for the search
	verbs   []string // one of them must be in the name
	nouns   []string // all of them must; a plural wants a plural
	fits    func(tool) bool
}

// neutral words in a name neither help nor disturb.
var neutral = map[string]bool{
	"by": true, "id": true, "for": true, "of": true, "a": true, "the": true, "to": true, "in": true, "on": true,
	"content": true, "footer": true, "details": true,
}

// find gives the tool that fits a need best. Tools that are listed directly
// win; otherwise a router is asked.
func (t *turn) find(n need) (tool, error) {
	if best, ok := pick(t.box.direct, n); ok {
		return best, nil
	}
	if t.box.search == "" || t.box.execute == "" {
		return tool{}, fail("There is no tool here that could %s.", n.useCase)
	}
	found, err := t.searchTools(n.useCase)
	if err != nil {
		return tool{}, err
	}
	best, ok := pick(found.tools(), n)
	if !ok {
		return tool{}, fail("I found no tool that could %s.", n.useCase)
	}
	for _, s := range found.Statuses {
		if !strings.EqualFold(s.Toolkit, best.toolkit) || s.Active {
			continue
		}
		if err := t.connectFirst(best.toolkit); err != nil {
			return tool{}, err
		}
	}
	if best.schema.Properties == nil {
		return t.fetchSchema(best)
	}
	return best, nil
}

func (t *turn) searchTools(useCase string) (searchData, error) {
	if found, ok := t.found[useCase]; ok {
		return found, nil
	}
	res, err := t.meta(t.box.search, map[string]any{"queries": []any{map[string]any{"use_case": useCase}}})
	if err != nil {
		return searchData{}, err
	}
	var found searchData
	if err := json.Unmarshal(res, &found); err != nil {
		return searchData{}, fail("The tool search gave an answer that I cannot read.")
	}
	t.found[useCase] = found
	return found, nil
}

// searchData is the part of a search answer that matters.
type searchData struct {
	Results []struct {
		Primary []string `json:"primary_tool_slugs"`
		Related []string `json:"related_tool_slugs"`
	} `json:"results"`
	Schemas  map[string]toolInfo `json:"tool_schemas"`
	Statuses []struct {
		Toolkit string `json:"toolkit"`
		Active  bool   `json:"has_active_connection"`
	} `json:"toolkit_connection_statuses"`
}

type toolInfo struct {
	Toolkit     string          `json:"toolkit"`
	Description string          `json:"description"`
	Input       json.RawMessage `json:"input_schema"`
}

func (d searchData) tools() []tool {
	var out []tool
	add := func(slug string) {
		info := d.Schemas[slug]
		out = append(out, tool{slug: slug, toolkit: info.Toolkit, description: info.Description, schema: parseSchema(info.Input)})
	}
	for _, r := range d.Results {
		for _, slug := range append(slices.Clone(r.Primary), r.Related...) {
			if !slices.ContainsFunc(out, func(t tool) bool { return t.slug == slug }) {
				add(slug)
			}
		}
	}
	return out
}

func (t *turn) fetchSchema(best tool) (tool, error) {
	if t.box.schemas == "" {
		return tool{}, fail("I cannot see the schema of %s.", best.slug)
	}
	res, err := t.meta(t.box.schemas, map[string]any{"tool_slugs": []string{best.slug}})
	if err != nil {
		return tool{}, err
	}
	var data struct {
		Schemas map[string]toolInfo `json:"tool_schemas"`
	}
	if err := json.Unmarshal(res, &data); err != nil || len(data.Schemas[best.slug].Input) == 0 {
		return tool{}, fail("I cannot see the schema of %s.", best.slug)
	}
	best.schema = parseSchema(data.Schemas[best.slug].Input)
	return best, nil
}

// maxWaits bounds how often the model waits for a person who is connecting; one
// wait takes up to a minute.
const maxWaits = 2

// connectFirst has the user connect an account. It gives nil once that is done:
// where the client showed them the page, by waiting for them; else it gives them
// the link.
func (t *turn) connectFirst(toolkit string) error {
	if t.connected[toolkit] {
		return nil
	}
	name := titleCase(toolkit)
	if t.box.connect == "" {
		return fail("%s is not connected yet, and I have no tool to connect it.", name)
	}
	res, err := t.meta(t.box.connect, map[string]any{"toolkits": []string{toolkit}})
	if err != nil {
		return err
	}
	r := connectionOf(res, toolkit)
	link := "[Connect " + name + "](" + r.URL + ")"
	switch {
	case strings.EqualFold(r.Status, "active"):
		t.connected[toolkit] = true
		return nil
	case r.URL == "":
		return fail("%s is not connected yet, and no link to connect it could be made.", name)
	case strings.Contains(r.Instruction, "did not open it"):
		return fail("%s is not connected, as you did not want to now. When you do, connect it here: %s, then ask me again.", name, link)
	case t.box.wait == "" || !strings.Contains(r.Instruction, "is connecting"):
		return fail("%s is not connected yet. Connect it here: %s, then ask me again.", name, link)
	}
	for n := range maxWaits {
		args := map[string]any{"toolkits": []string{toolkit}}
		if n > 0 {
			args["mode"] = "all" // of one that is the same as any, and no repetition
		}
		if res, err = t.meta(t.box.wait, args); err != nil {
			return err
		}
		switch now := connectionOf(res, toolkit); strings.ToUpper(now.Status) {
		case "ACTIVE":
			t.connected[toolkit] = true
			return nil
		case "FAILED":
			return fail("%s was not connected. %s Connect it here: %s, then ask me again.", name, now.Error, link)
		}
	}
	return fail("%s is not connected yet. Tell me when you have connected it here: %s.", name, link)
}

// connection is how a toolkit's connection stands.
type connection struct {
	Status      string `json:"status"`
	URL         string `json:"redirect_url"`
	Instruction string `json:"instruction"`
	Error       string `json:"error_message"`
}

// connectionOf finds a toolkit's in an answer; what cannot be read says nothing.
func connectionOf(res json.RawMessage, toolkit string) connection {
	var data struct {
		Results map[string]connection `json:"results"`
	}
	_ = json.Unmarshal(res, &data)
	for name, r := range data.Results {
		if strings.EqualFold(name, toolkit) {
			return r
		}
	}
	return connection{}
}

// pick chooses by the words of the names: every word too many counts against a
// tool; of equals the first one wins, as the search ranked them.
func pick(tools []tool, n need) (tool, bool) {
	best, least := tool{}, 1000
	for _, t := range tools {
		cost, ok := mismatch(t, n)
		if ok && cost < least && (n.fits == nil || t.schema.Properties == nil || n.fits(t)) {
			best, least = t, cost
		}
	}
	return best, least < 6
}

func mismatch(t tool, n need) (int, bool) {
	words := nameWords(t)
	verb := false
	rest := words[:0:0]
	nouns := slices.Clone(n.nouns)
	for _, w := range words {
		switch {
		case !verb && slices.Contains(n.verbs, w):
			verb = true
		case slices.Contains(nouns, w):
			nouns = slices.DeleteFunc(nouns, func(s string) bool { return s == w })
		default:
			rest = append(rest, w)
		}
	}
	if !verb || len(nouns) > 0 {
		return 0, false
	}
	cost := 0
	for _, w := range rest {
		if neutral[w] {
			cost++
		} else {
			cost += 3
		}
	}
	return cost, true
}

// nameWords are the words of a slug without its toolkit's, with the two
// spellings of "blog post" made one.
func nameWords(t tool) []string {
	slug := strings.ToLower(strings.NewReplacer("-", "_", ".", "_", " ", "_").Replace(t.slug))
	slug = strings.ReplaceAll(slug, "blog_post", "blogpost")
	words := strings.Split(slug, "_")
	prefix := strings.ToLower(t.toolkit)
	if len(words) > 1 && (words[0] == prefix || prefix == "") && !isVerb[words[0]] {
		words = words[1:]
	}
	return words
}

var isVerb = map[string]bool{
	"get": true, "list": true, "create": true, "add": true, "search": true, "find": true, "read": true, "fetch": true,
	"update": true, "delete": true, "remove": true, "post": true, "write": true, "new": true, "query": true, "show": true,
}

// meta calls a meta tool and gives its data.
func (t *turn) meta(name string, args map[string]any) (json.RawMessage, error) {
	p, err := t.call(name, args)
	if err != nil {
		return nil, err
	}
	return envelope(p)
}

// envelope opens {data, error, successful}; content without one is the data.
func envelope(p agent.Part) (json.RawMessage, error) {
	if p.Outcome == agent.OutcomeDenied {
		return nil, fail("You did not allow %s, so I stopped there.", p.Tool)
	}
	var e struct {
		Data       json.RawMessage `json:"data"`
		Error      string          `json:"error"`
		Successful *bool           `json:"successful"`
	}
	// A remark of the loop may follow the JSON.
	if err := json.NewDecoder(strings.NewReader(p.Text)).Decode(&e); err != nil || (e.Successful == nil && p.Outcome == agent.OutcomeOK) {
		if p.Outcome != agent.OutcomeOK {
			return nil, &toolError{p.Text}
		}
		return json.RawMessage(p.Text), nil
	}
	if p.Outcome != agent.OutcomeOK || (e.Successful != nil && !*e.Successful) {
		return nil, &toolError{orElse(e.Error, "no reason was given")}
	}
	return e.Data, nil
}

// toolError is what a tool says when it fails.
type toolError struct{ text string }

func (e *toolError) Error() string { return e.text }

// run runs an app tool and gives its data. Its failure is a problem in words.
func (t *turn) run(tl tool, args map[string]any, doing string) (json.RawMessage, error) {
	data, err := t.runRaw(tl, args)
	var te *toolError
	if errors.As(err, &te) {
		return nil, fail("I could not %s: %s", doing, te.text)
	}
	return data, err
}

func (t *turn) runRaw(tl tool, args map[string]any) (json.RawMessage, error) {
	if tl.direct {
		p, err := t.call(tl.slug, args)
		if err != nil {
			return nil, err
		}
		return envelope(p)
	}
	data, err := t.meta(t.box.execute, map[string]any{
		"tools":                      []any{map[string]any{"tool_slug": tl.slug, "arguments": args}},
		"sync_response_to_workbench": false,
	})
	if err != nil {
		return nil, err
	}
	var multi struct {
		Results []struct {
			Error    *string         `json:"error"`
			Response json.RawMessage `json:"response"`
		} `json:"results"`
	}
	if err := json.Unmarshal(data, &multi); err != nil || len(multi.Results) == 0 {
		return nil, &toolError{"the answer has no result"}
	}
	r := multi.Results[0]
	if r.Error != nil && *r.Error != "" {
		return nil, &toolError{*r.Error}
	}
	return envelope(agent.Part{Tool: tl.slug, Outcome: agent.OutcomeOK, Text: string(r.Response)})
}
