package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-run/sluice/bench/program"
)

// sdk is an official SDK, and how its program is run.
type sdk struct {
	name    string
	command func(o *options) []string
}

var sdks = []sdk{
	{"composio (Python)", func(o *options) []string { return []string{o.python, "test/acceptance/python/load.py"} }},
	{"@composio/core (TypeScript)", func(o *options) []string { return []string{"node", filepath.Join(o.node, "load.mjs")} }},
}

// worker is a running program of an SDK.
type worker struct {
	sdk      sdk
	user     string
	cmd      *exec.Cmd
	in       io.WriteCloser
	lines    *bufio.Scanner
	problems bytes.Buffer
}

// start runs the SDK's program as a user, and waits until it is ready to work.
func (s sdk) start(ctx context.Context, o *options, url, user string) (*worker, error) {
	command := append(s.command(o), url, program.Key, user)
	w := &worker{sdk: s, user: user, cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	w.cmd.Stderr = &w.problems
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.lines = bufio.NewScanner(out)
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	if !w.lines.Scan() || w.lines.Text() != "ready" {
		return nil, w.failed(w.cmd.Wait())
	}
	return w, nil
}

func (w *worker) failed(err error) error {
	return fmt.Errorf("%s as %s: %w: %s", w.sdk.name, w.user, err, strings.ReplaceAll(w.problems.String(), program.Key, "…"))
}

// work has the program work until the time is over, at least one round, and says how
// many rounds it made.
func (w *worker) work(length time.Duration) (rounds int, err error) {
	if _, err := fmt.Fprintln(w.in, length.Seconds()); err != nil {
		return 0, w.failed(errors.Join(err, w.cmd.Wait()))
	}
	var made struct{ Turns int }
	if w.lines.Scan() {
		err = json.Unmarshal(w.lines.Bytes(), &made)
	}
	if ended := w.cmd.Wait(); ended != nil || err != nil || made.Turns < 1 {
		return 0, w.failed(errors.Join(ended, err, errors.New("no rounds")))
	}
	return made.Turns, nil
}
