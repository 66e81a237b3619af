package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// checkEvery is how often a handshake looks whether the certificate is still
// the right one: the machine's addresses change, and so do files.
const checkEvery = 10 * time.Second

// certificates are what clients of HTTPS are shown. It is safe for concurrent use.
type certificates struct {
	now  func() time.Time
	load func(now time.Time, have *tls.Certificate) (*tls.Certificate, error) // may return what it is given

	mu      sync.Mutex
	current *tls.Certificate
	checked time.Time // by the machine's clock, which only has to move
}

// config returns the settings of HTTPS. It is HTTP/1.1 only: event streams
// are written frame by frame, as Particle's clients read them.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.get()
		},
	}
}

// get returns the certificate of now. One that cannot be replaced stays.
func (c *certificates) get() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && time.Since(c.checked) < checkEvery {
		return c.current, nil
	}
	next, err := c.load(c.now(), c.current)
	if err != nil && c.current == nil {
		return nil, err
	}
	if err == nil {
		c.current = next
	}
	c.checked = time.Now()
	return c.current, nil
}

// fromFiles serves the owner's own certificate, and what replaces it in the files.
func fromFiles(cert, key string) func(time.Time, *tls.Certificate) (*tls.Certificate, error) {
	var read time.Time // when the files that were read were written
	return func(_ time.Time, have *tls.Certificate) (*tls.Certificate, error) {
		written, err := newest(cert, key)
		if err != nil {
			return nil, err
		}
		if have != nil && written.Equal(read) {
			return have, nil
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		read = written
		return &pair, nil
	}
}

func newest(files ...string) (latest time.Time, err error) {
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return latest, err
		}
		if info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest, nil
}

// fromAuthority serves certificates of this cloud's own authority, for all the
// names and addresses that it has at the time.
func fromAuthority(a *keys.Authority, hosts *cloud.Hosts) func(time.Time, *tls.Certificate) (*tls.Certificate, error) {
	var of []string
	return func(now time.Time, have *tls.Certificate) (*tls.Certificate, error) {
		names := slices.Concat(hosts.Own(), hosts.Added(), []string{cloud.OfficialHost})
		if keys.Fresh(have, now) && slices.Equal(names, of) {
			return have, nil
		}
		next, err := a.Issue(names, now)
		if err != nil {
			return nil, err
		}
		of = names
		return &next, nil
	}
}

// openHTTPS opens the socket for HTTPS, if the owner wants one, and makes sure that it has a certificate.
func (s *server) openHTTPS(c settings) error {
	switch {
	case c.HTTPS == "" && (c.Cert != "" || c.CertKey != ""):
		return errors.New("--cert and --key are for HTTPS: give its address too, such as --https :8443")
	case c.HTTPS == "":
		return nil
	case (c.Cert == "") != (c.CertKey == ""):
		return errors.New("--cert and --key belong together: give both, or neither to have a certificate made")
	}
	load := fromFiles(c.Cert, c.CertKey)
	if c.Cert == "" {
		authority, _, err := s.parts.authority()
		if err != nil {
			return err
		}
		load = fromAuthority(authority, s.parts.hosts)
	}
	s.certificates = &certificates{now: s.parts.hub.Clock().Now, load: load}
	if _, err := s.certificates.get(); err != nil {
		return fmt.Errorf("certificate for HTTPS: %w", err)
	}
	var err error
	s.httpsSocket, err = listen("https", c.HTTPS)
	return err
}

// httpListeners returns the sockets that the HTTP server accepts from.
func (s *server) httpListeners() []net.Listener {
	all := []net.Listener{jsonErrors{s.httpSocket}}
	if s.httpsSocket != nil {
		all = append(all, jsonErrors{tls.NewListener(s.httpsSocket, s.certificates.config())})
	}
	return all
}
