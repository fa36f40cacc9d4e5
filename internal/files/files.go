package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Options configures a Service. Dir, Store and Sealer are required.
type Options struct {
	// Dir holds the contents; it is made when missing, for its owner alone.
	Dir   string
	Store Store
	// InStore keeps contents in Store, where other machines find them too; Dir
	// then holds only what is still arriving.
	InStore bool
	Sealer  Sealer
	// MaxFile bounds one file in bytes; 25 MiB when 0.
	MaxFile int64
	// Quota bounds what the files of one project have in bytes together; 1 GiB
	// when 0. The same content counts for each file that has it.
	Quota int64
	// TTL is how long a file is kept; 24 h when 0.
	TTL time.Duration
	Now func() time.Time // time.Now when nil
}

// Store is what a Service needs of the database.
type Store interface {
	store.Files
	store.FileChunks
	InTx(ctx context.Context, f func(tx store.Tx) error) error
}

// Sealer makes tokens that cannot be read or changed.
type Sealer interface {
	SealState(ctx context.Context, aad string, plain []byte) (string, error)
	OpenState(ctx context.Context, aad, sealed string) ([]byte, error)
}

const (
	defaultMaxFile = 25 << 20
	defaultQuota   = 1 << 30
	defaultTTL     = 24 * time.Hour
	// pruneMost bounds the expired files that one call clears away.
	pruneMost = 100
	// staleTemp is when a file that was arriving has been given up.
	staleTemp = time.Hour
)

// Service keeps files. It is safe for concurrent use, by several processes on
// one home too.
type Service struct {
	opts  Options
	blobs contents
}

// contents keeps bytes by their SHA-256.
type contents interface {
	// take reads r, at most limit bytes, to somewhere from where place can put it.
	take(ctx context.Context, r io.Reader, limit int64) (*arrived, error)
	// place is called in the transaction that makes the content known; it may be
	// called again in another.
	place(ctx context.Context, tx store.Tx, a *arrived) error
	// open fails with fs.ErrNotExist when the content is not there.
	open(ctx context.Context, f domain.File) (io.ReadSeekCloser, error)
	remove(ctx context.Context, tx store.Tx, sum [32]byte) error
	// each calls visit for contents that may belong to nobody, and clears away what
	// was arriving for longer than age.
	each(age time.Duration, visit func(sum [32]byte) error) error
}

// New makes a Service. It touches no disk.
func New(opts Options) (*Service, error) {
	if opts.Dir == "" || opts.Store == nil || opts.Sealer == nil {
		return nil, errors.New("files: Options needs Dir, Store and Sealer")
	}
	if opts.MaxFile <= 0 {
		opts.MaxFile = defaultMaxFile
	}
	if opts.Quota <= 0 {
		opts.Quota = defaultQuota
	}
	if opts.TTL <= 0 {
		opts.TTL = defaultTTL
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Service{opts: opts, blobs: blobs{dir: opts.Dir}}
	if opts.InStore {
		s.blobs = chunks{arriving: blobs{dir: opts.Dir}, store: opts.Store}
	}
	return s, nil
}

// MaxFile is the most bytes that a file may have.
func (s *Service) MaxFile() int64 { return s.opts.MaxFile }

// Meta is what is said of a file that is to be kept.
type Meta struct {
	Name string // folders are cut off
	MIME string // application/octet-stream when it is none
	// Toolkit and Tool are what the file is kept for; optional.
	Toolkit, Tool string
	// MD5, when set, is the checksum that the content must have, in hexadecimal.
	MD5 string

	session, mount, path string // see AllowMount
}

// Put keeps what r gives under a new key. It fails with CodeTooLarge when a file
// or the project has too many bytes, with CodeInvalid when the checksum differs,
// and with a *ReadError when r fails; then nothing is kept.
func (s *Service) Put(ctx context.Context, projectID string, m Meta, r io.Reader) (domain.File, error) {
	m, err := m.clean()
	if err != nil {
		return domain.File{}, err
	}
	return s.put(ctx, projectID, domain.NewSecret(domain.PrefixFile), m, r, s.opts.MaxFile)
}

func (s *Service) put(ctx context.Context, projectID, key string, m Meta, r io.Reader, limit int64) (domain.File, error) {
	if err := s.Prune(ctx); err != nil {
		return domain.File{}, err
	}
	content, err := s.blobs.take(ctx, r, limit)
	if err != nil {
		return domain.File{}, err
	}
	defer content.drop()
	if m.MD5 != "" && m.MD5 != content.md5 {
		return domain.File{}, domain.Invalid("md5", "the content does not have the MD5 that was announced; nothing was kept").
			WithFix("Compute the MD5 of the bytes that are sent, and ask for a new upload.")
	}
	now := s.opts.Now().UTC().Truncate(time.Microsecond)
	f := domain.File{
		ProjectID: projectID, Key: key, Name: m.Name, MIME: m.MIME, Toolkit: m.Toolkit, Tool: m.Tool,
		Size: content.size, SHA256: content.sha256, MD5: content.md5, CreatedAt: now, ExpiresAt: now.Add(s.opts.TTL),
		SessionID: m.session, Mount: m.mount, Path: m.path,
	}
	if f.SessionID != "" {
		f.ExpiresAt = now.Add(mountTTL)
	}
	var kept domain.File
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		var err error
		if kept, err = s.add(ctx, tx, f); err != nil {
			return err
		}
		return s.blobs.place(ctx, tx, content)
	})
	if err != nil {
		return domain.File{}, err
	}
	return kept, nil
}

// add keeps f's row. The same content under the same key is an upload that was
// repeated because its answer was lost: it is the same file.
func (s *Service) add(ctx context.Context, tx store.Tx, f domain.File) (domain.File, error) {
	old, err := tx.File(ctx, f.ProjectID, f.Key)
	switch {
	case err == nil && old.SHA256 == f.SHA256:
		return old, nil
	case err == nil:
		return domain.File{}, domain.Errorf(domain.CodeConflict, "another content was put here already").WithFix("Ask for a new upload.")
	case domain.CodeOf(err) != domain.CodeNotFound:
		return domain.File{}, err
	}
	if err := s.clear(ctx, tx, f); err != nil {
		return domain.File{}, err
	}
	fits, err := tx.AddFile(ctx, f, s.opts.Quota)
	if err == nil && !fits {
		err = domain.Errorf(domain.CodeTooLarge, "the project's files would have more than %d bytes together", s.opts.Quota).
			WithFix("Files go by themselves %s after they were kept, those of sessions %s: delete some, try again later, or with a smaller file.", s.opts.TTL, mountTTL)
	}
	return f, err
}

// Content is a file that is open for reading. Close it.
type Content struct {
	domain.File
	io.ReadSeekCloser
}

// Open opens a file of the project. Unknown, expired and another project's keys
// are CodeNotFound.
func (s *Service) Open(ctx context.Context, projectID, key string) (*Content, error) {
	f, err := s.opts.Store.File(ctx, projectID, key)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil, gone("there is no such file in this project")
	}
	if err != nil {
		return nil, err
	}
	if !s.opts.Now().Before(f.ExpiresAt) {
		if err := s.Prune(ctx); err != nil {
			return nil, err
		}
		return nil, gone("the file has expired")
	}
	content, err := s.blobs.open(ctx, f)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone("the content of the file is lost")
	}
	if err != nil {
		return nil, err
	}
	return &Content{File: f, ReadSeekCloser: content}, nil
}

func gone(why string) *domain.Error {
	return domain.Errorf(domain.CodeNotFound, "%s", why).WithFix("Upload the file again, or run the tool again that gave it.")
}

// List gives the project's files that have not expired, newest first, and how
// many there are. An empty toolkit or tool means any.
func (s *Service) List(ctx context.Context, projectID, toolkit, tool string, page store.Page) ([]domain.File, int, error) {
	return s.opts.Store.ListFiles(ctx, projectID, store.FileFilter{Toolkit: toolkit, Tool: tool, At: s.opts.Now()}, page)
}

// Prune clears away files that have expired, a hundred at most. Put and Open do
// so on their way.
func (s *Service) Prune(ctx context.Context) error {
	_, err := s.prune(ctx)
	return err
}

// PruneAll clears away all files that have expired.
func (s *Service) PruneAll(ctx context.Context) error {
	for {
		if more, err := s.prune(ctx); err != nil || !more {
			return err
		}
	}
}

// prune says whether there may be more.
func (s *Service) prune(ctx context.Context) (more bool, err error) {
	now := s.opts.Now()
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		free, err := tx.DropExpiredFiles(ctx, now, pruneMost)
		if err != nil {
			return err
		}
		for _, sum := range free {
			if err := s.blobs.remove(ctx, tx, sum); err != nil {
				return err
			}
		}
		left, err := tx.HasExpiredFiles(ctx, now)
		more = left
		return err
	})
	return more, err
}

// Sweep clears away what a process that was killed left behind: files that were
// arriving, and contents that no file has. It is for the start.
func (s *Service) Sweep(ctx context.Context) error {
	if _, err := os.Stat(s.opts.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := s.blobs.each(staleTemp, func(sum [32]byte) error {
		used, err := s.opts.Store.FileContentUsed(ctx, sum)
		if err != nil || used {
			return err
		}
		// Look again where nobody can add it meanwhile.
		return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			used, err := tx.FileContentUsed(ctx, sum)
			if err != nil || used {
				return err
			}
			return s.blobs.remove(ctx, tx, sum)
		})
	})
	var known *domain.Error
	if err != nil && !errors.As(err, &known) {
		return diskError(err)
	}
	return err
}
