package cli_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/html"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// startCloud: cloud runs a Confluence Cloud of two sites, acme and acme-labs,
// with its sign-in host beside the script, and sets $CLOUD, $APP and $APP_SECRET
// of an OAuth application, $ANN (on both sites), $BOT and $BOT_SECRET of a
// service account, and $SITE_ONE and $SITE_TWO, their cloud ids.
func startCloud(ts *testscript.TestScript, _ bool, _ []string) {
	srv := confluence.NewServer(confluence.Options{Site: "acme", Seed: true})
	ts.Defer(srv.Close)
	labs, err := srv.AddSite(confluence.Options{Site: "acme-labs"})
	ts.Check(err)
	ann := srv.AddUser(confluence.User{Email: "ann@acme.example", DisplayName: "Ann of Acme", Admin: true})
	labs.AddUser(confluence.User{AccountID: ann.AccountID, Email: ann.Email, DisplayName: ann.DisplayName})
	app := srv.AddOAuthApp(confluence.OAuthApp{Name: "Sluice at Acme"})
	bot := srv.AddServiceAccount(confluence.ServiceAccount{Name: "Robot"})
	for name, v := range map[string]string{
		"CLOUD": srv.URL, "APP": app.ClientID, "APP_SECRET": app.ClientSecret, "ANN": ann.AccountID,
		"BOT": bot.ClientID, "BOT_SECRET": bot.ClientSecret, "SITE_ONE": srv.CloudID(), "SITE_TWO": labs.CloudID(),
	} {
		ts.Setenv(name, v)
	}
	*ts.Value(registrar{}).(*func(string)) = func(redirect string) {
		app.RedirectURIs = []string{redirect}
		srv.AddOAuthApp(app)
	}
}

// registrar is where a script keeps its cloud's register.
type registrar struct{}

// register: register ADDRESS has the application's people come back to ADDRESS.
func register(ts *testscript.TestScript, _ bool, args []string) {
	(*ts.Value(registrar{}).(*func(string)))(args[0])
}

// person plays whoever sits before a browser:
//
//	person ADDRESS            opens the address and goes on to the end, as $BROWSER does
//	person paste sluice …     runs the command and carries back to it the address on
//	                          which the browser ends; $PASTE says which instead: "other"
//	                          (that of the walk before), "open" (the one to open), "cut"
//	person code sluice …      runs the command and types its code; $CODE instead of it
//
// $ANN consents, to $SITES, without the scopes in $DROP; "deny" in $DECISION
// declines. $ANSWERS are lines for the command after the address.
func person() int {
	var err error
	switch os.Args[1] {
	case "paste", "code":
		err = accompany(os.Args[1], os.Args[2:])
	default:
		var end string
		if end, err = newBrowserOf().walk(os.Args[1], false); err == nil {
			fmt.Println(end)
		}
	}
	var code *exec.ExitError
	switch {
	case errors.As(err, &code):
		return code.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "person:", err)
		return 99
	}
	return 0
}

// accompany runs a command and does what it asks the person to do.
func accompany(how string, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout = os.Stdout
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	acted := error(nil)
	page := ""
	for sc := bufio.NewScanner(said); sc.Scan(); {
		line := sc.Text()
		fmt.Fprintln(os.Stderr, line)
		word := strings.TrimSpace(line)
		switch {
		case how == "paste" && strings.Contains(word, "/authorize?"):
			var address string
			if address, acted = pasted(word); acted == nil {
				_, acted = io.WriteString(in, address+"\n"+strings.ReplaceAll(os.Getenv("ANSWERS"), ",", "\n")+"\n")
			}
			_ = in.Close()
		case how == "code" && strings.HasSuffix(word, "/connect"):
			page = word
		case how == "code" && page != "" && len(word) == 9 && word[4] == '-':
			acted = os.WriteFile("code.txt", []byte(word), 0o600)
			b := newBrowserOf()
			b.code = word
			if acted == nil {
				var end string
				end, acted = b.walk(page, false)
				fmt.Fprintln(os.Stderr, "the browser ends on:", end)
			}
			_ = in.Close()
		}
		if acted != nil {
			_ = cmd.Process.Kill()
		}
	}
	return errors.Join(acted, cmd.Wait())
}

// pasted consents and gives what is pasted.
func pasted(open string) (string, error) {
	const before = "before.txt"
	b := newBrowserOf()
	address, err := b.walk(open, true)
	if err != nil {
		return "", err
	}
	earlier, _ := os.ReadFile(before)
	if err := os.WriteFile(before, []byte(address), 0o600); err != nil {
		return "", err
	}
	switch os.Getenv("PASTE") {
	case "other":
		return string(earlier), nil
	case "open":
		return open, nil
	case "cut":
		address, _, _ = strings.Cut(address, "?")
	}
	return address, nil
}

// browserOf is a browser with cookies.
type browserOf struct {
	http *http.Client
	code string // to type where one is asked for
}

func newBrowserOf() *browserOf {
	jar, _ := cookiejar.New(nil) // fails never without options
	return &browserOf{http: &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// walk opens an address, answers each page, and gives the text of the last one;
// with stop, the address to which the provider sends the browser, unopened.
func (b *browserOf) walk(address string, stop bool) (string, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	for range 20 {
		if err != nil {
			return "", err
		}
		res, doErr := b.http.Do(req)
		if doErr != nil {
			return "", doErr
		}
		body, readErr := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if readErr != nil {
			return "", readErr
		}
		if to, locErr := res.Location(); locErr == nil {
			if stop && strings.HasPrefix(to.Path, "/oauth/callback") {
				return to.String(), nil
			}
			req, err = http.NewRequest(http.MethodGet, to.String(), nil)
			continue
		}
		root, parseErr := html.Parse(bytes.NewReader(body))
		if parseErr != nil {
			return "", parseErr
		}
		next := b.next(req.URL, root)
		if next == nil || res.StatusCode != http.StatusOK {
			return fmt.Sprintf("%d %s", res.StatusCode, words(root)), nil
		}
		req = next
	}
	return "", errors.New("the browser goes in circles")
}

// next does what a page asks for; nil when it asks for nothing.
func (b *browserOf) next(at *url.URL, root *html.Node) *http.Request {
	form, to := url.Values{}, ""
	for n := range root.Descendants() {
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		name, value := attr["name"], attr["value"]
		switch {
		case n.Data == "meta" && attr["http-equiv"] == "refresh":
			_, address, _ := strings.Cut(attr["content"], "url=")
			req, _ := http.NewRequest(http.MethodGet, address, nil)
			return req
		case n.Data == "form":
			u, err := at.Parse(attr["action"])
			if err != nil {
				return nil
			}
			to = u.String()
		case n.Data == "input" && name == "code":
			form.Set(name, b.code)
		case n.Data == "input" && name == "allow" && value == os.Getenv("DROP"):
		case n.Data == "input" && name == "field-subdomain":
			form.Set(name, os.Getenv("SUBDOMAIN"))
		case n.Data == "input" && name != "":
			form.Add(name, value)
		case n.Data == "select" && name == "account":
			form.Set(name, os.Getenv("ANN"))
		case n.Data == "select" && name == "site":
			form[name] = strings.Split(os.Getenv("SITES"), ",")
		case n.Data == "button" && name == "decision":
			form.Set(name, map[bool]string{true: "cancel", false: "accept"}[os.Getenv("DECISION") == "deny"])
		case n.Data == "button" && name == "action" && !form.Has(name):
			form.Set(name, value)
		}
	}
	if to == "" {
		return nil
	}
	if site := form["site"]; strings.HasPrefix(at.Path, "/oauth/finish/") && len(site) > 1 {
		form["site"] = site[:1]
	}
	req, _ := http.NewRequest(http.MethodPost, to, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func words(root *html.Node) string {
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
