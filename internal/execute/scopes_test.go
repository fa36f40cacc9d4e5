package execute_test

import (
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
)

// An account whose scopes are known does not go upstream to hear that one is
// missing; one whose scopes nobody knows tries.
func TestScopesAreCheckedBeforeTheCall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		scopes []string
		want   []string // what the refusal names; nil = the call is made
	}{
		"unknown":               {nil, nil},
		"enough":                {[]string{"write:note", "read:note"}, nil},
		"enough by another way": {[]string{"notes", "write:note", "offline_access"}, nil},
		"one is missing":        {[]string{"write:note"}, []string{"the scope read:note or notes:", "the scope read:note or notes,"}},
		"none at all":           {[]string{}, []string{"the scopes write:note, read:note or notes", "Connect the account again"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil)
			a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
			a.Scopes = tc.scopes
			if swapped, err := f.DB.SwapGrant(t.Context(), connecttest.Project, *a); err != nil || !swapped {
				t.Fatal(swapped, err)
			}
			before := len(f.Upstream.Seen())
			answer, err := f.Run(t.Context(), request("NOTES_DELETE_NOTE", `{"note_id":"1"}`))
			made := len(f.Upstream.Seen()) - before
			if tc.want == nil {
				if err != nil || answer == nil || made != 1 { // what upstream says of the note is its own affair
					t.Fatalf("answer %+v, error %v, %d upstream calls", answer, err, made)
				}
				return
			}
			e := domain.AsError(err)
			if answer != nil || e.Code != domain.CodeForbidden || made != 0 {
				t.Fatalf("answer %+v, error %+v, %d upstream calls", answer, e, made)
			}
			text := e.Message + ": " + e.Fix
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
			rec := f.last(t, execute.LogID(err))
			if rec.Outcome != domain.OutcomeRefused || rec.ErrorCode != domain.CodeForbidden || rec.AccountID != a.ID {
				t.Errorf("record %+v", rec)
			}
			// What needs no scope goes on.
			if answer, err := f.Run(t.Context(), request("NOTES_WHOAMI", `{}`)); err != nil || !answer.Successful {
				t.Errorf("another tool: %+v, %v", answer, err)
			}
		})
	}
}
