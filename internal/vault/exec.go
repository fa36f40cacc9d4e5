package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	execTimeout   = 10 * time.Second
	execMaxOut    = 1 << 20
	execMaxErr    = 4 << 10
	execGraceTime = time.Second
)

// ExecKey has a program seal the keyset: a client of a cloud's key service, of a
// smart card. It is started without a shell for each operation, gets one JSON
// object on its input and answers with one:
//
//	{"version":1,"operation":"wrap","plaintext":"…","associated_data":"…"}   → {"ciphertext":"…"}
//	{"version":1,"operation":"unwrap","ciphertext":"…","associated_data":"…"} → {"plaintext":"…"}
//
// The values are base64. A failure is {"error":"what was wrong"} or an exit code
// other than 0; what it writes to its error output ends up in messages, clipped
// and with what looks like a secret masked. It has 10 s and 1 MiB. The first word
// of command is its absolute path; variables named SLUICE_* do not reach it.
func ExecKey(command []string) (KeyProvider, error) {
	if len(command) == 0 || !filepath.IsAbs(command[0]) {
		return nil, domain.Invalid("key_provider", "exec needs the absolute path of a program, such as exec:/usr/local/bin/kms-wrap sluice")
	}
	return execKey{command: command}, nil
}

type execKey struct{ command []string }

var _ Rewrapper = execKey{}

// Name leaves out the arguments: one might be a secret.
func (k execKey) Name() string { return "the program " + k.command[0] }

// Rewraps says that sealing again uses whatever key the program has now.
func (k execKey) Rewraps() bool { return true }

func (k execKey) KEK(context.Context, bool) (KEK, error) { return k, nil }

type execRequest struct {
	Version        int    `json:"version"`
	Operation      string `json:"operation"`
	Plaintext      []byte `json:"plaintext,omitempty"`
	Ciphertext     []byte `json:"ciphertext,omitempty"`
	AssociatedData []byte `json:"associated_data"`
}

type execAnswer struct {
	Plaintext  []byte `json:"plaintext"`
	Ciphertext []byte `json:"ciphertext"`
	Error      string `json:"error"`
}

func (k execKey) EncryptWithContext(ctx context.Context, plaintext, ad []byte) ([]byte, error) {
	a, err := k.run(ctx, execRequest{Operation: "wrap", Plaintext: plaintext, AssociatedData: ad})
	if err != nil {
		return nil, err
	}
	if len(a.Ciphertext) == 0 || bytes.Contains(a.Ciphertext, plaintext) {
		return nil, k.failed("it answered wrap without a ciphertext, or with the plaintext itself", nil)
	}
	return a.Ciphertext, nil
}

func (k execKey) DecryptWithContext(ctx context.Context, ciphertext, ad []byte) ([]byte, error) {
	a, err := k.run(ctx, execRequest{Operation: "unwrap", Ciphertext: ciphertext, AssociatedData: ad})
	if err != nil {
		return nil, err
	}
	if len(a.Plaintext) == 0 {
		return nil, k.failed("it answered unwrap without a plaintext", nil)
	}
	return a.Plaintext, nil
}

func (k execKey) run(ctx context.Context, in execRequest) (*execAnswer, error) {
	in.Version = 1
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	limited, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, k.command[0], k.command[1:]...) //nolint:gosec // the operator's own setting, no shell
	cmd.Stdin = bytes.NewReader(body)
	cmd.Env = outerEnv(os.Environ())
	cmd.WaitDelay = execGraceTime // children of its own may hold the pipes
	out, errs := &bounded{limit: execMaxOut, strict: true}, &bounded{limit: execMaxErr}
	cmd.Stdout, cmd.Stderr = out, errs
	defer func() { clear(out.b) }()
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, k.failed(fmt.Sprintf("it did not end within %s", execTimeout), errs)
	case out.over:
		return nil, k.failed(fmt.Sprintf("it wrote more than %d bytes", execMaxOut), errs)
	}
	var a execAnswer
	bad := json.Unmarshal(out.b, &a)
	switch {
	case bad == nil && a.Error != "":
		return nil, k.failed(mask(a.Error), errs)
	case err != nil:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, k.failed(fmt.Sprintf("it ended with code %d", exit.ExitCode()), errs)
		}
		return nil, k.failed(fmt.Sprintf("it cannot be run: %v", reason(err)), nil)
	case bad != nil:
		return nil, k.failed("it did not answer with one JSON object", errs)
	}
	return &a, nil
}

func (k execKey) failed(why string, errs *bounded) error {
	if errs != nil && len(errs.b) > 0 {
		why += "; it said: " + mask(string(errs.b))
	}
	return domain.Errorf(domain.CodeUnavailable, "%s failed: %s", k.Name(), why).
		WithFix("run it by hand with a request on its input (docs/vault.md shows one); nothing was changed")
}

// outerEnv is the environment without our own settings.
func outerEnv(env []string) []string {
	out := make([]string, 0, len(env))
	for _, e := range env {
		if !strings.HasPrefix(e, "SLUICE_") {
			out = append(out, e)
		}
	}
	return out
}

// secretish is what a program might let slip: long runs of what keys and tokens
// are written in.
var secretish = regexp.MustCompile(`[0-9A-Za-z+/_=.-]{24,}`)

// mask bounds foreign text and hides in it what could be a secret.
func mask(text string) string { return clip(secretish.ReplaceAllString(text, "[hidden]"), 300) }

// bounded keeps the first bytes written to it. What more comes is thrown away,
// or, when strict, ends the program that writes it.
type bounded struct {
	b            []byte
	limit        int
	strict, over bool
}

var errTooMuch = errors.New("it wrote too much")

func (w *bounded) Write(p []byte) (int, error) {
	room := min(w.limit-len(w.b), len(p))
	w.b = append(w.b, p[:room]...)
	if room < len(p) {
		w.over = true
		if w.strict {
			return room, errTooMuch
		}
	}
	return len(p), nil
}
