package execute

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// maxPhrase bounds in bytes each text that goes to the model: what is to be done, and
// what the caller adds to the tool's description and to the instructions.
const maxPhrase = 16 << 10

// maxPhrases bounds how many texts of a project are with the model at a time.
const maxPhrases = 8

// Phraser puts what a person wrote into a tool's arguments. Its error is *Unclear
// when the text does not give them, else a *domain.Error.
type Phraser interface {
	Phrase(ctx context.Context, p Phrase) (json.RawMessage, error)
}

// Phrase is all that a model sees of a call, and how to judge what it makes of it.
type Phrase struct {
	Tool        string // slug
	Description string
	Schema      json.RawMessage
	Text        string
	Guidance    string // of the caller, on how to read the text; may be empty
	// Check says, in words for the model, what is wrong with arguments.
	Check func(args json.RawMessage) error
}

// Unclear says why a text gave no arguments, in words for who wrote it.
type Unclear struct{ Message string }

func (u *Unclear) Error() string { return u.Message }

// NoModel is the Phraser of a router without a model. why names the setting.
func NoModel(why string) Phraser { return noModel(why) }

type noModel string

func (n noModel) Phrase(context.Context, Phrase) (json.RawMessage, error) {
	e := domain.Errorf(domain.CodeUnsupported, "this router has no model that could read text: %s", string(n)).
		WithFix("Give the tool's arguments, or have the operator set model (SLUICE_MODEL) and restart the router.")
	e.Field = "text"
	return nil, e
}

// PhraseRequest asks for the arguments of a tool, without running it.
type PhraseRequest struct {
	ProjectID     string
	Tool, Version string
	Text          string
	Description   string // added to the tool's
	Guidance      string // added to the model's instructions
}

// Phrase gives arguments that fit the tool's schema. The error is *Unclear when the
// text does not give them, else a *domain.Error.
func (s *Service) Phrase(ctx context.Context, r PhraseRequest) (json.RawMessage, error) {
	t, err := s.opts.Catalog.Tool(ctx, r.ProjectID, r.Tool, r.Version)
	if err != nil {
		return nil, err
	}
	for field, text := range map[string]string{"custom_description": r.Description, "system_prompt": r.Guidance} {
		if len(text) > maxPhrase {
			return nil, tooLong(field)
		}
	}
	return s.phrase(ctx, r.ProjectID, t, r)
}

func tooLong(field string) error {
	return domain.Invalid(field, "%s: expected %d bytes at most", field, maxPhrase)
}

func (s *Service) phrase(ctx context.Context, project string, t *catalog.Tool, r PhraseRequest) (json.RawMessage, error) {
	text := strings.TrimSpace(r.Text)
	switch {
	case text == "":
		return nil, domain.Invalid("text", "text: say in a sentence what %s is to do", t.Slug)
	case len(text) > maxPhrase:
		return nil, tooLong("text")
	}
	leave, err := s.phraseSlots.enter(ctx, project)
	if err != nil {
		return nil, err
	}
	defer leave()
	p := Phrase{
		Tool: t.Slug, Description: t.Description, Schema: t.Input, Text: text, Guidance: r.Guidance,
		Check: func(args json.RawMessage) error { return fits(t.Tool, args) },
	}
	if r.Description != "" {
		p.Description += "\n\n" + r.Description
	}
	args, err := s.opts.Phraser.Phrase(ctx, p)
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := p.Check(args); err != nil { // whatever the model's room did
		return nil, &Unclear{Message: "no arguments that fit " + t.Slug + " came of it: " + err.Error()}
	}
	return args, nil
}

func fits(t *toolkit.Tool, args json.RawMessage) error {
	if err := CheckValues(args); err != nil {
		return err
	}
	_, err := t.Validate(args)
	var te *toolkit.Error
	if errors.As(err, &te) && te.Fix != "" {
		return errors.New(te.Message + " " + te.Fix)
	}
	return err
}

// phrase puts the call's text, where it has one, into its arguments.
func (r *run) phrase(ctx context.Context, t *catalog.Tool) error {
	if r.req.Text == "" {
		return nil
	}
	if r.record.ArgsDigest != emptyDigest {
		return domain.Invalid("text", "text: give it or arguments, not both")
	}
	args, err := r.s.phrase(ctx, r.req.Principal.ProjectID, t, PhraseRequest{Text: r.req.Text})
	var unclear *Unclear
	switch {
	case errors.As(err, &unclear):
		return domain.Invalid("text", "text: %s", unclear.Message).WithFix("Say it in other words, or give the tool's arguments.")
	case err != nil:
		return err
	}
	r.arguments(args)
	return nil
}

// arguments sets what the call's tool is given, and what its record says of that.
func (r *run) arguments(args json.RawMessage) {
	r.req.Arguments = args
	r.args, r.record.ArgsDigest = decode(args)
	r.record.ArgsSize = len(args)
	r.bound, r.shown = r.record.ArgsDigest, args
}
