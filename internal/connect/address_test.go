package connect_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// What the guard refuses is the typed address's fault, and says so.
func TestConnectToRefusedAddress(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	var err error
	w.Catalog, err = catalog.New(&toolkit.Toolkit{
		Slug: "plain", Name: "Plain",
		Auth: []toolkit.Auth{{
			Scheme: string(domain.SchemeAPIKey), Name: "plain_api_key",
			Fields:    []toolkit.Field{{Name: "site", Required: true}},
			BaseURL:   func(f map[string]string) (string, error) { return f["site"], nil },
			Authorize: func(*http.Request, map[string]string, toolkit.Secrets) {},
		}},
		Check: func(ctx context.Context, call *toolkit.Call) (toolkit.Identity, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, call.BaseURL+"/me", nil)
			if err != nil {
				return nil, err
			}
			res, err := call.HTTP.Do(req)
			if err != nil {
				return nil, fmt.Errorf("plain: %w", err)
			}
			return nil, res.Body.Close()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	svc := w.NewConnect()
	for site, says := range map[string]string{
		"https://10.1.2.3":        "private",
		"http://127.0.0.1:1":      "loopback",
		"https://169.254.169.254": "cloud metadata",
		"http://[::ffff:7f00:1]":  "IPv4-mapped",
		"http://192.0.43.7":       "https is required",
		"https://me:pw@acme.test": "must not hold a user",
		"http://[fe80::1%eth0]":   "cannot be used",
		"https://":                "cannot be used",
	} {
		_, err := svc.Connect(t.Context(), connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "plain"}, map[string]string{"site": site})
		if code(err) != domain.CodeInvalid || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %s %v", site, code(err), err)
		}
	}
}
