package rekey

import (
	"crypto"
	"fmt"

	"localcloud/keys"
)

// Change is one slot that is to be written.
type Change struct {
	What string // in words
	Slot keys.Slot
	Old  []byte
	New  []byte
}

// Plan is what is to be done to a board. Without changes the board holds all that it should.
type Plan struct {
	Held    Held
	Changes []Change
	Key     keys.PublicKey // the device's, afterwards; zero: unknown, as when a backup of an erased slot is put back
}

// Wish says what a board shall hold.
type Wish struct {
	Server keys.ServerSlot
	Key    crypto.Signer // nil: the one that it has, or a new one when that is of no use
	NewKey bool          // a new one in any case
}

// PlanFor compares what a board holds with what it shall hold.
func PlanFor(h Held, w Wish) (Plan, error) {
	p := Plan{Held: h, Key: h.Key}
	server, err := h.Layout.AppendServerSlot(nil, w.Server)
	if err != nil {
		return Plan{}, err
	}
	if w.NewKey || (w.Key == nil && h.KeyErr != nil) {
		if w.Key, err = h.Layout.GenerateDeviceKey(); err != nil {
			return Plan{}, err
		}
	}
	if w.Key != nil {
		if err := p.giveKey(w.Key); err != nil {
			return Plan{}, err
		}
	}
	p.change("this cloud's key and the address "+w.Server.Address.String(), h.Layout.ServerKey, server)
	if h.Layout.SetupDone.Size > 0 {
		p.change("the mark that it needs no set-up", h.Layout.SetupDone, []byte{keys.SetupDoneByte})
	}
	return p, nil
}

func (p *Plan) giveKey(key crypto.Signer) error {
	slot, err := p.Held.Layout.AppendDeviceSlot(nil, key)
	if err != nil {
		return err
	}
	if p.Key, err = keys.PublicKeyOf(key); err != nil {
		return err
	}
	if p.Key != p.Held.Key || p.Held.KeyErr != nil {
		p.change("a new key of its own ("+string(p.Key.Fingerprint())+")", p.Held.Layout.DeviceKey, slot)
	}
	return nil
}

// PlanBack compares what a board holds with a backup of it.
func PlanBack(h Held, b keys.Backup) (Plan, error) {
	if b.ID != h.ID || b.Platform != h.Platform.Name {
		return Plan{}, fmt.Errorf("this is the backup of %s (%s)", b.ID, b.Platform)
	}
	p := Plan{Held: h}
	for _, part := range b.Parts {
		what := fmt.Sprintf("%d bytes at %d", part.Slot.Size, part.Slot.Address)
		switch part.Slot {
		case h.Layout.ServerKey:
			what = "the server key and address that it had"
		case h.Layout.DeviceKey:
			what = "the key of its own that it had"
			if key, err := h.Layout.ParseDeviceSlot(part.Data); err == nil {
				p.Key, _ = keys.PublicKeyOf(key)
			}
		case h.Layout.CloudTransport:
			what = "its choice of TCP or UDP"
		case h.Layout.SetupDone:
			what = "its mark of the set-up"
		default:
			return Plan{}, fmt.Errorf("the backup holds %s, which a %s does not have", what, h.Platform.Name)
		}
		p.change(what, part.Slot, part.Data)
	}
	return p, nil
}

// change adds a slot unless it holds the bytes already.
func (p *Plan) change(what string, s keys.Slot, data []byte) {
	if !p.Held.same(s, data) {
		p.Changes = append(p.Changes, Change{What: what, Slot: s, Old: p.Held.content(s), New: data})
	}
}

// PlanServer changes nothing but which cloud the board knows.
func PlanServer(h Held, server keys.ServerSlot) (Plan, error) {
	slot, err := h.Layout.AppendServerSlot(nil, server)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Held: h, Key: h.Key}
	p.change("the server key and the address "+server.Address.String(), h.Layout.ServerKey, slot)
	return p, nil
}
