package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

// routerFlag adds the flag of commands that speak to a router.
func (s *shared) routerFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.url, "url", "", "address of a running router (env SLUICE_URL, with the key in SLUICE_API_KEY);\nwithout one, a router is started in this process")
}

// userFlag adds the flag of commands that act for a user.
func (s *shared) userFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.user, "user", "u", "", "the user to act for (env SLUICE_USER_ID or USER_ID; default \"default\")")
}

// userID gives the user to act for.
func (s *shared) userID() string {
	for _, u := range []string{s.user, s.getenv("SLUICE_USER_ID"), s.getenv("USER_ID")} {
		if u != "" {
			return u
		}
	}
	return "default"
}

// router is a router that a command speaks to.
type router struct {
	*client.Client
	// app is set when the router runs in this process.
	app *app.App
}

// Close stops a router that was started in this process.
func (r *router) Close(ctx context.Context) {
	if r.app != nil {
		_ = r.app.Stop(context.WithoutCancel(ctx))
	}
}

// The environment variables that name a router and the key for it.
const (
	envURL    = "SLUICE_URL"
	envKey    = "SLUICE_API_KEY"
	envSDKURL = "COMPOSIO_BASE_URL"
	envSDKKey = "COMPOSIO_API_KEY"
)

// configured gives the address and key of the router that the flags and the
// environment name; an empty address means none. An address and its key come as
// a pair, so that no key is sent to an address it was not meant for.
func (s *shared) configured(cfg app.Config) (address, key string, err error) {
	address, need := s.url, envKey
	if address == "" {
		address = s.getenv(envURL)
	}
	if key = cfg.APIKey.Reveal(); key == "" || (s.url == "" && s.urlFromFile) {
		key = s.getenv(envKey)
	}
	if address == "" {
		address, key, need = s.getenv(envSDKURL), s.getenv(envSDKKey), envSDKKey
	}
	if address != "" && key == "" {
		fix := "Set " + need + "; sluice keys create makes a key in the router's home."
		if need == envKey {
			fix = "Set " + envKey + " or " + envKey + "_FILE; sluice keys create makes a key in the router's home."
		}
		return "", "", domain.Errorf(domain.CodeUnauthenticated, "no API key for the router at %s", address).WithFix("%s", fix)
	}
	return address, key, nil
}

// log is where a router in this process logs.
func (s *shared) log() io.Writer {
	if s.getenv("SLUICE_LOG_LEVEL") == "" {
		return io.Discard
	}
	return s.Err
}

// router reaches the configured router, else starts one in this process, with
// the sandbox, on a free port.
func (s *shared) router(ctx context.Context) (*router, error) {
	cfg, err := app.LoadConfig(s.config, s.home)
	if err != nil {
		return nil, err
	}
	address, key, err := s.configured(cfg)
	if err != nil {
		return nil, err
	}
	if address != "" {
		c, err := client.New(client.Options{BaseURL: address, APIKey: key, UserAgent: "sluice/" + app.Version()})
		if err != nil {
			return nil, &exitCoded{exitUsage, fmt.Errorf("%q is not a router's address: expected one such as http://127.0.0.1:8787", address)}
		}
		return &router{Client: c}, nil
	}
	cfg.Addr, cfg.Sandbox, cfg.APIKey, cfg.PublicURL = "127.0.0.1:0", true, "", ""
	cfg.TLSCert, cfg.TLSKey = "", ""
	// What goes wrong is in the answers; a log would spoil the display.
	a, err := app.New(ctx, app.Options{Config: cfg, Quiet: true, LogOutput: s.log()})
	if err != nil {
		return nil, err
	}
	r := &router{app: a}
	if err := a.Start(ctx); err != nil {
		r.Close(ctx)
		return nil, err
	}
	r.Client, err = client.New(client.Options{BaseURL: a.URL(), APIKey: a.EphemeralKey("in process"), UserAgent: "sluice/" + app.Version()})
	if err != nil {
		r.Close(ctx)
		return nil, err
	}
	return r, nil
}
