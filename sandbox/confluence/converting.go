package confluence

import (
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

func convertRoutes() map[string]endpoint {
	return map[string]endpoint{
		"POST /contentbody/convert/async/{to}":       (*call).convertBody,
		"GET /contentbody/convert/async/{id}":        (*call).convertedBody,
		"POST /contentbody/convert/async/bulk/tasks": (*call).convertBodies,
		"GET /contentbody/convert/async/bulk/tasks":  (*call).convertedBodies,
	}
}

// v1ConvertRoutes convert at once; they left the v1 document.
func v1ConvertRoutes() map[string]endpoint {
	return map[string]endpoint{"POST /contentbody/convert/{to}": (*call).convertNow}
}

// conversion is a body rendered in the background; the rendering is done at once.
type conversion struct {
	value, to string
	at        time.Time
}

const (
	conversionLife = 5 * time.Minute // after it is done
	maxConversions = 1_000
	maxBulkIn      = 10
	maxBulkOut     = 50
)

type convertIn struct {
	To        string `json:"to"`
	SpaceKey  string `json:"spaceKeyContext"`
	ContentID string `json:"contentIdContext"`
	Body      struct {
		Value          *string `json:"value"`
		Representation string  `json:"representation"`
	} `json:"body"`
}

type v1AsyncID struct {
	ID string `json:"asyncId"`
}

func (c *call) convertBody() (any, *apiError) {
	in := convertIn{To: c.r.PathValue("to"), SpaceKey: c.q.Get("spaceKeyContext"), ContentID: c.q.Get("contentIdContext")}
	if err := c.decode(&in.Body); err != nil {
		return nil, err
	}
	c.lock()
	return c.convert(in)
}

// convert renders a body and keeps the result. The lock is held.
func (c *call) convert(in convertIn) (any, *apiError) {
	if in.To != "export_view" {
		return nil, badRequest("A body cannot be converted to '%s'. The only conversion is to export_view", in.To)
	}
	doc, x, err := c.convertible(in)
	if err != nil {
		return nil, err
	}
	return c.keepConversion(body.View(doc, c.links(x)), in.To), nil
}

// convertible reads the body of a request, and the content that its links are
// understood in. The lock is held.
func (c *call) convertible(in convertIn) (*body.Node, *content, *apiError) {
	if in.Body.Value == nil {
		return nil, nil, badRequest("value must be specified")
	}
	rep := in.Body.Representation
	if rep == "editor" || rep == "editor2" {
		rep = "storage"
	}
	b, err := (&bodyIn{Representation: rep, Value: *in.Body.Value, given: true}).intake("convert")
	if err != nil {
		return nil, nil, err
	}
	x := &content{typ: typePage}
	if in.ContentID != "" {
		if x, err = c.anyContent(parseRef(in.ContentID)); err != nil {
			return nil, nil, err
		}
	} else if in.SpaceKey != "" {
		sp := c.st.spaceOf(in.SpaceKey)
		if sp == nil || !c.st.spaceVisible(sp, c.me) {
			return nil, nil, notFound("No space found with key : %s", in.SpaceKey)
		}
		x.spaceID = sp.id
	}
	return b.doc, x, nil
}

// keepConversion keeps a rendered body and answers where to ask for it.
func (c *call) keepConversion(value, to string) v1AsyncID {
	if c.st.conversions == nil || len(c.st.conversions) >= maxConversions {
		c.st.conversions = map[string]conversion{}
	}
	id := uuidOf("conversion/" + itoa(c.st.newMedia()) + c.now().String())
	c.st.conversions[id] = conversion{value: value, to: to, at: c.now()}
	return v1AsyncID{ID: id}
}

type v1Converted struct {
	Value          string `json:"value,omitempty"`
	Representation string `json:"representation"`
	TaskID         string `json:"renderTaskId"`
	Status         string `json:"status"`
}

func (c *call) showConversion(id string) (v1Converted, *apiError) {
	v, ok := c.st.conversions[id]
	age := c.now().Sub(v.at)
	if !ok || age > c.opts.TaskTime+conversionLife {
		return v1Converted{}, notFound("No conversion task found with id: %s", id)
	}
	if age < c.opts.TaskTime {
		return v1Converted{Representation: v.to, TaskID: id, Status: "WORKING"}, nil
	}
	return v1Converted{Value: v.value, Representation: v.to, TaskID: id, Status: "COMPLETED"}, nil
}

func (c *call) convertedBody() (any, *apiError) {
	c.rlock()
	out, err := c.showConversion(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *call) convertBodies() (any, *apiError) {
	var in struct {
		Inputs []convertIn `json:"conversionInputs"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Inputs) == 0 || len(in.Inputs) > maxBulkIn {
		return nil, badRequest("Between 1 and %d conversions can be requested at once, got %d", maxBulkIn, len(in.Inputs))
	}
	c.lock()
	out := []any{}
	for _, one := range in.Inputs {
		id, err := c.convert(one)
		if err != nil {
			id = v1AsyncID{ID: "FAILED_TO_QUEUE"}
		}
		out = append(out, id)
	}
	return out, nil
}

func (c *call) convertedBodies() (any, *apiError) {
	ids := c.list("ids")
	if len(ids) == 0 || len(ids) > maxBulkOut {
		return nil, badRequest("Between 1 and %d results can be requested at once, got %d", maxBulkOut, len(ids))
	}
	c.rlock()
	out := []v1Converted{}
	for _, id := range ids {
		v, err := c.showConversion(id)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
