package main

import (
	"context"
	"crypto"
	"fmt"
	"os"
	"path/filepath"

	"localcloud/keys"
)

// toFiles writes what a board shall hold into files, for a board that is plugged in elsewhere.
func (c *deviceRekeyCmd) toFiles(ctx context.Context, t *terminal, conn *connection) error {
	platform, err := keys.ParsePlatform(c.For)
	if err != nil {
		return usageError{err}
	}
	layout := platform.Layout()
	address, err := boardAddress(ctx, conn, layout.Transport, c.Host, c.Port)
	if err != nil {
		return err
	}
	server, err := serverKeyFor(ctx, conn, layout.Transport)
	if err != nil {
		return err
	}
	slot, err := layout.AppendServerSlot(nil, keys.ServerSlot{Key: server, Address: address})
	if err != nil {
		return err
	}
	for _, w := range addressWarnings(platform, address) {
		t.printf("%s\n", w)
	}
	f := boardFiles{dir: c.File, platform: platform, layout: layout, dry: c.DryRun, t: t}
	if err := f.write(f.server(), slot, 0o644); err != nil {
		return err
	}
	if c.Key != "" || c.NewKey {
		if err := c.deviceKeyToFiles(ctx, conn, f); err != nil {
			return err
		}
	}
	f.instructions(c.Key != "" || c.NewKey)
	return nil
}

// deviceKeyToFiles writes a device key into files and registers its public half.
func (c *deviceRekeyCmd) deviceKeyToFiles(ctx context.Context, conn *connection, f boardFiles) error {
	id, err := keys.ParseDeviceID(c.ID)
	if err != nil {
		return usagef("a device key belongs to one device: name it with --id: %w", err)
	}
	key, err := readBoardKey(c.Key)
	if err == nil && key == nil {
		key, err = f.layout.GenerateDeviceKey()
	}
	if err != nil {
		return err
	}
	public, err := f.deviceKey(key)
	if err != nil || c.DryRun {
		return err
	}
	if err := registerBoard(ctx, conn, id, public, label{c.Name, c.User}); err != nil {
		return err
	}
	f.t.printf("%s is registered with that key%s\n", id, called(c.Name))
	return nil
}

// boardFiles are the files of one board.
type boardFiles struct {
	dir      string
	platform keys.Platform
	layout   keys.Layout
	dry      bool
	t        *terminal
}

func (f boardFiles) server() string { return filepath.Join(f.dir, "server.der") }
func (f boardFiles) device() string { return filepath.Join(f.dir, "device.der") }

// write stores a file that must not be there yet: it could be the only copy of a key.
func (f boardFiles) write(path string, b []byte, mode os.FileMode) error {
	if f.dry {
		f.t.printf("would write %s (%d bytes)\n", path, len(b))
		return nil
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("%w; choose another directory with --file", err)
	}
	if _, err = file.Write(b); err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		f.t.printf("wrote %s (%d bytes)\n", path, len(b))
	}
	return err
}

// deviceKey writes a private key as the whole slot and its public half as PEM, which particle-cli and we take.
func (f boardFiles) deviceKey(key crypto.Signer) (keys.PublicKey, error) {
	slot, err := f.layout.AppendDeviceSlot(nil, key)
	if err != nil {
		return keys.PublicKey{}, err
	}
	public, err := keys.PublicKeyOf(key)
	if err != nil {
		return keys.PublicKey{}, err
	}
	if err := f.write(f.device(), slot, 0o600); err != nil {
		return keys.PublicKey{}, err
	}
	return public, f.write(filepath.Join(f.dir, "device.pub.pem"), public.PEM(), 0o644)
}

func (f boardFiles) instructions(withKey bool) {
	f.t.printf("\nTake the files to where the board is, put it into DFU mode (blinking yellow), keep what it holds, and write them. With dfu-util:\n")
	s, d := f.layout.ServerKey, f.layout.DeviceKey
	f.t.printf("  dfu-util -d %s -a %d -s %d:%d -U server-before.bin\n", f.platform.DFU, s.Alt, s.Address, s.Size)
	f.t.printf("  dfu-util -d %s -a %d -s %d:%d -U device-before.bin\n", f.platform.DFU, d.Alt, d.Address, d.Size)
	if withKey {
		f.t.printf("  %s\n", dfuLine(f.platform, d, f.device()))
	}
	f.t.printf("  %s\n", dfuLine(f.platform, keys.Slot{Alt: s.Alt, Address: s.Address}, f.server()))
	f.t.printf("or with particle-cli:\n  particle keys save device-before\n")
	if withKey {
		f.t.printf("  particle keys load %s\n", f.device())
	}
	f.t.printf("  particle keys server %s\n", f.server())
	if !withKey {
		f.t.printf("The board keeps its own key. Restart it; it knocks, and: localcloud device list --unknown\n")
	}
}
