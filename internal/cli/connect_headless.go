package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/client"
)

// maxPastes bounds how often a wrong address may be followed by another.
const maxPastes = 5

// connectByHand has the person carry the provider's answer here, where their
// browser cannot reach the router.
func (f *connectFlags) connectByHand(ctx context.Context, r *router, toolkit string, fields []client.AuthField, values map[string]string, link *client.Link) (*client.Account, error) {
	p := newPrompter(f.shared)
	if err := f.askFields(ctx, p, fields, values); err != nil {
		return nil, err
	}
	begun, err := r.BeginConsent(ctx, link.Token, values)
	if err != nil {
		return nil, err
	}
	width := columns(f.Err, 80)
	fmt.Fprintf(f.Err, "Open this address in any browser and decide there:\n%s\n\n", printable(begun.AuthorizeURL))
	fmt.Fprintln(f.Err, wrap("Afterwards the browser ends on a page that may not load. That is right. Copy its whole address, which begins with", width))
	fmt.Fprintf(f.Err, "  %s?\n", printable(begun.RedirectURI))
	fmt.Fprintln(f.Err, wrap("and paste it here within "+inMinutes(time.Until(begun.ExpiresAt))+".", width))
	f.noteLocal(r)
	result, err := f.paste(ctx, r, p, begun)
	if err != nil {
		return nil, err
	}
	for result.Status == "question" {
		site, err := f.chooseSite(ctx, p, toolkit, result.Sites)
		if err != nil {
			return nil, err
		}
		if result, err = r.FinishConsent(ctx, begun, site); err != nil {
			return nil, err
		}
	}
	if result.Status != "connected" {
		return nil, &client.Error{Message: result.Message, Fix: result.Fix + " To ask again, run this again."}
	}
	return r.Account(ctx, result.AccountID)
}

func inMinutes(d time.Duration) string {
	n := int(d.Round(time.Minute) / time.Minute)
	if n <= 1 {
		return "a minute"
	}
	return strconv.Itoa(n) + " minutes"
}

// paste asks for the address until it is the answer. It is not shown: it is a
// secret until it is used.
func (f *connectFlags) paste(ctx context.Context, r *router, p *prompter, begun *client.Consent) (*client.ConsentResult, error) {
	for try := 1; ; try++ {
		address, err := p.ask(ctx, client.AuthField{DisplayName: "Address", Required: true, Secret: true})
		if err != nil {
			return nil, err
		}
		if address == "" && p.term >= 0 && try < maxPastes {
			continue
		}
		stop := f.busy("Connecting")
		result, err := r.AnswerConsent(ctx, begun, address)
		stop()
		var wrong *client.Error
		if errors.As(err, &wrong) && wrong.Status == 400 && p.term >= 0 && try < maxPastes {
			fmt.Fprintln(f.Err, wrap(printable(wrong.Message+" "+wrong.Fix), columns(f.Err, 80)))
			continue
		}
		return result, err
	}
}

// chooseSite asks which site a connection is for, and whether what was granted
// there will do.
func (f *connectFlags) chooseSite(ctx context.Context, p *prompter, toolkit string, sites []client.ConsentSite) (string, error) {
	width := columns(f.Err, 80)
	if len(sites) == 0 {
		return "", &client.Error{Message: "the router asks to choose a site and names none."}
	}
	site := sites[0]
	if len(sites) > 1 {
		fmt.Fprintln(f.Err, "Which site is this connection for?")
		for i, s := range sites {
			fmt.Fprintf(f.Err, "  %d  %s  %s\n", i+1, cut(s.Name, 40), printable(s.URL))
			if len(s.Missing) > 0 {
				fmt.Fprintln(f.Err, wrap("     "+lacks(s), width))
			}
		}
		reply, err := p.ask(ctx, client.AuthField{DisplayName: fmt.Sprintf("Number, 1 to %d", len(sites)), Required: true})
		if err != nil {
			return "", err
		}
		n, err := strconv.Atoi(reply)
		if err != nil || n < 1 || n > len(sites) {
			return "", fmt.Errorf("a number from 1 to %d was expected; nothing was connected", len(sites))
		}
		site = sites[n-1]
	}
	if len(site.Missing) == 0 {
		return site.ID, nil
	}
	if len(sites) == 1 {
		fmt.Fprintln(f.Err, wrap(lacks(site), width))
	}
	reply, err := p.ask(ctx, client.AuthField{DisplayName: "Connect anyway? yes or no", Default: "no"})
	if err != nil {
		return "", err
	}
	if formValue(reply, "boolean") != true {
		return "", &client.Error{Message: toolkit + " is not connected: less was allowed than was asked for.", Fix: "Run this again, and allow everything."}
	}
	return site.ID, nil
}

// lacks says what will not work for want of scopes.
func lacks(s client.ConsentSite) string {
	missing := printable(strings.Join(s.Missing, ", "))
	if len(s.Lost) == 0 {
		return "Less was allowed than was asked for. Missing: " + missing + "."
	}
	return fmt.Sprintf("%d of %d tools will not work. Missing: %s.", len(s.Lost), s.Of, missing)
}

// showCode shows a code that leads to the link from any device that reaches the
// router.
func (f *connectFlags) showCode(ctx context.Context, r *router, toolkit string, link *client.Link) error {
	code, err := r.CreateConnectCode(ctx, link.Token)
	if err != nil {
		return err
	}
	fmt.Fprintf(f.Err, "To connect %s, open this page on any device and type the code:\n\n  %s\n  %s\n\nThe code is good once, for %s.\n",
		toolkit, printable(code.PageURL), printable(code.Code), inMinutes(time.Until(code.ExpiresAt)))
	if loopback(code.PageURL) {
		fmt.Fprintln(f.Err, wrap("Only this machine reaches that address. For other devices give the router an address that they reach: "+
			"sluice serve with --public-url or SLUICE_PUBLIC_URL.", columns(f.Err, 80)))
	}
	return nil
}

// elsewhere asks whether the browser is on another machine, where it cannot come
// to the link.
func (f *connectFlags) elsewhere(ctx context.Context, address string) (bool, error) {
	if f.noBrowser || !loopback(address) || !isTerminal(f.In) {
		return false, nil
	}
	reply, err := newPrompter(f.shared).ask(ctx, client.AuthField{DisplayName: "Is your browser on another machine? yes or no", Default: "no"})
	return err == nil && formValue(reply, "boolean") == true, err
}

// loopback says whether only this machine reaches an address.
func loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// noteLocal says what may go wrong with a router that only runs as long as the
// command.
func (f *connectFlags) noteLocal(r *router) {
	if r.app == nil {
		return
	}
	fmt.Fprintln(f.Err, wrap("This router runs only as long as this command, at an address of its own, which the provider may not know. "+
		"If it refuses the redirect address, run sluice serve and set SLUICE_URL.", columns(f.Err, 80)))
}
