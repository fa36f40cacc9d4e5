package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
)

// environment names variables that look like ours and are read by nobody.
func (d *doctor) environment() {
	d.begin("the environment")
	unknown := config.UnknownVariables(d.Environ, d.KnownVariables...)
	for _, u := range unknown {
		mend := "Remove it; docs/running.md lists the variables."
		if u.Near != "" {
			mend = "Did you mean " + u.Near + "?"
		}
		d.warn("environment", mend, "%s is set, and nothing reads it", u.Name)
	}
	if len(unknown) == 0 {
		d.ok("environment", "no variable is misspelt")
	}
}

// home looks at the folder, the modes of what is in it, and the disk.
func (d *doctor) home() {
	d.begin("the home")
	info, err := os.Stat(d.cfg.Home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.skip("home", "%s is not there yet: the first start makes it", d.cfg.Home)
		return
	case err != nil:
		d.fail("home", "Choose a folder that this user can read and write: --home or SLUICE_HOME.", "%s cannot be read: %v", d.cfg.Home, pathReason(err))
		return
	case !info.IsDir():
		d.fail("home", "Choose a folder: --home or SLUICE_HOME.", "%s is not a folder", d.cfg.Home)
		return
	}
	good := d.mode("", 0o700)
	for _, name := range []string{databaseFile, databaseFile + "-wal", databaseFile + "-shm", keyFile} {
		good = d.mode(name, 0o600) && good
	}
	good = d.mode(filesDir, 0o700) && good
	if good {
		d.ok("home", "%s and what is in it are for its owner alone", d.cfg.Home)
	}
	d.disk()
}

// mode says whether what is there is closed to others. What is not there is.
func (d *doctor) mode(name string, want fs.FileMode) bool {
	path := filepath.Join(d.cfg.Home, name)
	info, err := os.Stat(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	got := info.Mode().Perm()
	if got&^want == 0 {
		return true
	}
	d.fail("home", "chmod "+octal(want)+" "+path, "%s has mode %s: others on this machine may look into it", path, octal(got))
	return false
}

func octal(m fs.FileMode) string { return fmt.Sprintf("%04o", m) }

// lowDisk and noDisk are bytes that are left.
const (
	lowDisk = 1 << 30
	noDisk  = 100 << 20
)

func (d *doctor) disk() {
	free, ok := freeBytes(d.cfg.Home)
	const mend = "Make room; sluice.db grows with each tool call, keep_executions says for how long these are kept."
	switch {
	case !ok:
		d.skip("disk", "this system does not say how much room is left")
	case free < noDisk:
		d.fail("disk", mend, "%d MiB are left where the home is", free>>20)
	case free < lowDisk:
		d.warn("disk", mend, "%d MiB are left where the home is", free>>20)
	default:
		d.ok("disk", "%.1f GiB are left where the home is", float64(free)/(1<<30))
	}
}

// database looks at the database, then at what is in it.
func (d *doctor) database(ctx context.Context) {
	d.begin("the database")
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	have, want, err := sqlstore.Schema(wait, databaseOf(d.cfg))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.skip("database", "there is none yet: the first start makes it")
		return
	case err != nil:
		d.fault("database", err)
		return
	case have > want:
		d.fail("database", "Run the newer program: sluice version says which one this is.",
			"it was made by a newer Sluice: its version is %d, this program knows %d", have, want)
		return
	case have < want:
		d.warn("database", "Start the router once, after a backup; then run sluice doctor again.",
			"its version is %d, and the next start brings it to %d; what is in it was not looked at", have, want)
		return
	}
	db, err := sqlstore.Open(ctx, databaseOf(d.cfg))
	if err != nil {
		d.fault("database", err)
		return
	}
	defer func() { _ = db.Close() }()
	d.ok("database", "it answers, and its version is %d as it should be", have)
	if v := d.key(ctx, db); v != nil {
		d.connections(ctx, db, v)
	}
}

// key opens the vault with the key-encryption key. It makes neither.
func (d *doctor) key(ctx context.Context, db *sqlstore.DB) *vault.Vault {
	d.begin("the key-encryption key")
	sealed, err := db.LoadKeyset(ctx)
	if err != nil {
		d.fault("key", err)
		return nil
	}
	if len(sealed) == 0 {
		d.skip("key", "there are no secrets to open yet")
		return nil
	}
	opts, err := vaultOptions(d.cfg, db)
	var v *vault.Vault
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		v, err = vault.Open(wait, opts)
	}
	if err != nil {
		if domain.CodeOf(err) == domain.CodeInternal {
			err = domain.Errorf(domain.CodeUnavailable, "the key-encryption key cannot be had").WithCause(err)
		}
		d.fault("key", err)
		return nil
	}
	d.ok("key", "%s opens the keys of the stored secrets", v.SealedBy())
	return v
}
