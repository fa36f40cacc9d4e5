package execute_test

import (
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
)

func TestCheckValues(t *testing.T) {
	t.Parallel()
	list := func(value string, n int) string { return "[" + strings.Repeat(value+",", n-1) + value + "]" }
	for name, tt := range map[string]struct {
		message string
		many    bool
	}{
		"nothing":                  {"", false},
		"a page of 4 MiB":          {`{"body":"` + strings.Repeat(`<p>one, {two} [three]</p>\n`, 4<<20/26) + `"}`, false},
		"quotes in a page":         {`{"body":"` + strings.Repeat(`a \"b\", [c] \\`, 1<<18) + `","x":[1,2]}`, false},
		"a long list":              {list("123456789", 99_000), false},
		"a list of empty objects":  {list("{}", 60_000), true},
		"a longer list of numbers": {list("1", 200_000), true},
		"an object of many":        {"{" + strings.Repeat(`"k":1,`, 150_000) + `"k":1}`, true},
		"deep":                     {strings.Repeat("[", 300_000), true},
		"after a page":             {`{"body":"a \\","x":` + list("{}", 200_000) + "}", true},
		"a broken string":          {`{"body":"` + strings.Repeat(",", 300_000), false},
		"a backslash at the end":   {strings.Repeat("[", 300_000) + `\`, true},
	} {
		if err := execute.CheckValues([]byte(tt.message)); (domain.CodeOf(err) == domain.CodeTooLarge) != tt.many {
			t.Errorf("%s: %v", name, err)
		}
	}
}
