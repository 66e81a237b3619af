package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"localcloud/cloud/store"
	"localcloud/keys"
)

// A backup is a tar archive, sealed with a passphrase (age):
//
//	backup.json       backupHead: what it is, and how boards reached the cloud
//	registry.json.gz  devices, users, tokens, settings: store.Registry.Dump
//	keys/...          the server's keys, those for backups of boards and for HTTPS
//	boards/ID/...     what boards held, and what they were given
//	relay/relay.json  the relay's settings: which devices may use it, what is public, what is recorded
//
// Events and the relay's recordings are not in it, nor sessions with boards: those of a copy must not go on (a nonce would be used twice).
const (
	backupFormat = 1
	headName     = "backup.json"
	registryDump = "registry.json.gz"
	maxInBackup  = 64 << 20 // of one file
)

// inBackup is what a file in a backup may be called.
var inBackup = regexp.MustCompile(`^(backup\.json|registry\.json\.gz|keys/[A-Za-z0-9_-][A-Za-z0-9._-]*|boards/[0-9a-f]{24}/[A-Za-z0-9_-][A-Za-z0-9._-]*|relay/relay\.json)$`)

// backupHead says what a backup is.
type backupHead struct {
	Format    int       `json:"format"`
	Taken     time.Time `json:"taken"`
	Version   string    `json:"version"`
	Devices   int       `json:"devices"`
	Addresses []string  `json:"addresses"` // of the machine that it was made on
}

type backupCmd struct {
	File            string `arg:"" help:"Where to write it; it must not exist yet."`
	Data            string `help:"The cloud's data directory (default: ${data})." placeholder:"DIR" env:"LOCALCLOUD_DATA"`
	PassphraseStdin bool   `help:"Read the passphrase from standard input instead of asking for it."`
}

// Help is the long text of --help.
func (*backupCmd) Help() string {
	return "Writes the identity of this cloud, encrypted with a passphrase: its keys, devices, users, tokens, settings, those of the relay and what it shows in public, and the backups of boards. " +
		"With it a spare machine becomes this cloud (localcloud restore) and the boards come back by themselves. " +
		"Events are not in it, nor the relay's recordings: localcloud relay download copies those. The cloud may be running."
}

// Run writes the backup.
func (c *backupCmd) Run(ctx context.Context, t *terminal) error {
	dir, err := dataDir(c.Data)
	if err != nil {
		return err
	}
	p := place{Data: c.Data}
	return p.with(ctx, needData, func(conn *connection) error {
		passphrase, err := t.passphrase(c.PassphraseStdin)
		if err != nil {
			return err
		}
		dump, err := conn.Dump(ctx)
		if err != nil {
			return err
		}
		head := backupHead{Format: backupFormat, Taken: conn.now(ctx).UTC(), Version: version(), Addresses: ownAddresses()}
		if status, err := conn.Status(ctx); err == nil {
			head.Devices = status.Devices
		}
		if err := newFile(c.File, func(w io.Writer) error { return writeBackup(w, passphrase, dir, head, dump) }); err != nil {
			return err
		}
		t.printf("%s holds this cloud's identity and %d devices, encrypted. Without the passphrase it is of no use to anybody, you included.\n", c.File, head.Devices)
		t.printf("Events and the relay's recordings are not in it.\n")
		return nil
	})
}

// newFile writes a file that is there whole or not at all.
func newFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; choose another name", path)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func writeBackup(w io.Writer, passphrase, dir string, head backupHead, dump []byte) error {
	sealed, err := keys.SealWithPassphrase(w, passphrase)
	if err != nil {
		return usageError{err}
	}
	archive := tar.NewWriter(sealed)
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	add := func(name string, b []byte) error {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: head.Taken, Format: tar.FormatPAX})
		if err == nil {
			_, err = archive.Write(b)
		}
		return err
	}
	if err := errors.Join(add(headName, text), add(registryDump, dump)); err != nil {
		return err
	}
	for _, pattern := range []string{"keys/*", "boards/*/*", "relay/relay.json"} {
		files, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		for _, file := range files {
			name, err := filepath.Rel(dir, file)
			if name = filepath.ToSlash(name); err != nil || !inBackup.MatchString(name) || strings.HasSuffix(name, ".tmp") {
				continue
			}
			b, err := os.ReadFile(file)
			if err == nil {
				err = add(name, b)
			}
			if err != nil {
				return err
			}
		}
	}
	return errors.Join(archive.Close(), sealed.Close())
}

type restoreCmd struct {
	File            string `arg:"" help:"The backup that localcloud backup wrote."`
	Data            string `help:"Where the cloud's data shall be; nothing may be there yet (default: ${data})." placeholder:"DIR" env:"LOCALCLOUD_DATA"`
	PassphraseStdin bool   `help:"Read the passphrase from standard input instead of asking for it."`
}

// Help is the long text of --help.
func (*restoreCmd) Help() string {
	return "Makes this machine the cloud of a backup: the same keys, devices, users and tokens. Give it the address of the old machine, " +
		"and the boards come back by themselves. Never run both at once. A board's own memory is given back by: localcloud device restore"
}

// Run makes the data directory.
func (c *restoreCmd) Run(ctx context.Context, t *terminal) error {
	dir, err := dataDir(c.Data)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("there is something in %s already, and nothing is overwritten; move it away, or choose another directory with --data", dir)
	}
	passphrase, err := t.passphraseOnce(c.PassphraseStdin)
	if err != nil {
		return err
	}
	head, given, err := unpackTo(dir, c.File, passphrase)
	if err != nil {
		return fmt.Errorf("%s: %w; nothing was restored", c.File, err)
	}
	t.printf("%s is restored from a backup of %s: %d devices. Start it: localcloud serve --data %s\n", dir, head.Taken.Format(time.DateTime), head.Devices, dir)
	for _, line := range addressAdvice(head, given, ownAddresses()) {
		t.printf("%s\n", line)
	}
	return nil
}

// unpackTo makes dir from a backup, in one step at the end.
func unpackTo(dir, file, passphrase string) (head backupHead, given []keys.Given, err error) {
	f, err := os.Open(file)
	if err != nil {
		return head, nil, err
	}
	defer f.Close()
	plain, err := keys.OpenWithPassphrase(f, passphrase)
	if err != nil {
		return head, nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return head, nil, err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), ".localcloud-restore-") // mode 0700
	if err != nil {
		return head, nil, err
	}
	defer os.RemoveAll(fresh)
	dump, head, err := unpack(fresh, plain)
	if err == nil {
		err = store.RestoreRegistry(fresh, dump)
	}
	if err == nil {
		_, _, err = keys.OpenIdentity(keysDir(fresh)) // whole and usable
	}
	if err != nil {
		return head, nil, err
	}
	given = store.NewBoards(filepath.Join(fresh, "boards"), keysDir(fresh)).Given()
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // it is empty
		return head, nil, err
	}
	return head, given, os.Rename(fresh, dir)
}

// unpack writes the files of an archive below dir and returns the registry in it.
func unpack(dir string, r io.Reader) (dump []byte, head backupHead, err error) {
	archive := tar.NewReader(r)
	have := map[string]bool{}
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, head, errors.New("it is damaged or cut off")
		}
		if !inBackup.MatchString(h.Name) || h.Typeflag != tar.TypeReg || h.Size > maxInBackup || have[h.Name] {
			return nil, head, fmt.Errorf("it holds %q, which no backup of ours does", h.Name)
		}
		have[h.Name] = true
		b, err := io.ReadAll(archive)
		if err != nil {
			return nil, head, errors.New("it is damaged or cut off")
		}
		switch h.Name {
		case headName:
			err = json.Unmarshal(b, &head)
		case registryDump:
			dump = b
		default:
			path := filepath.Join(dir, filepath.FromSlash(h.Name))
			if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		}
		if err != nil {
			return nil, head, err
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // only its end proves that it is whole
		return nil, head, errors.New("it is damaged or cut off")
	}
	for _, name := range []string{headName, registryDump, "keys/server-rsa.pem", "keys/server-ec.pem"} {
		if !have[name] {
			return nil, head, fmt.Errorf("%s is not in it", name)
		}
	}
	if head.Format != backupFormat {
		return nil, head, fmt.Errorf("it has format %d, which this version does not know; take a newer localcloud", head.Format)
	}
	return dump, head, nil
}

// addressAdvice says what to do when this machine is reached by another address than the old one.
func addressAdvice(head backupHead, given []keys.Given, own []string) (lines []string) {
	var looked []string
	for _, g := range given {
		if !slices.Contains(looked, g.Host) {
			looked = append(looked, g.Host)
		}
	}
	if len(looked) == 0 {
		looked = head.Addresses
	}
	looked = slices.DeleteFunc(slices.Clone(looked), func(a string) bool {
		return slices.Contains(own, a) || strings.HasPrefix(a, "127.") || strings.Contains(a, ":")
	})
	if len(looked) == 0 {
		return nil
	}
	return []string{
		"The boards look for the cloud at " + strings.Join(looked, ", ") + ", which is not an address of this machine.",
		"Let your router give this machine that address (a fixed lease), or the name lead here; then the boards come by themselves.",
		"Otherwise give each board the new address: localcloud device rekey --host ADDRESS",
	}
}

// passphrase asks for a new passphrase, twice.
func (t *terminal) passphrase(fromStdin bool) (string, error) {
	p, err := t.passphraseOnce(fromStdin)
	if err != nil || fromStdin {
		return p, err
	}
	again, err := t.ask(t.in.(*os.File), "The same again: ")
	if err == nil && again != p {
		return "", usagef("the two differ; nothing was written")
	}
	return p, err
}

// passphraseOnce reads a passphrase: one line of standard input, or typed.
func (t *terminal) passphraseOnce(fromStdin bool) (string, error) {
	if fromStdin {
		return t.password(true)
	}
	f, ok := t.in.(*os.File)
	if !ok || !isTerminal(f) {
		return "", usagef("a backup needs a passphrase; give it on standard input with --passphrase-stdin")
	}
	return t.ask(f, "Passphrase: ")
}

// newFileOf is newFile for bytes.
func newFileOf(path string, b []byte) error {
	return newFile(path, func(w io.Writer) error { _, err := w.Write(b); return err })
}
