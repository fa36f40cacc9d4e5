package vault_test

import (
	"os"
	"testing"

	"github.com/sluice-run/sluice/internal/vault/vaulttest"
)

// TestMain makes the test binary the plugin of exec: when it is called so.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == vaulttest.PluginArg {
		os.Exit(vaulttest.Plugin(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}
