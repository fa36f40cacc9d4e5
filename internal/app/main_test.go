package app_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/vault/vaulttest"
)

// childEnv makes the test binary another process of the program: "home" or
// "home uid", to run as somebody else. databaseEnv and sealEnv are its database
// and key-encryption key, when it is not to use those of the home.
const (
	childEnv    = "APP_TEST_CHILD"
	databaseEnv = "APP_TEST_DATABASE"
	sealEnv     = "APP_TEST_SEAL"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == vaulttest.PluginArg {
		os.Exit(vaulttest.Plugin(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	if job := os.Getenv(heapEnv); job != "" {
		if err := heapChild(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if job := os.Getenv(childEnv); job != "" {
		if err := child(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// child serves a home until its input ends. The parent lets several go at once
// with the first byte.
func child(job string) error {
	home, uid, other := strings.Cut(job, " ")
	if other {
		id, err := strconv.Atoi(uid)
		if err != nil {
			return err
		}
		if err := syscall.Setgroups(nil); err != nil {
			return err
		}
		if err := syscall.Setgid(id); err != nil {
			return err
		}
		if err := syscall.Setuid(id); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return err
	}
	ctx := context.Background()
	cfg := testConfig(home)
	cfg.APIKey, cfg.Sandbox = "", false
	cfg.Database, cfg.KeyEncryptionKey = config.Secret(os.Getenv(databaseEnv)), config.Secret(os.Getenv(sealEnv))
	a, err := app.New(ctx, app.Options{Config: cfg, LogOutput: io.Discard})
	if err != nil {
		return err
	}
	defer a.Stop(ctx)
	if err := a.Start(ctx); err != nil {
		return err
	}
	fmt.Println(a.URL(), a.FirstKey())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}
