package ui_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// Whoever ends an account, or the way it is connected, while a browser comes back
// for it, has the last word: the account does not come back, nor do secrets.
func TestEndedOnTheWay(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(ctx context.Context, c *cloud, id string) error{
		"revoked": func(ctx context.Context, c *cloud, id string) error {
			_, err := c.connect.Revoke(ctx, c.project, id)
			return err
		},
		"ended by the operator": func(ctx context.Context, c *cloud, id string) error {
			_, _, err := c.connect.End(ctx, c.project, id, "by the operator", true)
			return err
		},
		"deleted": func(ctx context.Context, c *cloud, id string) error {
			_, err := c.connect.Delete(ctx, c.project, id, false)
			return err
		},
		"switched off": func(ctx context.Context, c *cloud, _ string) error {
			return c.connect.EnableAuthConfig(ctx, c.project, c.config.ID, false)
		},
	} {
		for _, moment := range []string{"pending_grant", "access_token"} { // the code is exchanged; all is proven
			t.Run(name+" before "+moment, func(t *testing.T) {
				t.Parallel()
				c := newCloud(t, nil)
				id, address := c.link(c.config, "")
				c.back(c.consent(c.leave(address, "acme"), answer{}))
				before := c.account(id)
				in, err := c.connect.Reconnect(t.Context(), c.project, id, "")
				must(t, err)
				to := c.consent(c.leave(c.server.URL+"/link/"+in.Token, ""), answer{})
				var once sync.Once
				hook := func(field string) {
					if field == moment {
						once.Do(func() {
							if err := end(context.WithoutCancel(t.Context()), c, id); err != nil {
								t.Errorf("ending: %v", err)
							}
						})
					}
				}
				c.vault.before.Store(&hook)
				if p := c.back(to); p.Status/100 != 4 {
					t.Errorf("the page: %d %s", p.Status, text(p))
				}
				now, err := c.connect.Account(t.Context(), c.project, id)
				switch {
				case name == "deleted":
					if domain.CodeOf(err) != domain.CodeNotFound {
						t.Errorf("the account: %+v, %v", now, err)
					}
				case name == "switched off":
					if err != nil || now.Generation != before.Generation || !now.RefreshedAt.Equal(before.RefreshedAt) {
						t.Errorf("the account: %+v, %v", now, err)
					}
					return
				case err != nil || now.Status != domain.AccountRevoked:
					t.Errorf("the account: %+v, %v", now, err)
				}
				if left := c.secrets(id); len(left) != 0 {
					t.Errorf("secrets are back: %v", left)
				}
			})
		}
	}
}

// Of one answer of the provider that comes twice at once, one is taken.
func TestAnswerTwiceAtOnce(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	to := c.consent(c.leave(address, "acme"), answer{})
	var wg sync.WaitGroup
	var won atomic.Int64
	for range 4 {
		wg.Go(func() {
			switch p := c.open(to); {
			case p.Status == http.StatusOK:
				won.Add(1)
			case p.Status != http.StatusGone:
				t.Errorf("a late one: %d %s", p.Status, text(p))
			}
		})
	}
	wg.Wait()
	if a := c.account(id); won.Load() != 1 || a.Status != domain.AccountActive || a.Generation != 1 {
		t.Errorf("%d won; the account %+v", won.Load(), a)
	}
	if n := c.srv.OAuthCounts("").Codes; n != 1 {
		t.Errorf("%d codes were exchanged", n)
	}
}

// Asking the provider again and again does not make a link last for ever.
func TestAskingAgainEnds(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	c.later.Store(int64(9 * time.Minute))
	to := c.leave(address, "acme")
	for _, at := range []time.Duration{18 * time.Minute, 19*time.Minute + 50*time.Second} {
		p := c.back(c.consent(to, answer{deny: true}))
		c.later.Store(int64(at))
		p.Form.Set("action", "again")
		to = c.away(c.send(c.server.URL+formAction(p), p.Form))
	}
	back := c.consent(to, answer{})
	c.later.Store(int64(21 * time.Minute))
	if p := c.back(back); p.Status != http.StatusGone || c.account(id).Status == domain.AccountActive {
		t.Errorf("%d %s", p.Status, text(p))
	}
}
