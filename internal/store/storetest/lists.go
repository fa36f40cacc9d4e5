package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testPaging(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	const all = 1100
	ok(t, s.InTx(ctx, func(tx store.Tx) error {
		for i := 1; i < all; i++ {
			// Ten share each moment: the order must not waver among them.
			if err := tx.RecordExecution(ctx, execution(project, fmt.Sprintf("log_%04d", i), 1+i/10)); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, tc := range []struct {
		page store.Page
		want int
	}{
		{store.Page{}, 20},
		{store.Page{Limit: -5}, 1},
		{store.Page{Limit: 7, Offset: -3}, 7},
		{store.Page{Limit: 1000}, 1000},
		{store.Page{Limit: 5000}, 1000},
		{store.Page{Limit: 1000, Offset: 1000}, 100},
		{store.Page{Offset: all}, 0},
		{store.Page{Offset: int(^uint(0) >> 1)}, 0},
	} {
		got, total, err := s.ListExecutions(ctx, project, store.ExecutionFilter{}, tc.page)
		ok(t, err)
		if len(got) != tc.want || total != all {
			t.Errorf("%+v: got %d of %d, want %d of %d", tc.page, len(got), total, tc.want, all)
		}
	}
	var walked []string
	for offset := 0; ; offset += 33 {
		got, _, err := s.ListExecutions(ctx, project, store.ExecutionFilter{}, store.Page{Offset: offset, Limit: 33})
		ok(t, err)
		if len(got) == 0 {
			break
		}
		for _, e := range got {
			walked = append(walked, e.ID)
		}
	}
	if len(walked) != all || walked[0] != "log_1099" || walked[all-1] != w.a.exec.ID {
		t.Fatalf("walked %d records, from %s to %s", len(walked), walked[0], walked[len(walked)-1])
	}
	for i := 1; i < all-1; i++ {
		if walked[i] >= walked[i-1] {
			t.Fatalf("%s comes after %s", walked[i], walked[i-1])
		}
	}
}

func testUnicode(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	for i, text := range []string{
		"Größe Łódź", "日本語テキスト", "🦊👩‍👩‍👧", "e\u0301 \u00e9", "\u202eevil", "a'b\"c`d\\e", "tab\tline\nend\r", "%_*?$1:x@y#",
		" lead and trail ", "\u00a0", strings.Repeat("ü", 20_000), "",
	} {
		a := account(w.a.config, fmt.Sprintf("ca_u%d", i), "user "+text)
		a.Alias, a.StatusReason = text, text
		a.Fields, a.Identity = map[string]string{"k" + text: text}, map[string]string{"name": text}
		ok(t, s.CreateAccount(ctx, a))
		same(t, a, must(s.Account(ctx, a.ProjectID, a.ID))(t))
		got, total, err := s.ListAccounts(ctx, a.ProjectID, store.AccountFilter{UserIDs: []string{a.UserID}}, store.Page{})
		ok(t, err)
		if total != 1 || accountIDs(got) != a.ID {
			t.Errorf("text %d finds %q", i, accountIDs(got))
		}
	}
	// Texts are compared as they are: no folding of case or composed letters.
	for _, user := range []string{"user E\u0301 \u00e9", "USER GRÖSSE", "user größe łódź"} {
		_, total, err := s.ListAccounts(ctx, w.a.project.ID, store.AccountFilter{UserIDs: []string{user}}, store.Page{})
		ok(t, err)
		if total != 0 {
			t.Errorf("%q finds %d accounts", user, total)
		}
	}
}

func testUnstorable(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	for name, text := range map[string]string{"NUL": "a\x00b", "not UTF-8": "a\xffb"} {
		t.Run(name, func(t *testing.T) {
			a := account(w.a.config, "ca_x", text)
			wantCode(t, s.CreateAccount(ctx, a), domain.CodeInvalid)
			_, err := s.Session(ctx, w.a.project.ID, text)
			wantCode(t, err, domain.CodeInvalid)
			_, err = s.ActiveAccounts(ctx, w.a.project.ID, text, "confluence")
			wantCode(t, err, domain.CodeInvalid)
		})
	}
}

// Messages go to people and models: no statement, table or driver in them.
func testErrorTexts(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	_, missing := s.Account(ctx, w.a.project.ID, "ca_"+strings.Repeat("x", 10_000))
	_, config := s.FindAuthConfig(ctx, w.a.project.ID, "gmail", domain.OriginAuto)
	lost := w.a.account
	lost.ID, lost.WordID, lost.AuthConfigID = "ca_lost", "", "ac_none"
	stale := w.a.session
	for name, err := range map[string]error{
		"not found": missing, "none": config, "clash": s.CreateAccount(ctx, w.a.account), "clash of keys": s.CreateAPIKey(ctx, w.a.key),
		"clash of links": s.CreateLink(ctx, w.a.link), "orphan": s.CreateAccount(ctx, lost),
		"stale": s.UpdateSession(ctx, w.a.project.ID, stale), "unstorable": s.DeleteSession(ctx, "pr\x00", "x"),
	} {
		var e *domain.Error
		if !errors.As(err, &e) || e.Message == "" || len(e.Message) > 300 {
			t.Errorf("%s: got %T %v", name, err, err)
			continue
		}
		lower := strings.ToLower(e.Message + e.Fix)
		for _, word := range []string{"sql", "constraint", "select", "insert", "unique", "foreign", "no rows", "_configs", "api_keys", "pgx"} {
			if strings.Contains(lower, word) {
				t.Errorf("%s: %q speaks of %q", name, e.Message, word)
			}
		}
	}
}
