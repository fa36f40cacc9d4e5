package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/config"
)

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	got := config.UnknownVariables([]string{
		"SLUICE_HOME=/x", "SLUICE_ADDR=x", "SLUICE_CONFIG=x", "SLUICE_API_KEY_FILE=x", "SLUICE_MINE=x", "OTHER=x", "PATH=", "SLUICE_GONE=", "odd",
		"SLUICE_PUBLIC_URI=x", "SLUICE_APIKEY=secret", "SLUICE_MINES=x", "SLUICE_Q=x", "sluice_addr=x",
	}, "SLUICE_MINE")
	want := []config.Unknown{
		{Name: "SLUICE_APIKEY", Near: "SLUICE_API_KEY"},
		{Name: "SLUICE_MINES", Near: "SLUICE_MINE"},
		{Name: "SLUICE_PUBLIC_URI", Near: "SLUICE_PUBLIC_URL"},
		{Name: "SLUICE_Q"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
