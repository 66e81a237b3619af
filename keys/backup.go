package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"filippo.io/age"
)

// Backup is what a board held before it was re-keyed: enough to make it again what it was. It holds the board's private
// key, so it is kept sealed only.
type Backup struct {
	ID       DeviceID  `json:"id"`
	Platform string    `json:"platform"`
	Taken    time.Time `json:"taken"`
	Parts    []Part    `json:"parts"`
}

// Part is one slot with its content.
type Part struct {
	Slot Slot   `json:"slot"`
	Data []byte `json:"data"` // of the slot's size
}

// Find returns the content of a slot.
func (b Backup) Find(s Slot) ([]byte, bool) {
	for _, p := range b.Parts {
		if p.Slot == s {
			return p.Data, true
		}
	}
	return nil, false
}

// ServerSlot returns what the board knew of its cloud, by its platform's own transport or another.
func (b Backup) ServerSlot() (ServerSlot, error) {
	platform, err := ParsePlatform(b.Platform)
	if err != nil {
		return ServerSlot{}, err
	}
	for _, t := range []Transport{platform.Transport, TCP} {
		layout, err := platform.LayoutFor(t)
		if err != nil {
			continue
		}
		if data, ok := b.Find(layout.ServerKey); ok {
			return layout.ParseServerSlot(data)
		}
	}
	return ServerSlot{}, errors.New("backup: it holds no server slot")
}

// maxBackup bounds a backup, sealed or not. The largest, a Core's, has about 6 kB.
const maxBackup = 64 << 10

// Recipient is for whom something is sealed: the public half of a SealKey, "age1...".
type Recipient string

// SealKey opens what was sealed for its Recipient.
type SealKey struct{ identity *age.X25519Identity }

// NewSealKey makes a key.
func NewSealKey() (SealKey, error) {
	identity, err := age.GenerateX25519Identity()
	return SealKey{identity}, err
}

// Recipient returns the public half.
func (k SealKey) Recipient() Recipient { return Recipient(k.identity.Recipient().String()) }

// String returns the public half: the private one never prints.
func (k SealKey) String() string { return string(k.Recipient()) }

// Format prints String for every verb.
func (k SealKey) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// sealFile is where OpenSealKey keeps its key.
const sealFile = "backup.key"

// OpenSealKey reads the key for backups from backup.key in dir, or makes it there with mode 0600.
func OpenSealKey(dir string) (SealKey, error) {
	path := filepath.Join(dir, sealFile)
	text, err := readPrivateFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := NewSealKey()
		if err == nil {
			err = makeDir(dir)
		}
		if err == nil {
			err = writePrivateFile(path, []byte(key.identity.String()+"\n"))
		}
		return key, err
	}
	if err != nil {
		return SealKey{}, fmt.Errorf("key for backups: %w", err)
	}
	identity, err := age.ParseX25519Identity(string(bytes.TrimSpace(text)))
	if err != nil {
		return SealKey{}, fmt.Errorf("key for backups: %s holds no usable key and was left as it is: put it back from a backup", path)
	}
	return SealKey{identity}, nil
}

// Seal encrypts a backup, so that only the owner of the recipient's key can read it (age, X25519).
func (b Backup) Seal(to Recipient) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return SealBytes(plain, to)
}

// OpenBackup decrypts a backup and checks that every part has the size of its slot.
func OpenBackup(sealed []byte, key SealKey) (Backup, error) {
	plain, err := OpenBytes(sealed, key)
	if err != nil {
		return Backup{}, err
	}
	var b Backup
	if err := json.Unmarshal(plain, &b); err != nil {
		return Backup{}, errors.New("backup: not the backup of a board")
	}
	for _, p := range b.Parts {
		if len(p.Data) != p.Slot.Size {
			return Backup{}, fmt.Errorf("backup: a part has %d bytes, not %d", len(p.Data), p.Slot.Size)
		}
	}
	return b, nil
}

// SealBytes encrypts a short text for a recipient.
func SealBytes(plain []byte, to Recipient) ([]byte, error) {
	recipient, err := age.ParseX25519Recipient(string(to))
	if err != nil {
		return nil, errors.New("backup: that is not a recipient (age1...)")
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(plain)
	if err := errors.Join(err, w.Close()); err != nil { // Close writes the last of it
		return nil, err
	}
	return out.Bytes(), nil
}

// OpenBytes is the reverse of SealBytes.
func OpenBytes(sealed []byte, key SealKey) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), key.identity)
	if err != nil {
		return nil, errors.New("backup: it is damaged, or was sealed for another key")
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxBackup+1))
	if err != nil || len(plain) > maxBackup {
		return nil, errors.New("backup: it is damaged")
	}
	return plain, nil
}
