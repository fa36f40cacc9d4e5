package confluence

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"
)

const badLabelChars = "!#&()*,.:;<>?@[]^"

// addLabel puts one label on a content. Names arrive split and lower-cased.
func (st *store) addLabel(x *content, prefix, name string) {
	if id := st.labelID(prefix, name); !slices.Contains(x.labels, id) {
		x.labels = append(x.labels, id)
	}
}

// labelID gives the id of a label, which is made when there is none.
func (st *store) labelID(prefix, name string) int64 {
	key := prefix + ":" + name
	id := st.labelIDs[key]
	if id == 0 {
		st.nextLabel += 3
		id = st.nextLabel
		st.labelIDs[key] = id
		st.labels[id] = &label{id: id, prefix: prefix, name: name}
		st.words.tokens(name) // text search covers labels
	}
	return id
}

// removeLabel takes a global label off; false when the content does not have it.
func (st *store) removeLabel(x *content, name string) bool {
	i := slices.IndexFunc(x.labels, func(id int64) bool {
		l := st.labels[id]
		return l.name == name || l.prefix+":"+l.name == name
	})
	if i < 0 {
		return false
	}
	id := x.labels[i]
	x.labels = slices.Delete(x.labels, i, i+1)
	st.forgetLabel(id)
	return true
}

// forgetLabel drops a label that nothing has any more.
func (st *store) forgetLabel(id int64) {
	for _, x := range st.contents {
		if slices.Contains(x.labels, id) {
			return
		}
	}
	for _, sp := range st.spaces {
		if slices.Contains(sp.labels, id) {
			return
		}
	}
	delete(st.labelIDs, st.labels[id].prefix+":"+st.labels[id].name)
	delete(st.labels, id)
}

type labelIn struct {
	Prefix string `json:"prefix"`
	Name   string `json:"name"`
}

// labelNames applies the rules on names: split on space and comma, lower case,
// length and characters.
func labelNames(name string) ([]string, *apiError) {
	var out []string
	for _, n := range strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' }) {
		n = strings.ToLower(n)
		if strings.ContainsAny(n, badLabelChars) {
			return nil, badRequest("label.contains.invalid.chars: the label '%s' has one of the characters %s", n, strings.Join(strings.Split(badLabelChars, ""), " "))
		}
		if len(utf16.Encode([]rune(n))) > 255 {
			return nil, badRequest("label.name.is.too.long: a label has at most 255 characters")
		}
		out = append(out, n)
	}
	if len(out) == 0 {
		return nil, badRequest("label.name.is.empty: a label must have a name")
	}
	return out, nil
}

func (c *call) addLabels() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	add, err := c.labelsIn()
	if err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.anyContent(id)
	if err == nil {
		err = c.editable(x)
	}
	if err != nil {
		return nil, err
	}
	for _, a := range add {
		c.st.addLabel(x, a.Prefix, a.Name)
	}
	return c.labelArray(x, ""), nil
}

// labelsIn reads labels from the body: an array of them or one.
func (c *call) labelsIn() ([]labelIn, *apiError) {
	data, e := io.ReadAll(c.r.Body)
	if e != nil {
		return nil, tooLarge()
	}
	var in []labelIn
	if json.Unmarshal(data, &in) != nil {
		var one labelIn
		if json.Unmarshal(data, &one) != nil {
			return nil, badRequest("The request body must be an array of labels with prefix and name")
		}
		in = []labelIn{one}
	}
	if len(in) == 0 {
		return nil, badRequest("At least one label must be given")
	}
	var add []labelIn
	for _, l := range in {
		prefix := cmp.Or(l.Prefix, "global")
		if prefix != "global" && prefix != "my" && prefix != "team" {
			return nil, badRequest("Label prefix '%s' is not valid. Valid prefixes are global, my and team", l.Prefix)
		}
		names, err := labelNames(l.Name)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			add = append(add, labelIn{Prefix: prefix, Name: n})
		}
	}
	return add, nil
}

func (c *call) deleteLabel() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("label")
	if name == "" {
		name = c.q.Get("name")
	}
	if name == "" {
		return nil, badRequest("The name of the label must be given")
	}
	c.lock()
	x, err := c.anyContent(id)
	if err == nil {
		err = c.editable(x)
	}
	if err != nil {
		return nil, err
	}
	if !c.st.removeLabel(x, strings.ToLower(name)) {
		return nil, notFound("No label found with name: %s", name)
	}
	return nil, nil
}

type v1Label struct {
	Prefix string `json:"prefix"`
	Name   string `json:"name"`
	ID     string `json:"id"`
	Label  string `json:"label"`
}

type v1LabelArray struct {
	Results []v1Label `json:"results"`
	Start   int       `json:"start"`
	Limit   int       `json:"limit"`
	Size    int       `json:"size"`
	Links   any       `json:"_links"`
}

func (c *call) labelArray(x *content, prefix string) v1LabelArray {
	out := v1LabelArray{Results: []v1Label{}, Limit: 200, Links: v1Links{Self: c.base + "/wiki/rest/api/content/" + x.ref() + "/label", Base: c.base + "/wiki", Context: "/wiki"}}
	for _, id := range x.labels {
		l := c.st.labels[id]
		if prefix == "" || prefix == l.prefix {
			out.Results = append(out.Results, v1Label{Prefix: l.prefix, Name: l.name, ID: itoa(l.id), Label: l.name})
		}
	}
	out.Size = len(out.Results)
	return out
}

// getContentLabels is the removed v1 read of labels.
func (c *call) getContentLabels() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	c.rlock()
	x, err := c.anyContent(id)
	if err != nil {
		return nil, err
	}
	return c.labelArray(x, c.q.Get("prefix")), nil
}

// anyContent finds a content of any type for v1.
func (c *call) anyContent(id int64) (*content, *apiError) {
	x := c.st.contents[id]
	if x == nil || !c.st.visible(x, c.me) {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "NotFoundException", "No content found with id: ContentId{id=%d}", id)
	}
	return x, nil
}
