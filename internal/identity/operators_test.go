package identity_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
)

func TestOperatorKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	s, _ := open(t, path)
	p := must(s.Setup(t.Context()))(t)
	key, k, err := s.CreateOperatorKey(t.Context(), " console ")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "oak_") || !domain.HasPrefix(k.ID, domain.PrefixOperator) || k.ProjectID != "" || k.Name != "console" || k.Hint != key[len(key)-4:] {
		t.Errorf("key of %d characters, stored as %+v", len(key), k)
	}
	if got := must(s.AuthenticateOperator(t.Context(), key))(t); got != (domain.Principal{KeyID: k.ID, Operator: true}) {
		t.Errorf("principal %+v", got)
	}
	theirs, _, err := s.CreateKey(t.Context(), p.ID, "project's")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), key); domain.CodeOf(err) != domain.CodeUnauthenticated {
		t.Errorf("an operator's key for a project's: %v", err)
	}
	for name, bad := range map[string]string{"project's": theirs, "none": "", "huge": strings.Repeat("k", 1<<20), "id": k.ID, "another": domain.NewSecret("oak_")} {
		if _, err := s.AuthenticateOperator(t.Context(), bad); domain.CodeOf(err) != domain.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.AdoptOperatorKey(t.Context(), "x", theirs); domain.CodeOf(err) != domain.CodeForbidden {
		t.Errorf("a project's key is adopted: %v", err)
	}
	if _, err := s.AdoptOperatorKey(t.Context(), "x", "short"); domain.CodeOf(err) != domain.CodeInvalid {
		t.Errorf("a short one is adopted: %v", err)
	}
	if err := s.RevokeOperatorKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.AuthenticateOperator(t.Context(), key)
	wantError(t, err, domain.CodeUnauthenticated, "this operator key was revoked", "Create one with: sluice keys create --operator")
	if _, err := s.AdoptOperatorKey(t.Context(), "x", key); domain.CodeOf(err) != domain.CodeForbidden {
		t.Errorf("a revoked one is adopted: %v", err)
	}

	// Processes that start at once adopt one key once.
	ids := make([]string, 4)
	var wg sync.WaitGroup
	for i := range ids {
		s, _ := open(t, path)
		wg.Go(func() {
			k, err := s.AdoptOperatorKey(t.Context(), "SLUICE_OPERATOR_KEY", "an-operator-key-of-all")
			if err != nil {
				t.Error(err)
			}
			ids[i] = k.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("adopted more than once: %v", ids)
		}
	}
	if all := must(s.OperatorKeys(t.Context()))(t); len(all) != 2 {
		t.Errorf("keys: %+v", all)
	}
}

func TestEndProject(t *testing.T) {
	t.Parallel()
	s, first := setup(t)
	p := must(s.CreateProject(t.Context(), "acme"))(t)
	key, k, err := s.CreateKey(t.Context(), p.ID, "theirs")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	opened, done := s.Watch(t.Context(), domain.Principal{ProjectID: p.ID, KeyID: k.ID})
	defer done()
	wantCode := func(what string, err error, code domain.Code) {
		t.Helper()
		if domain.CodeOf(err) != code {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantCode("the first", s.EndProject(t.Context(), first.ID), domain.CodeConflict)
	wantCode("nobody's", s.EndProject(t.Context(), "pr_none"), domain.CodeNotFound)
	if err := s.EndProject(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	<-opened.Done()
	_, err = s.Authenticate(t.Context(), key)
	wantCode("its key", err, domain.CodeUnauthenticated)
	_, _, err = s.CreateKey(t.Context(), p.ID, "late")
	wantCode("a key for what has ended", err, domain.CodeNotFound)
	_, _, err = s.RegenerateKey(t.Context(), p.ID, "late")
	wantCode("a new key for what has ended", err, domain.CodeNotFound)
	wantCode("again", s.EndProject(t.Context(), p.ID), domain.CodeNotFound)
	must(s.CreateProject(t.Context(), "acme"))(t)
	for range 2 {
		if err := s.DropEnded(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if all := must(s.Projects(t.Context()))(t); len(all) != 2 || all[0].ID != first.ID {
		t.Errorf("projects: %+v", all)
	}
}
