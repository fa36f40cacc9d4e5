package app

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// certificates serves a key pair from files and takes up their changes.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	cert    *tls.Certificate
	stamp   [2]time.Time // of the files that cert came from
	checked time.Time
}

// checkEvery bounds how often the files are looked at.
const checkEvery = time.Second

func newCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.load(); err != nil {
		return nil, domain.Errorf(domain.CodeInvalid, "the TLS certificate cannot be used: %v", err).
			WithFix("Check tls_cert (%s) and tls_key (%s): PEM files that belong together.", certFile, keyFile)
	}
	return c, nil
}

func (c *certificates) load() error {
	stamp, err := c.stamps()
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.cert, c.stamp = &cert, stamp
	return nil
}

func (c *certificates) stamps() ([2]time.Time, error) {
	var s [2]time.Time
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = info.ModTime()
	}
	return s, nil
}

// get gives the current certificate. One that cannot be read keeps the old in
// force: a renewal writes two files, and a handshake may come between.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= checkEvery {
		c.checked = now
		if stamp, err := c.stamps(); err != nil || stamp != c.stamp {
			if err == nil {
				err = c.load()
			}
			if err != nil {
				c.log.Warn("TLS certificate not reloaded; the old one stays", "error", err)
			} else {
				c.log.Info("TLS certificate reloaded")
			}
		}
	}
	return c.cert, nil
}
