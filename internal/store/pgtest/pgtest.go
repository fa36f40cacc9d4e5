// Package pgtest gives tests databases of a PostgreSQL server of their own. The
// server is started from the binaries that are installed (Debian: postgresql),
// once for a test program, with its data in a temporary folder and nothing but a
// socket in it to reach it by; it ends with the program, however that ends.
//
// Where the binaries are missing tests are skipped, and fail when CI=true.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// URL gives the address of a new, empty database, which is dropped when the test
// ends.
func URL(t testing.TB) string {
	t.Helper()
	s, err := server()
	return s.database(t, err)
}

// Server is a PostgreSQL that one test has for itself.
type Server struct {
	// URL is the address of an empty database.
	URL string

	s *running
}

// Own starts a server for the test alone, which ends with it. What it has
// acknowledged survives Restart.
func Own(t testing.TB) *Server {
	t.Helper()
	s, err := start("synchronous_commit=on")
	if err == nil {
		t.Cleanup(func() { _ = s.alive.Close() }) // the keeper does the rest
	}
	return &Server{URL: s.database(t, err), s: s}
}

// Start runs a server for a program, with settings of its own, and gives the address
// of an empty database and what ends the server.
func Start(settings ...string) (address string, stop func(), err error) {
	s, err := start(settings...)
	if err != nil {
		return "", nil, err
	}
	stop = func() { _ = s.alive.Close() }
	if err := s.run("CREATE DATABASE bench TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"); err != nil {
		stop()
		return "", nil, err
	}
	return s.url("bench"), stop, nil
}

// Restart ends the server as a crash does, without a word to its clients, and
// returns when it answers again.
func (s *Server) Restart() error {
	if _, err := io.WriteString(s.s.alive, "QUIT\n"); err != nil {
		return err
	}
	return s.s.restarted()
}

// database makes an empty database; err is that of the server's start.
func (s *running) database(t testing.TB, err error) string {
	t.Helper()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skipf("PostgreSQL is not installed: %v", err)
	}
	if err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("t%d", s.made.Add(1))
	must := func(query string) {
		t.Helper()
		if err := s.run(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	must("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
	t.Cleanup(func() { must("DROP DATABASE " + name + " WITH (FORCE)") })
	return s.url(name)
}

// server is the one of this program.
var server = sync.OnceValues(func() (*running, error) { return start() })

type running struct {
	dir   string
	alive io.WriteCloser // the keeper's input; kept, or it would be collected and closed
	made  atomic.Int64
	again int // how often it was started again
}

func (s *running) url(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "sslmode": {"disable"}}.Encode(),
	}).String()
}

func (s *running) run(query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, query)
	return err
}

// binary finds a program of PostgreSQL: the newest of Debian's, else on PATH.
func binary(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		return found[len(found)-1], nil
	}
	return exec.LookPath(name)
}

// keeper runs the server until its own input ends, as it does when this program
// ends in whatever way. Then it takes the folder away. A line in the input is a
// signal for the server, which is then started again; the file tells how often.
const keeper = `
dir=$1; shift
"$@" </dev/null &
pid=$!
n=0
while read -r signal; do
	kill -"$signal" $pid
	wait $pid
	"$@" </dev/null &
	pid=$!
	n=$((n+1))
	echo $n >"$dir/restarts"
done
kill -QUIT $pid
wait $pid
rm -rf "$dir"
`

func start(settings ...string) (_ *running, err error) {
	initdb, err := binary("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := binary("postgres")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-pg-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	as, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // of binary and start; it outlives the test
		cmd.Dir, cmd.SysProcAttr = dir, as
		return cmd
	}
	if out, err := run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	args := []string{
		"-c", keeper, "keeper", dir, postgres, "-D", data,
		"-c", "listen_addresses=", "-c", "unix_socket_directories=" + dir, "-c", "max_connections=300",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "autovacuum=off",
	}
	for _, s := range settings { // the last one counts
		args = append(args, "-c", s)
	}
	cmd := run("/bin/sh", args...)
	cmd.Stdout, cmd.Stderr = log, log
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &running{dir: dir, alive: alive}
	return s, s.wait()
}

// unprivileged gives dir to a user that PostgreSQL agrees to run as: it refuses
// root.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	// A process group of its own: ctrl-c is for the tests, and the keeper follows.
	as := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return as, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid))); err != nil {
		return nil, err
	}
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, nil
}

// restarted returns when the server was started once more and answers.
func (s *running) restarted() error {
	s.again++
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute)
	for {
		n, err := os.ReadFile(filepath.Join(s.dir, "restarts"))
		if err == nil && strings.TrimSpace(string(n)) == strconv.Itoa(s.again) {
			return s.wait()
		}
		select {
		case <-tick.C:
		case <-late:
			return errors.New("the server was not started again")
		}
	}
}

// wait returns when the server answers.
func (s *running) wait() error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		err := s.run("SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("it does not answer: %w\n%s", err, log)
		}
	}
}
