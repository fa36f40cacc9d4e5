package openai_test

import (
	"fmt"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/openai"
)

func ExampleNew() {
	model, err := openai.New(openai.Options{Model: "llama3.3", BaseURL: "http://localhost:11434/v1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := agent.New[string](model, agent.Options{Instructions: "Be brief."})
	fmt.Println(model.Name(), a != nil, err)
	// Output: openai:llama3.3 true <nil>
}
