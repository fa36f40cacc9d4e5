package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// State is how a check of the doctor ended.
type State string

// The states, from good to bad. Only a failure makes the report fail.
const (
	StateOK      State = "ok"
	StateSkipped State = "skipped" // it could not be looked at, or need not
	StateWarning State = "warning" // it works, and will not for long or not for all
	StateFailure State = "failure"
)

// Finding is what one check found. No text of it holds a secret.
type Finding struct {
	Check string `json:"check"` // "home", "key", "account", …
	State State  `json:"state"`
	Found string `json:"found"`
	Mend  string `json:"mend,omitempty"` // what to do
	// About names what was looked at where a check looks at several things.
	About *About `json:"about,omitempty"`
	// Tools will fail for want of scopes.
	Tools []ToolWithout `json:"tools,omitempty"`
}

// About names an account or auth config.
type About struct {
	Project    string `json:"project,omitempty"`
	User       string `json:"user,omitempty"`
	Toolkit    string `json:"toolkit,omitempty"`
	Account    string `json:"account,omitempty"`
	AuthConfig string `json:"auth_config,omitempty"`
}

// ToolWithout is a tool and the scopes that it lacks: of each element any one
// would do.
type ToolWithout struct {
	Tool   string     `json:"tool"`
	Scopes [][]string `json:"scopes"`
}

// Diagnosis is everything that the doctor found.
type Diagnosis struct {
	Version  string    `json:"version"`
	Home     string    `json:"home"`
	OK       bool      `json:"ok"` // nothing failed
	Failures int       `json:"failures"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"`
}

// DoctorOptions say what to look at.
type DoctorOptions struct {
	Config Config
	// ConfigError is why there is no usable Config; then little can be checked.
	ConfigError error
	// Environ is the environment, NAME=value; the process's when nil.
	Environ []string
	// KnownVariables are variables of ours that are no settings.
	KnownVariables []string
	// User, Toolkit and Account narrow the accounts that are tried.
	User, Toolkit, Account string
	// Online also asks a model provider that nobody named by its address.
	Online bool
	// Begin hears what is about to be checked, Found what was found. Optional.
	Begin func(what string)
	Found func(Finding)
	// Toolkits are known besides the built-in ones.
	Toolkits []*toolkit.Toolkit
	// Roots verify the router's own certificate; the system's when nil.
	Roots *x509.CertPool
	Now   func() time.Time // time.Now when nil
}

// patience bounds one check that goes over a network.
const patience = 10 * time.Second

// doctor is one examination.
type doctor struct {
	DoctorOptions
	cfg Config
	mu  sync.Mutex
	out Diagnosis
}

// Doctor examines a router's home, configuration and connections, beside a
// running router or without one. It changes nothing but what a call would, tokens
// that have ended and the mode of a SQLite file, and it never fails: what is wrong
// is a finding.
func Doctor(ctx context.Context, opts DoctorOptions) Diagnosis {
	if opts.Environ == nil {
		opts.Environ = os.Environ()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := &doctor{DoctorOptions: opts, cfg: opts.Config}
	d.out = Diagnosis{Version: Version(), Home: d.cfg.Home, Findings: []Finding{}}
	d.environment()
	if opts.ConfigError != nil {
		d.faults("configuration", opts.ConfigError)
	} else {
		d.begin("the configuration")
		if err := d.cfg.Validate(); err != nil {
			d.faults("configuration", err)
		} else {
			d.ok("configuration", "its values make sense together")
		}
		d.home()
		d.address(ctx)
		d.certificate()
		d.publicURL(ctx)
		d.proxy()
		d.model(ctx)
		d.database(ctx)
	}
	d.out.OK = d.out.Failures == 0
	return d.out
}

func (d *doctor) begin(what string) {
	if d.Begin != nil {
		d.Begin(what)
	}
}

func (d *doctor) add(f Finding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch f.State {
	case StateFailure:
		d.out.Failures++
	case StateWarning:
		d.out.Warnings++
	}
	d.out.Findings = append(d.out.Findings, f)
	if d.Found != nil {
		d.Found(f)
	}
}

func (d *doctor) ok(check, format string, args ...any) {
	d.add(Finding{Check: check, State: StateOK, Found: fmt.Sprintf(format, args...)})
}

func (d *doctor) skip(check, format string, args ...any) {
	d.add(Finding{Check: check, State: StateSkipped, Found: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(check, mend, format string, args ...any) {
	d.add(Finding{Check: check, State: StateWarning, Found: fmt.Sprintf(format, args...), Mend: mend})
}

func (d *doctor) fail(check, mend, format string, args ...any) {
	d.add(Finding{Check: check, State: StateFailure, Found: fmt.Sprintf(format, args...), Mend: mend})
}

// fault is an error as a failure: its message and what to do.
func (d *doctor) fault(check string, err error) {
	e := domain.AsError(err)
	mend := e.Fix
	switch {
	case mend == "" && e.Field != "":
		mend = "Correct " + e.Field + "; docs/running.md lists the settings."
	case mend == "":
		mend = "Mend what the message names, and run sluice doctor again."
	}
	d.fail(check, mend, "%s", e.Message)
}

// faults is fault for each error that err joins.
func (d *doctor) faults(check string, err error) {
	for _, one := range parts(err) {
		d.fault(check, one)
	}
}

func parts(err error) []error {
	var ours *domain.Error
	many, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only what errors.Join made itself
	if !ok || errors.As(err, &ours) && err == error(ours) {
		return []error{err}
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, parts(e)...)
	}
	return slices.DeleteFunc(out, func(e error) bool { return e == nil })
}
