package agent

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// FileJournal is a [Journal] in a folder: a log of what became of events, each
// line on the disk before anything depends on it, and the conversations, one file
// an event. A folder is open in one process at a time.
type FileJournal struct {
	dir    string
	unlock func()

	mu    sync.Mutex
	l     *ledger
	log   *os.File
	lines int  // written since the log was made anew
	torn  bool // its last line may be half there
}

const (
	journalFile = "events.jsonl"
	historyDir  = "conversations"
	// keptHistories is how many conversations of settled events stay, the latest.
	keptHistories = 1000
	// maxJournalLine bounds a line of the log, maxJournalLines how many it may
	// have before it is made anew.
	maxJournalLine  = 8 << 20
	maxJournalLines = 50_000
)

// errJournalOpen says that the folder is in use.
var errJournalOpen = errors.New("another program has it open")

// entry is a line of the log.
type entry struct {
	Do      string        `json:"do"` // take, begin, failed, release, settle, cursor; known in a log made anew
	ID      string        `json:"id,omitempty"`
	At      time.Time     `json:"at"`
	Event   *TriggerEvent `json:"event,omitempty"`
	Tries   int           `json:"tries,omitempty"` // of take, in a log made anew
	Failure string        `json:"failure,omitempty"`
	Cursor  string        `json:"cursor,omitempty"`
	IDs     []string      `json:"ids,omitempty"`
}

// OpenJournal opens the journal in the folder, which is made where it is not
// there. What it holds is for its owner alone: payloads and conversations.
func OpenJournal(dir string) (*FileJournal, error) {
	if err := os.MkdirAll(filepath.Join(dir, historyDir), 0o700); err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	unlock, err := lockFolder(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("opening the journal %s: %w", dir, err)
	}
	j := &FileJournal{dir: dir, unlock: unlock, l: newLedger()}
	if err := j.load(); err != nil {
		unlock()
		return nil, fmt.Errorf("opening the journal %s: %w", dir, err)
	}
	return j, nil
}

// Close ends the use of the folder.
func (j *FileJournal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.log == nil {
		return nil
	}
	err := j.log.Close()
	j.log = nil
	j.unlock()
	return err
}

// load reads the log and makes it anew, without what does not matter any more.
func (j *FileJournal) load() error {
	f, err := os.Open(filepath.Join(j.dir, journalFile))
	if errors.Is(err, os.ErrNotExist) {
		return j.renew()
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 64<<10)
	for n := 1; ; n++ {
		line, err := readEntry(lines)
		if errors.Is(err, io.EOF) {
			break // a line without its end was cut by a crash: nothing depended on it
		}
		var e entry
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err == nil {
			err = j.replay(&e)
		}
		if err != nil {
			return fmt.Errorf("line %d of %s: %w", n, journalFile, err)
		}
	}
	for _, p := range j.l.pending {
		h, err := os.ReadFile(j.historyPath(p.Event.ID))
		if err == nil {
			err = json.Unmarshal(h, &p.History)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the conversation of event %s: %w", p.Event.ID, err)
		}
	}
	return j.renew()
}

// readEntry reads a line; io.EOF where it has no end.
func readEntry(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxJournalLine:
			return nil, errors.New("it is too long")
		case err == nil:
			return bytes.TrimSpace(line), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// replay does what a line of the log says.
func (j *FileJournal) replay(e *entry) error {
	switch e.Do {
	case "take":
		if e.Event == nil {
			return errors.New("it has no event")
		}
		if j.l.take(*e.Event) {
			j.l.pending[e.Event.ID].Tries, j.l.pending[e.Event.ID].Failure = e.Tries, e.Failure
		}
		return nil
	case "known":
		for _, id := range e.IDs {
			j.l.know(id)
		}
		return nil
	case "cursor":
		j.l.cursor = e.Cursor
		return nil
	}
	p, err := j.l.of(e.ID)
	if err != nil {
		return err
	}
	switch e.Do {
	case "begin":
		p.Tries++
	case "release":
		p.Tries--
	case "failed":
		p.Failure = e.Failure
	case "settle":
		j.l.settle(e.ID)
	default:
		return fmt.Errorf("there is no %.20q", e.Do)
	}
	return nil
}

// renew writes the log anew, in the place of the one before.
func (j *FileJournal) renew() error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	now := time.Now().UTC()
	var entries []entry
	for ids := range slices.Chunk(j.l.done, 1000) {
		entries = append(entries, entry{Do: "known", At: now, IDs: ids})
	}
	for _, id := range j.l.order {
		p := j.l.pending[id]
		entries = append(entries, entry{Do: "take", At: now, Event: &p.Event, Tries: p.Tries, Failure: p.Failure})
	}
	for _, e := range append(entries, entry{Do: "cursor", At: now, Cursor: j.l.cursor}) {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("writing the journal: %w", err)
		}
	}
	path := filepath.Join(j.dir, journalFile)
	if err := replaceFile(path, b.Bytes()); err != nil {
		return err
	}
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if j.log != nil {
		_ = j.log.Close() // all of it is in the new one
	}
	j.log, j.lines, j.torn = log, 0, false
	return nil
}

// replaceFile puts data in the place of a file, as a whole.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil { // the name is durable too, where that is known
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// note does what the entry says, once it is on the disk.
func (j *FileJournal) note(e entry) error {
	if j.log == nil {
		return errors.New("the journal is closed")
	}
	e.At = time.Now().UTC()
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	if len(line) >= maxJournalLine {
		return errors.New("the event is too large for the journal")
	}
	if e.ID != "" {
		if _, err := j.l.of(e.ID); err != nil {
			return err
		}
	}
	if j.torn {
		if err := j.renew(); err != nil {
			return fmt.Errorf("writing the journal: %w", err)
		}
	}
	_, err = j.log.Write(append(line, '\n'))
	if err == nil {
		err = j.log.Sync()
	}
	if err != nil {
		j.torn = true
		return fmt.Errorf("writing the journal: %w", err)
	}
	if err := j.replay(&e); err != nil {
		return err
	}
	if j.lines++; j.lines >= maxJournalLines {
		return j.renew()
	}
	return nil
}

func (j *FileJournal) locked(e entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.note(e)
}

// Cursor implements [Journal].
func (j *FileJournal) Cursor(context.Context) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.l.cursor, nil
}

// Pass implements [Journal].
func (j *FileJournal) Pass(_ context.Context, cursor string) error {
	return j.locked(entry{Do: "cursor", Cursor: cursor})
}

// Pending implements [Journal].
func (j *FileJournal) Pending(context.Context) ([]Pending, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.l.list(), nil
}

// Take implements [Journal].
func (j *FileJournal) Take(_ context.Context, e TriggerEvent) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.l.knows(e.ID) {
		return false, nil
	}
	return true, j.note(entry{Do: "take", Event: &e})
}

// Begin implements [Journal].
func (j *FileJournal) Begin(_ context.Context, id string) error {
	return j.locked(entry{Do: "begin", ID: id})
}

// Failed implements [Journal].
func (j *FileJournal) Failed(_ context.Context, id string, failure error) error {
	return j.locked(entry{Do: "failed", ID: id, Failure: clipFailure(failure)})
}

// Release implements [Journal].
func (j *FileJournal) Release(_ context.Context, id string) error {
	return j.locked(entry{Do: "release", ID: id})
}

// Settle implements [Journal].
func (j *FileJournal) Settle(_ context.Context, id string, failure error) error {
	e := entry{Do: "settle", ID: id}
	if failure != nil {
		e.Failure = clipFailure(failure)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.note(e); err != nil {
		return err
	}
	if n := len(j.l.done); n > keptHistories {
		_ = os.Remove(j.historyPath(j.l.done[n-keptHistories-1])) // most have none
	}
	return nil
}

// Keep implements [Journal]. The conversation of an event that is settled stays, of
// the latest 1,000, in conversations/.
func (j *FileJournal) Keep(_ context.Context, id string, h History) error {
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("writing a conversation: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	p, err := j.l.of(id)
	if err != nil {
		return err
	}
	if err := replaceFile(j.historyPath(id), data); err != nil {
		return fmt.Errorf("writing a conversation: %w", err)
	}
	p.History = h.Clone()
	return nil
}

var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// historyPath is where the conversation of an event lies. Ids come from outside.
func (j *FileJournal) historyPath(id string) string {
	if !plainID.MatchString(id) {
		sum := sha256.Sum256([]byte(id))
		id = "id-" + hex.EncodeToString(sum[:])
	}
	return filepath.Join(j.dir, historyDir, id+".json")
}

// clipFailure bounds what is kept of an error.
func clipFailure(err error) string {
	text := err.Error()
	if len(text) > 4096 {
		text = strings.ToValidUTF8(text[:4096], "") + "…"
	}
	return text
}
