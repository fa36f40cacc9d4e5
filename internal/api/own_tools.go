package api

import (
	"context"
	"encoding/json"

	"github.com/sluice-run/sluice/internal/session"
)

// customToolIn is a tool of the application's own, which runs in its process.
type customToolIn struct {
	Slug        string `json:"slug"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Input       object `json:"input_schema"`
	Output      object `json:"output_schema,omitempty"`
	Extends     string `json:"extends_toolkit,omitempty" doc:"Toolkit that the tool goes with"`
	Preload     bool   `json:"preload,omitempty" doc:"A hint of the SDK's to itself"`
}

type customToolkitIn struct {
	Slug        string         `json:"slug"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Preload     bool           `json:"preload,omitempty"`
	Tools       []customToolIn `json:"tools" nullable:"false"`
}

type customToolOut struct {
	Slug        string  `json:"slug" doc:"Under which agents call it"`
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Input       object  `json:"input_schema"`
	Output      *object `json:"output_schema,omitempty"`
	Extends     string  `json:"extends_toolkit,omitempty"`
	Original    string  `json:"original_slug"`
}

type customToolkitOut struct {
	Slug        string          `json:"slug"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Tools       []customToolOut `json:"tools"`
}

// own gives the application's own tools that a request brings; nil: none.
func (s *server) own(ctx context.Context, in *experimentalIn) (*session.Own, error) {
	toolkits := make([]session.OwnToolkit, 0, len(in.CustomToolkits))
	for _, tk := range in.CustomToolkits {
		toolkits = append(toolkits, session.OwnToolkit{Slug: tk.Slug, Name: tk.Name, Description: tk.Description, Tools: ownTools(tk.Tools)})
	}
	return s.Sessions.Own(ctx, callerOf(ctx).principal.ProjectID, toolkits, ownTools(in.CustomTools))
}

func ownTools(in []customToolIn) []session.OwnTool {
	out := make([]session.OwnTool, 0, len(in))
	for _, t := range in {
		out = append(out, session.OwnTool{
			Original: t.Slug, Name: t.Name, Description: t.Description, Extends: t.Extends,
			Input: json.RawMessage(t.Input), Output: json.RawMessage(t.Output),
		})
	}
	return out
}

// tell puts the application's own tools into the answer, with their slugs.
func (out *experimentalOut) tell(own *session.Own) {
	out.CustomToolkits, out.CustomTools = []customToolkitOut{}, []customToolOut{}
	if own == nil {
		return
	}
	out.CustomTools = customToolsWire(own.Tools)
	for _, tk := range own.Toolkits {
		out.CustomToolkits = append(out.CustomToolkits, customToolkitOut{
			Slug: tk.Slug, Name: tk.Name, Description: tk.Description, Tools: customToolsWire(tk.Tools),
		})
	}
}

func customToolsWire(tools []session.OwnTool) []customToolOut {
	out := make([]customToolOut, 0, len(tools))
	for _, t := range tools {
		w := customToolOut{Slug: t.Slug, Name: t.Name, Description: t.Description, Input: object(t.Input), Extends: t.Extends, Original: t.Original}
		if len(t.Output) > 0 {
			o := object(t.Output)
			w.Output = &o
		}
		out = append(out, w)
	}
	return out
}
