package connecttest

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// Paper is a toolkit without accounts whose tools take and give files.
func Paper() *toolkit.Toolkit {
	self := func(c *toolkit.Call) (*toolkit.Call, error) { return c, nil }
	return &toolkit.Toolkit{
		Slug: "paper", Name: "Paper", Description: "Text files.", Version: "20260101_00",
		Tools: toolkit.Bind(self,
			toolkit.Read("PAPER_READ", "Read paper", "Read a text file.", toolkit.About{}, readPaper),
			toolkit.Create("PAPER_PRINT", "Print paper", "Make a text file.", toolkit.About{}, printPaper),
		),
	}
}

type readPaperInput struct {
	File toolkit.File `json:"file" jsonschema_description:"The file to read."`
}

// Sheet is what PAPER_READ gives.
type Sheet struct {
	Name string `json:"name"`
	MIME string `json:"mimetype"`
	Size int64  `json:"size"`
	Text string `json:"text"`
}

func readPaper(ctx context.Context, c *toolkit.Call, in readPaperInput) (*Sheet, error) {
	f, err := c.Files.Open(ctx, in.File.Key)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return &Sheet{Name: f.Name, MIME: f.MIME, Size: f.Size, Text: string(text)}, nil
}

type printPaperInput struct {
	Name  string `json:"name" jsonschema_description:"Name of the file."`
	Text  string `json:"text" jsonschema_description:"What to print."`
	Times int    `json:"times,omitempty" jsonschema:"default=1" jsonschema_description:"How often to repeat the text."`
}

// Printed is what PAPER_PRINT gives.
type Printed struct {
	File toolkit.FileRef `json:"file"`
}

func printPaper(ctx context.Context, c *toolkit.Call, in printPaperInput) (*Printed, error) {
	ref, err := c.Files.Save(ctx, in.Name, "text/plain", strings.NewReader(strings.Repeat(in.Text, in.Times)))
	if err != nil {
		return nil, err
	}
	return &Printed{File: ref}, nil
}
