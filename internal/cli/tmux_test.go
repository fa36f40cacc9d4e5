package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// terminal is a tmux window with a shell command in it.
type terminal struct {
	t      *testing.T
	socket string
}

// newTerminal runs a command in a window. Its environment is the given one
// alone, and when it ends the window shows "ended with CODE".
func newTerminal(t *testing.T, width, height int, env []string, command string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tmux is missing; .ci/run installs it")
		}
		t.Skip("tmux is not installed: the chat is not tried in a terminal")
	}
	bin, err := exec.LookPath("sluice")
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, socket: filepath.Join(t.TempDir(), "s")}
	script := "env -i " + strings.Join(append([]string{"PATH=" + filepath.Dir(bin), "TERM=$TERM", "LANG=C.UTF-8"}, env...), " ") +
		" " + command + "; echo ended with $?; read _"
	term.tmux("-u", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "-c", t.TempDir(), script)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket, "-f", os.DevNull}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (term *terminal) text() string { return term.tmux("capture-pane", "-p", "-J", "-S", "-") }

func (term *terminal) typed(text string) {
	term.t.Helper()
	term.tmux("send-keys", "-l", text)
}

func (term *terminal) press(keys ...string) {
	term.t.Helper()
	term.tmux(append([]string{"send-keys"}, keys...)...)
}

// shows waits until the window matches.
func (term *terminal) shows(pattern string) string {
	term.t.Helper()
	want := regexp.MustCompile("(?m)" + pattern)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		if text := term.text(); want.MatchString(text) {
			return text
		}
		select {
		case <-tick.C:
		case <-late:
			term.t.Fatalf("the terminal does not show %s:\n%s", pattern, term.text())
		}
	}
}

// The first minutes of a stranger: no configuration, a task, its outcome.
func TestTerminalChat(t *testing.T) {
	t.Parallel()
	term := newTerminal(t, 100, 40, []string{"SLUICE_HOME=" + t.TempDir()}, "sluice chat")
	first := term.shows(`❯ Ask for something`)
	for _, want := range []string{"offline model", "sandbox Confluence", "nothing here is real", "Add 'urgent' label to Q3 planning page"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first screen lacks %q:\n%s", want, first)
		}
	}
	term.typed("Add 'urgent' label to Q3 planning page")
	term.press("Enter")
	term.shows(`^● CONFLUENCE_ADD_CONTENT_LABEL `)
	term.shows(`^  ⎿ ok: `)
	term.shows(`I added the label urgent to the page “Q3 Planning”`)
	term.shows(`\n❯ Ask for something`)

	// ctrl-c clears the line, and once more only hints.
	term.typed("never mind")
	term.shows(`^❯ never mind`)
	term.press("C-c")
	term.shows(`^❯ Ask for something`)
	term.press("C-c")
	term.shows(`ctrl-c again, or exit, to leave`)
	term.press("Up")
	term.shows(`^❯ Add 'urgent' label to Q3 planning page *\n(.*\n)*❯ Add 'urgent' label`)
	term.press("C-c")
	term.shows(`^❯ Ask for something`)

	// Another width while nothing runs leaves one input line.
	term.tmux("resize-window", "-x", "60", "-y", "40")
	term.typed("narrow")
	text := term.shows(`^❯ narrow`)
	if n := strings.Count(text, "❯ narrow"); n != 1 {
		t.Errorf("%d input lines after a resize:\n%s", n, text)
	}
	term.press("C-c")
	term.shows(`^❯ Ask for something`)
	term.typed("exit")
	term.press("Enter")
	term.shows(`^Goodbye!\nended with 0$`)
}

// ctrl-c stops a run that hangs in its model, and not the program.
func TestTerminalStopsRun(t *testing.T) {
	t.Parallel()
	url, asked, gone := slowModel(t)
	term := newTerminal(t, 80, 30, []string{"SLUICE_HOME=" + t.TempDir(), "OPENAI_BASE_URL=" + url}, "sluice chat")
	term.shows(`^Sluice chat · openai\S*:slow-model · sandbox Confluence`)
	term.shows(`❯ Ask for something`)
	for range 2 { // it can be done again
		term.typed("take your time")
		term.press("Enter")
		waitFor(t, asked, "the model was not asked")
		term.shows(`Thinking · \d+s · ctrl-c stops`)
		term.press("C-c")
		waitFor(t, gone, "the model's request was not closed")
		term.shows(`\(stopped\)\n(.*\n)*❯ Ask for something`)
	}
	term.press("C-d")
	term.shows(`ended with 0$`)
}

// The plain chat treats ctrl-c as the other does.
func TestTerminalPlain(t *testing.T) {
	t.Parallel()
	url, asked, gone := slowModel(t)
	term := newTerminal(t, 80, 30, []string{"SLUICE_HOME=" + t.TempDir(), "OPENAI_BASE_URL=" + url}, "sluice chat --plain")
	term.shows(`^You: $`)
	term.typed("take your time")
	term.press("Enter")
	waitFor(t, asked, "the model was not asked")
	term.press("C-c")
	waitFor(t, gone, "the model's request was not closed")
	term.shows(`\(stopped\)\n\nYou: $`)
	term.press("C-c")
	term.shows(`\(ctrl-c again, or exit, to leave\)\nYou: $`)
	term.press("C-c")
	term.shows(`Goodbye!\nended with 0$`)
}

// An interrupted -p ends with 130 and says nothing on standard output.
func TestInterruptOnce(t *testing.T) {
	t.Parallel()
	url, asked, _ := slowModel(t)
	cmd := exec.Command("sluice", "chat", "-p", "take your time")
	cmd.Env = []string{"SLUICE_HOME=" + t.TempDir(), "OPENAI_BASE_URL=" + url}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, asked, "the model was not asked")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the code is looked at below
	if code := cmd.ProcessState.ExitCode(); code != 130 || out.String() != "" || errs.String() != "sluice: interrupted\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, out.String(), errs.String())
	}
}

// slowModel is a model server that never answers. It tells when it was asked and
// when the asker has gone.
func slowModel(t *testing.T) (url string, asked, gone <-chan struct{}) {
	t.Helper()
	begun, left := make(chan struct{}, 10), make(chan struct{}, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/models") {
			_, _ = fmt.Fprint(w, `{"object":"list","data":[{"id":"slow-model","object":"model"}]}`)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see the client leave
		begun <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/v1", begun, left
}

func waitFor(t *testing.T, c <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal(otherwise)
	}
}
