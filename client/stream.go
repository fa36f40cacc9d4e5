package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// stall is how long a file or an export may stand still.
const stall = 60 * time.Second

var errStalled = errors.New("nothing came for too long")

// pulse ends a context when it is not felt for a while. What takes long as a
// whole, a stream or a file, is bounded by it and not by the client's timeout.
type pulse struct {
	every time.Duration
	timer *time.Timer
	end   context.CancelCauseFunc
}

func newPulse(ctx context.Context, every time.Duration) (context.Context, *pulse) {
	ctx, end := context.WithCancelCause(ctx)
	return ctx, &pulse{every: every, end: end, timer: time.AfterFunc(every, func() { end(errStalled) })}
}

func (p *pulse) beat() { p.timer.Reset(p.every) }

// rest stops the clock while the reader of a stream takes its time.
func (p *pulse) rest() { p.timer.Stop() }

func (p *pulse) stop() {
	p.timer.Stop()
	p.end(nil)
}

// why gives the reason behind err, where the pulse was it.
func (p *pulse) why(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// felt is a body whose every read is a beat.
type felt struct {
	io.Reader
	p   *pulse
	err error // of the reader, not of who takes what it gives
}

func (f *felt) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if n > 0 {
		f.p.beat()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// patient is the HTTP client without its timeout: a pulse bounds what it does.
func (c *Client) patient() *http.Client {
	p := *c.http
	p.Timeout = 0
	return &p
}
