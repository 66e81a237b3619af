package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// A rotation gives the server a new key for one transport, while the old one goes on being honoured:
//
//	            Rotate                          Finish
//	one key ─────────────▶ the new and the old ─────────▶ the new one
//	                        │ Undo
//	one key ◀───────────────┘
//
// The old private key lies in a file of its own beside the present one. What is done is done with one rename: after a
// power cut the rotation has begun or not.

// The files of a rotation.
const (
	oldTCPKeyFile = "server-rsa.old.pem"
	oldUDPKeyFile = "server-ec.old.pem"
	formerFile    = "server-former.pem" // the public halves of keys that are no longer honoured, PUBLIC KEY blocks
)

// Errors of a Keyring.
var (
	ErrRotating    = errors.New("the key is being rotated already: first finish that (keys rotate --finish), or undo it (keys rotate --undo)")
	ErrNotRotating = errors.New("the key is not being rotated")
)

// Keyring is the identity of a cloud that runs. It changes when a key is rotated. Its methods may be called from any
// goroutine; those that write block for the disk.
type Keyring struct {
	dir      string
	writing  sync.Mutex // held while files are changed
	identity atomic.Pointer[Identity]
}

// OpenKeyring is OpenIdentity for a cloud that runs.
func OpenKeyring(dir string) (r *Keyring, created bool, err error) {
	identity, created, err := OpenIdentity(dir)
	if err != nil {
		return nil, created, err
	}
	r = &Keyring{dir: dir}
	r.identity.Store(&identity)
	return r, created, nil
}

// Identity returns the keys as they are now.
func (r *Keyring) Identity() Identity { return *r.identity.Load() }

// Rotate makes a new key for a transport. The present one is honoured beside it until Finish or Undo.
func (r *Keyring) Rotate(t Transport) error {
	return r.change(func(now Identity) error {
		if !now.OldServerKey(t).IsZero() {
			return ErrRotating
		}
		fresh, err := generateFor(t)
		if err != nil {
			return err
		}
		if err := storeKey(r.path(oldFile(t)), now.private(t)); err != nil {
			return err
		}
		return storeKey(r.path(presentFile(t)), fresh)
	})
}

// Finish lets go of the old key. Boards that hold nothing else are not let in any more. Its public half is remembered.
func (r *Keyring) Finish(t Transport) error {
	return r.change(func(now Identity) error {
		old := now.OldServerKey(t)
		if old.IsZero() {
			return ErrNotRotating
		}
		if err := r.rememberFormer(old); err != nil {
			return err
		}
		return r.removeOld(t)
	})
}

// Undo makes the old key the present one again, and lets go of the new one. Boards that hold the new one are not let in
// any more.
func (r *Keyring) Undo(t Transport) error {
	return r.change(func(now Identity) error {
		if now.OldServerKey(t).IsZero() {
			return ErrNotRotating
		}
		if err := r.rememberFormer(now.ServerKey(t)); err != nil {
			return err
		}
		if err := os.Rename(r.path(oldFile(t)), r.path(presentFile(t))); err != nil {
			return err
		}
		return syncDir(r.dir)
	})
}

// change runs f, and reads the files again whatever came of it.
func (r *Keyring) change(f func(now Identity) error) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	failed := f(r.Identity())
	identity, _, err := OpenIdentity(r.dir)
	if err == nil {
		r.identity.Store(&identity)
	}
	return errors.Join(failed, err)
}

func (r *Keyring) path(name string) string { return filepath.Join(r.dir, name) }

func (r *Keyring) removeOld(t Transport) error {
	if err := os.Remove(r.path(oldFile(t))); err != nil {
		return err
	}
	return syncDir(r.dir)
}

func (r *Keyring) rememberFormer(key ServerKey) error {
	former, err := readFormer(r.dir)
	if err != nil || slices.Contains(former, key) {
		return err
	}
	var text bytes.Buffer
	for _, k := range append(former, key) {
		text.Write(k.PEM())
	}
	return writePrivateFile(r.path(formerFile), text.Bytes())
}

// readFormer reads the public keys that are no longer honoured.
func readFormer(dir string) (former []ServerKey, err error) {
	text, err := os.ReadFile(filepath.Join(dir, formerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		key, err := ParseServerKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", formerFile, err)
		}
		former = append(former, key)
	}
	return former, nil
}

// readOld reads the old key of a rotation; nil: there is none. One that is the present key comes from a rotation that was
// cut off before it began.
func readOld[K interface {
	crypto.Signer
	Equal(crypto.PrivateKey) bool
}](path string, parse func([]byte) (K, error), present K) (old K, err error) {
	text, err := readPrivateFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return old, nil
	}
	if err != nil {
		return old, err
	}
	key, err := parse(text)
	if err != nil {
		return old, fmt.Errorf("%s holds no usable server key (%w) and was left as it is: put it back from a backup; "+
			"without it the boards that hold the old key are not let in, so move it away only when there are none", path, err)
	}
	if key.Equal(present) {
		return old, nil
	}
	return key, nil
}

// ServerKey is the public key that boards are given on a transport.
func (id Identity) ServerKey(t Transport) ServerKey {
	if t == UDP {
		return id.UDPServerKey()
	}
	return id.TCPServerKey()
}

// OldServerKey is the public half of the key that is being rotated out on a transport, zero when there is none.
func (id Identity) OldServerKey(t Transport) ServerKey {
	switch {
	case t == TCP && id.OldTCP != nil:
		return ServerKey{RSA, string(spki(&id.OldTCP.PublicKey))}
	case t == UDP && id.OldUDP != nil:
		return ServerKey{ECC, string(spki(&id.OldUDP.PublicKey))}
	}
	return ServerKey{}
}

func (id Identity) private(t Transport) crypto.Signer {
	if t == UDP {
		return id.UDP
	}
	return id.TCP
}

func generateFor(t Transport) (crypto.Signer, error) {
	if t == UDP {
		return generateUDP()
	}
	return generateTCP()
}

func presentFile(t Transport) string {
	if t == UDP {
		return udpKeyFile
	}
	return tcpKeyFile
}

func oldFile(t Transport) string {
	if t == UDP {
		return oldUDPKeyFile
	}
	return oldTCPKeyFile
}

// FingerprintOfRSA and FingerprintOfEC are the fingerprints of a server key's public half.
func FingerprintOfRSA(key *rsa.PublicKey) Fingerprint { return fingerprint(spki(key)) }

// FingerprintOfEC is FingerprintOfRSA for a key on P-256.
func FingerprintOfEC(key *ecdsa.PublicKey) Fingerprint { return fingerprint(spki(key)) }

// ServerKeys returns the public halves of a transport's keys: the present one, the one that is being rotated out (zero:
// none), and those that are no longer honoured.
func (r *Keyring) ServerKeys(t Transport) (key, old ServerKey, former []ServerKey) {
	id := r.Identity()
	for _, k := range id.Former {
		if k.Algorithm() == t.Algorithm() {
			former = append(former, k)
		}
	}
	return id.ServerKey(t), id.OldServerKey(t), former
}
