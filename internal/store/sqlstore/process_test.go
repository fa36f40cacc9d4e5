package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// childEnv tells the test binary to be another process on a database instead of
// running tests: "role path".
const childEnv = "SQLSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		role, path, _ := strings.Cut(job, " ")
		if err := child(role, path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(role, path string) error {
	ctx := context.Background()
	if role == "open" {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent lets all go at once
	}
	db, err := sqlstore.Open(ctx, at(path))
	if err != nil {
		return err
	}
	defer db.Close()
	id := fmt.Sprintf("pr_%d", os.Getpid())
	if err := db.CreateProject(ctx, domain.Project{ID: id, Name: id, CreatedAt: time.Now()}); err != nil {
		return err
	}
	if role == "open" {
		return db.Close()
	}
	for i := 0; ; i++ { // "write": until killed
		e := domain.Execution{ID: fmt.Sprintf("log_%d", i), ProjectID: id, StartedAt: time.Now()}
		if err := db.RecordExecution(ctx, e); err != nil {
			return err
		}
		fmt.Println(id, e.ID)
	}
}

func childProcess(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+role+" "+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestProcessesStartTogether(t *testing.T) { onBoth(t, testProcessesStartTogether) }

func testProcessesStartTogether(t *testing.T, path string) {
	const processes = 5
	var cmds []*exec.Cmd
	var gates []io.Closer
	for range processes {
		cmd := childProcess(t, "open", path)
		gate, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds, gates = append(cmds, cmd), append(gates, gate)
	}
	for _, gate := range gates {
		if err := gate.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	all, err := openAt(t, path).ListProjects(t.Context())
	if err != nil || len(all) != processes {
		t.Errorf("%d projects of %d processes, %v", len(all), processes, err)
	}
}

// What a process was told is stored survives its kill.
func TestKilledProcessLosesNothing(t *testing.T) { onBoth(t, testKilledProcessLosesNothing) }

func testKilledProcessLosesNothing(t *testing.T, path string) {
	cmd := childProcess(t, "write", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged [][2]string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		project, id, ok := strings.Cut(lines.Text(), " ")
		if ok && strings.HasPrefix(id, "log_") {
			acknowledged = append(acknowledged, [2]string{project, id})
		}
		if len(acknowledged) == 300 {
			if err := cmd.Process.Kill(); err != nil { // in the midst of writing
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(acknowledged) < 300 {
		t.Fatalf("the process ended by itself after %d records: %v", len(acknowledged), err)
	}
	db := openAt(t, path)
	// The last line may be cut short by the kill; all before it were whole.
	for _, a := range acknowledged[:len(acknowledged)-1] {
		if _, err := db.Execution(t.Context(), a[0], a[1]); err != nil {
			t.Fatalf("%s of %d is lost: %v", a[1], len(acknowledged), err)
		}
	}
	if err := db.RecordExecution(t.Context(), domain.Execution{ID: "log_after", ProjectID: acknowledged[0][0]}); err != nil {
		t.Errorf("writing afterwards: %v", err)
	}
	if _, total, err := db.ListExecutions(t.Context(), acknowledged[0][0], store.ExecutionFilter{}, store.Page{Limit: 1}); err != nil || total < len(acknowledged) {
		t.Errorf("%d records, %v", total, err)
	}
}

// Two that share a database, as two processes do: each change builds on the last one
// of either, and none fails for the other's sake.
func TestTwoOnOneDatabase(t *testing.T) { onBoth(t, testTwoOnOneDatabase) }

func testTwoOnOneDatabase(t *testing.T, path string) {
	stores := []*sqlstore.DB{openAt(t, path), openAt(t, path)}
	ctx := t.Context()
	if err := stores[0].CreateProject(ctx, domain.Project{ID: "pr_1", Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := stores[1].CreateSession(ctx, domain.Session{ID: "trs_1", ProjectID: "pr_1"}); err != nil {
		t.Fatal(err)
	}
	const workers, rounds = 6, 20
	var wg sync.WaitGroup
	for i := range workers {
		db := stores[i%2]
		wg.Go(func() {
			for range rounds {
				err := db.InTx(ctx, func(tx store.Tx) error {
					se, err := tx.Session(ctx, "pr_1", "trs_1")
					if err != nil {
						return err
					}
					se.Version++
					return tx.UpdateSession(ctx, "pr_1", se)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, db := range stores {
		if se, err := db.Session(ctx, "pr_1", "trs_1"); err != nil || se.Version != workers*rounds {
			t.Errorf("version %d, %v; want %d", se.Version, err, workers*rounds)
		}
	}
}
