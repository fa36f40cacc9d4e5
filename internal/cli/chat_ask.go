package cli

import (
	"context"

	"github.com/sluice-run/sluice/agent"
)

// tuiAsker puts a tool's question on the input line.
type tuiAsker struct {
	screen screen
	open   opener
}

func (a *tuiAsker) reply(ctx context.Context) questioner {
	return func(label string) (string, error) {
		reply := make(chan string, 1)
		a.screen.Send(question{label: label, reply: reply})
		select {
		case <-ctx.Done():
			a.screen.Send(withdrawMsg{reply})
			return "", ctx.Err()
		case r := <-reply:
			return r, nil
		}
	}
}

func (a *tuiAsker) url(ctx context.Context, q agent.URLRequest) (agent.Answer, error) {
	a.screen.Println(urlText(q))
	answer, failed := askURL(ctx, q, a.reply(ctx), a.open)
	if failed {
		a.screen.Println(notOpened)
	}
	return answer, nil
}

func (a *tuiAsker) form(ctx context.Context, q agent.FormRequest) (agent.Answer, error) {
	a.screen.Println(formText(q))
	return askForm(q.Schema, a.reply(ctx))
}
