package app

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// Keys is a home opened for its projects and their API keys alone, beside a running
// router or without one.
type Keys struct {
	db    *sqlstore.DB
	ident *identity.Service
	proj  domain.Project
}

// OpenKeys opens the keys of the home, or of the database that cfg names.
func OpenKeys(ctx context.Context, cfg Config) (*Keys, error) {
	if err := makeHome(cfg.Home); err != nil {
		return nil, err
	}
	db, err := sqlstore.Open(ctx, databaseOf(cfg))
	if err != nil {
		return nil, err
	}
	kept, err := files.New(files.Options{
		Dir: filepath.Join(cfg.Home, filesDir), Store: db, Sealer: noAddresses{}, InStore: cfg.Database != "",
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	k := &Keys{db: db, ident: identity.New(identity.Options{Store: db, PruneFiles: kept.PruneAll})}
	if k.proj, err = k.ident.Setup(ctx); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// Projects gives the projects, oldest first.
func (k *Keys) Projects(ctx context.Context) ([]domain.Project, error) {
	return k.ident.Projects(ctx)
}

// CreateProject makes a project. It has no key yet.
func (k *Keys) CreateProject(ctx context.Context, name string) (domain.Project, error) {
	return k.ident.CreateProject(ctx, name)
}

// DeleteProject deletes a project by its id, with everything in it.
func (k *Keys) DeleteProject(ctx context.Context, id string) error {
	if err := k.ident.EndProject(ctx, id); err != nil {
		return err
	}
	return k.ident.DropEnded(ctx)
}

// Project gives the project whose keys are meant.
func (k *Keys) Project() domain.Project { return k.proj }

// CreateOperator makes a key of whoever operates the server; it is never seen again.
func (k *Keys) CreateOperator(ctx context.Context, name string) (string, domain.APIKey, error) {
	return k.ident.CreateOperatorKey(ctx, name)
}

// ListOperator gives the operator's keys, newest first.
func (k *Keys) ListOperator(ctx context.Context) ([]domain.APIKey, error) {
	return k.ident.OperatorKeys(ctx)
}

// Of chooses the project, by id or name, whose keys are meant from then on. It was
// the home's first one before.
func (k *Keys) Of(ctx context.Context, project string) error {
	all, err := k.ident.Projects(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.ID == project || p.Name == project {
			k.proj = p
			return nil
		}
	}
	return domain.Errorf(domain.CodeNotFound, "there is no project %q", project).WithFix("sluice projects list shows them.")
}

// Create makes a key; it is never seen again.
func (k *Keys) Create(ctx context.Context, name string) (string, domain.APIKey, error) {
	return k.ident.CreateKey(ctx, k.proj.ID, name)
}

// List gives the keys, newest first.
func (k *Keys) List(ctx context.Context) ([]domain.APIKey, error) {
	return k.ident.Keys(ctx, k.proj.ID)
}

// Revoke revokes a key by id, the operator's too.
func (k *Keys) Revoke(ctx context.Context, id string) error {
	if domain.HasPrefix(id, domain.PrefixOperator) {
		return k.ident.RevokeOperatorKey(ctx, id)
	}
	return k.ident.Revoke(ctx, k.proj.ID, id)
}

// noAddresses is for a file store that only removes: no address of a file is made.
type noAddresses struct{}

func (noAddresses) SealState(context.Context, string, []byte) (string, error) {
	return "", errNoAddresses()
}

func (noAddresses) OpenState(context.Context, string, string) ([]byte, error) {
	return nil, errNoAddresses()
}

func errNoAddresses() error {
	return domain.Errorf(domain.CodeUnsupported, "files are served by a running router alone")
}

// Close closes the home.
func (k *Keys) Close() { _ = k.db.Close() }
