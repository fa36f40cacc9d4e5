package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
)

// site is where the user's Confluence is, as far as the chat can tell.
type site struct {
	sandbox bool
	name    string // of a connected site
}

// findSite looks at the account that calls will run on. It is for the greeting
// only, so what cannot be read is left unsaid.
func findSite(ctx context.Context, r *router, user string) site {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	query := client.AccountQuery{UserIDs: []string{user}, Toolkits: []string{"confluence"}, Statuses: []string{"ACTIVE"}}
	inProcess := r.app != nil && r.app.SandboxURL() != ""
	for a, err := range r.Accounts(ctx, query) { // newest first
		if err != nil {
			return site{}
		}
		base, _ := a.Data["base_url"].(string)
		name, _ := a.Data["subdomain"].(string)
		switch {
		case name == "sandbox" && strings.HasPrefix(base, "http://127.0.0.1:"):
			return site{sandbox: true}
		case base != "":
			return site{name: base}
		case strings.Contains(name, "."):
			return site{name: name}
		case name != "":
			return site{name: name + ".atlassian.net"}
		}
		return site{}
	}
	return site{sandbox: inProcess}
}

// suggestions are things to try in the sandbox.
var suggestions = []string{
	"Create a project documentation page in the marketing space",
	"Add 'urgent' label to Q3 planning page",
	"Publish the team meeting summary as a blog post",
}

// welcome says in a few lines where the person is and what there is to do. The
// first line is the title.
func (c *conversation) welcome(width int) (title, text string) {
	parts := []string{"Sluice chat", c.model}
	if c.model == app.OfflineModel {
		parts[1] = "offline model"
	}
	switch {
	case c.site.sandbox:
		parts = append(parts, "sandbox Confluence")
	case c.site.name != "":
		parts = append(parts, "Confluence "+c.site.name)
	}
	if c.router.app == nil {
		parts = append(parts, "router "+c.router.BaseURL())
	}
	var b strings.Builder
	if c.site.sandbox {
		b.WriteString("The sandbox is a made-up company in memory: nothing here is real, and it is gone when the router stops. " +
			"Connect your own site with: sluice connect confluence\n")
	}
	if c.model == app.OfflineModel {
		b.WriteString("No model is set up, so simple rules answer; they understand plain requests only. " +
			"For a real model set OPENAI_API_KEY, or OPENAI_BASE_URL or OLLAMA_HOST.\n")
	}
	if c.site.sandbox {
		b.WriteString("\nTry:\n")
		for _, s := range suggestions {
			fmt.Fprintf(&b, "  %s\n", s)
		}
	}
	return wrap(printable(strings.Join(parts, " · ")), width), wrap(strings.TrimRight(b.String(), "\n"), min(width, 88))
}
