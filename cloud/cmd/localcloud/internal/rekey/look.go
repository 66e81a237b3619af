package rekey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"localcloud/keys"
)

// Board is a board whose memory can be reached. Reading and writing block; a write that has begun is not interrupted.
type Board interface {
	Read(ctx context.Context, s keys.Slot) ([]byte, error)
	Write(ctx context.Context, s keys.Slot, data []byte) error
}

// Held is what a board holds.
type Held struct {
	ID       keys.DeviceID
	Platform keys.Platform
	Layout   keys.Layout

	Server    keys.ServerSlot // zero when ServerErr is not nil
	ServerErr error           // the slot holds neither a key nor nothing
	Key       keys.PublicKey  // public half of the device's key; zero when KeyErr is not nil
	KeyErr    error           // keys.ErrErased, or why the key is of no use

	parts []keys.Part // every slot of the layout
}

// Look reads all slots of a board. An Electron is read for the transport that it is switched to.
func Look(ctx context.Context, board Board, id keys.DeviceID, platform keys.Platform) (Held, error) {
	h := Held{ID: id, Platform: platform, Layout: platform.Layout()}
	if s := h.Layout.CloudTransport; s.Size > 0 {
		b, err := h.read(ctx, board, s)
		if err != nil {
			return Held{}, err
		}
		if b[0] == keys.TransportTCP {
			if h.Layout, err = platform.LayoutFor(keys.TCP); err != nil {
				return Held{}, err
			}
		}
	}
	server, err := h.read(ctx, board, h.Layout.ServerKey)
	if err != nil {
		return Held{}, err
	}
	device, err := h.read(ctx, board, h.Layout.DeviceKey)
	if err != nil {
		return Held{}, err
	}
	if s := h.Layout.SetupDone; s.Size > 0 {
		if _, err := h.read(ctx, board, s); err != nil {
			return Held{}, err
		}
	}
	h.Server, h.ServerErr = h.Layout.ParseServerSlot(server)
	if key, err := h.Layout.ParseDeviceSlot(device); err != nil {
		h.KeyErr = err
	} else if h.Key, err = keys.PublicKeyOf(key); err != nil {
		return Held{}, err
	}
	return h, nil
}

func (h *Held) read(ctx context.Context, board Board, s keys.Slot) ([]byte, error) {
	b, err := board.Read(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(b) != s.Size {
		return nil, fmt.Errorf("the board gave %d of %d bytes", len(b), s.Size)
	}
	h.parts = append(h.parts, keys.Part{Slot: s, Data: b})
	return b, nil
}

// Backup returns what the board holds, to be sealed and kept.
func (h Held) Backup(now time.Time) keys.Backup {
	return keys.Backup{ID: h.ID, Platform: h.Platform.Name, Taken: now.UTC(), Parts: h.parts}
}

func (h Held) content(s keys.Slot) []byte {
	b, _ := keys.Backup{Parts: h.parts}.Find(s)
	return b
}

// Own are the keys of the cloud that asks: the present one, and those that it had before.
type Own struct {
	Key    keys.ServerKey
	Before []keys.Fingerprint
}

// Is reports whether a key is or was this cloud's.
func (o Own) Is(k keys.ServerKey) bool {
	return k == o.Key || slices.Contains(o.Before, k.Fingerprint())
}

// ServerText says in words which cloud the board knows.
func (h Held) ServerText(own Own) string {
	key := "the key of another server (" + string(h.Server.Key.Fingerprint()) + ")"
	switch {
	case h.ServerErr != nil:
		return "a damaged server key"
	case h.Server.Key.IsZero():
		key = "no server key"
	case h.Server.Key == own.Key:
		key = "this cloud's key"
	case own.Is(h.Server.Key):
		key = "an older key of this cloud"
	case h.Server.Key.IsParticle():
		key = "the key of Particle's cloud"
	}
	where := h.Server.Address.String()
	if h.Server.Address.IsZero() {
		where = "the address built into its firmware"
	}
	return key + ", at " + where
}

// KeyText says in words what the board has as its own key.
func (h Held) KeyText() string {
	switch {
	case errors.Is(h.KeyErr, keys.ErrErased):
		return "no key of its own"
	case h.KeyErr != nil:
		return "a key of its own that it cannot use: " + h.KeyErr.Error()
	}
	return "a key of its own (" + string(h.Key.Fingerprint()) + ")"
}

// same reports whether a slot holds these bytes already.
func (h Held) same(s keys.Slot, data []byte) bool { return bytes.Equal(h.content(s), data) }
