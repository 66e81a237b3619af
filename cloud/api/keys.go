package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"localcloud/cloud"
	"localcloud/keys"
)

// Keyring holds the server's keys and rotates them. *keys.Keyring implements it.
type Keyring interface {
	// ServerKeys returns the public halves: the present key of a transport, the one that is being rotated out (zero: none),
	// and those that are no longer honoured.
	ServerKeys(t keys.Transport) (key, old keys.ServerKey, former []keys.ServerKey)
	Rotate(t keys.Transport) error
	Finish(t keys.Transport) error
	Undo(t keys.Transport) error
}

// keyObject is what is told of one key of the server.
type keyObject struct {
	Transport   keys.Transport     `json:"transport"`
	Fingerprint keys.Fingerprint   `json:"fingerprint"`
	Old         keys.Fingerprint   `json:"old"`    // of the key that is being rotated out; empty: none
	Former      []keys.Fingerprint `json:"former"` // of those that are no longer honoured

	// Devices on this transport that who asks may see, by which key they hold. Waiting are the ids of the last two.
	HoldPresent int      `json:"hold_present"`
	HoldOld     int      `json:"hold_old"`
	HoldUnknown int      `json:"hold_unknown"` // they never came
	Waiting     []string `json:"waiting"`
}

// listKeys answers with the server's keys and who holds which.
func (s *Server) listKeys(q *request) (any, error) {
	brief := q.args.flag("brief", false)
	if q.args.err != nil {
		return nil, q.args.err
	}
	list, now := []keyObject{}, s.serverKeysNow()
	for _, t := range []keys.Transport{keys.TCP, keys.UDP} {
		o := s.keyObject(t, now, q.access.Sees)
		if brief {
			o.Waiting = []string{}
		}
		list = append(list, o)
	}
	return list, nil
}

// everyDevice is who sees all.
func everyDevice(cloud.Device) bool { return true }

// keyObject describes the key of a transport, among the devices that who asks sees.
func (s *Server) keyObject(t keys.Transport, now serverKeysNow, sees func(cloud.Device) bool) keyObject {
	o := keyObject{
		Transport: t, Fingerprint: now.present[t], Old: now.old[t], Former: append([]keys.Fingerprint{}, now.former[t]...), Waiting: []string{},
	}
	for d := range s.Registry.AllDevices() {
		if d.Key.Algorithm() != t.Algorithm() || !sees(*d) {
			continue
		}
		switch now.heldBy(*d) {
		case holdsPresent:
			o.HoldPresent++
			continue
		case holdsUnknown:
			o.HoldUnknown++
		default:
			o.HoldOld++
		}
		o.Waiting = append(o.Waiting, d.ID.String())
	}
	slices.Sort(o.Waiting)
	return o
}

// Which key of the server a device holds, as far as it is known.
const (
	holdsPresent = "present"
	holdsOld     = "old"
	holdsFormer  = "former" // it cannot come any more
	holdsUnknown = ""
)

// serverKeysNow are the fingerprints of the server's keys, and what boards were given.
type serverKeysNow struct {
	present, old map[keys.Transport]keys.Fingerprint // old: empty unless it is being rotated out
	former       map[keys.Transport][]keys.Fingerprint
	given        map[keys.DeviceID]keys.Given // empty while no key was ever rotated
}

func (s *Server) serverKeysNow() serverKeysNow {
	now := serverKeysNow{
		present: map[keys.Transport]keys.Fingerprint{}, old: map[keys.Transport]keys.Fingerprint{},
		former: map[keys.Transport][]keys.Fingerprint{}, given: map[keys.DeviceID]keys.Given{},
	}
	if s.Keyring == nil {
		return now
	}
	rotated := false
	for _, t := range []keys.Transport{keys.TCP, keys.UDP} {
		key, old, former := s.Keyring.ServerKeys(t)
		now.present[t], now.old[t] = key.Fingerprint(), old.Fingerprint()
		for _, k := range former {
			now.former[t] = append(now.former[t], k.Fingerprint())
		}
		rotated = rotated || !old.IsZero() || len(former) > 0
	}
	if !rotated {
		return now
	}
	for _, g := range s.Boards.Given() {
		if g.Writing == "" {
			now.given[g.ID] = g
		}
	}
	return now
}

// heldBy says which key of the server a device holds: what it was given since it last came, or with which it came. One that
// came before that was noted holds the first key that there was.
func (n serverKeysNow) heldBy(d cloud.Device) string {
	t := keys.TCP
	if d.Key.Algorithm() == keys.ECC {
		t = keys.UDP
	}
	holds := d.ServerKey
	if g, ok := n.given[d.ID]; ok && g.Transport == t && g.At.After(d.LastHandshake) {
		holds = g.ServerKey
	}
	switch {
	case holds == "" && d.LastHandshake.IsZero():
		return holdsUnknown
	case holds == "" && len(n.former[t]) > 0:
		return holdsUnknown
	case holds == "" && n.old[t] != "", holds != "" && holds == n.old[t]:
		return holdsOld
	case holds == "", holds == n.present[t]:
		return holdsPresent
	case slices.Contains(n.former[t], holds):
		return holdsFormer
	}
	return holdsUnknown
}

// rotateKeys begins the rotation of the server's keys, finishes or undoes it.
func (s *Server) rotateKeys(q *request) (any, error) {
	a := &q.args
	transport, step, force := a.text("transport"), a.text("step"), a.flag("force", false)
	if a.err != nil {
		return nil, a.err
	}
	transports := []keys.Transport{keys.Transport(transport)}
	switch {
	case transport == "":
		transports = []keys.Transport{keys.TCP, keys.UDP}
	case transports[0] != keys.TCP && transports[0] != keys.UDP:
		return nil, plain(400, "transport has to be tcp or udp")
	}
	do, ok := map[string]func(keys.Transport) error{"begin": s.Keyring.Rotate, "finish": s.Keyring.Finish, "undo": s.Keyring.Undo}[step]
	if !ok {
		return nil, plain(400, "step has to be begin, finish or undo")
	}
	if step == "finish" && !force {
		if err := s.mayFinish(transports); err != nil {
			return nil, err
		}
	}
	done := false
	for _, t := range transports {
		err := do(t)
		switch {
		case errors.Is(err, keys.ErrRotating), errors.Is(err, keys.ErrNotRotating):
			if !done && t == transports[len(transports)-1] { // of both, one is enough
				return nil, plain(409, err.Error())
			}
		case err != nil:
			return nil, err
		default:
			done = true
		}
	}
	return s.listKeys(q)
}

// mayFinish refuses to let go of a key that boards still hold.
func (s *Server) mayFinish(transports []keys.Transport) error {
	waiting, now := 0, s.serverKeysNow()
	for _, t := range transports {
		if o := s.keyObject(t, now, everyDevice); o.Old != "" {
			waiting += o.HoldOld + o.HoldUnknown
		}
	}
	if waiting > 0 {
		return plain(409, "Devices still hold the old key, or never came: "+strconv.Itoa(waiting)+". They could not connect any more. "+
			"See which: localcloud keys show; give them the new one: localcloud device rekey; or let go of it all the same: localcloud keys rotate --finish --force")
	}
	return nil
}

// giveNewKey is how a board gets the present key.
const giveNewKey = "localcloud device rekey, with the board on a USB cable and in DFU mode (blinking yellow)"

// findServerKey says when a device does not hold the present key of this cloud.
func (s *Server) findServerKey(d cloud.Device, given *keys.Given, add func(what, next string)) {
	now := s.serverKeysNow()
	held := now.heldBy(d)
	if d.Key.IsZero() && given != nil { // not registered: what it was given is all that is known
		held = now.heldBy(cloud.Device{ServerKey: given.ServerKey, Key: d.Key})
	}
	switch held {
	case holdsOld:
		add("It holds the old key of this cloud. That is honoured until the rotation of the key is finished.", giveNewKey)
	case holdsFormer:
		add("It holds a key that this cloud had before and does not honour any more, so it cannot get in.", giveNewKey)
	}
}

// findRotation says how far the rotation of a key is.
func (s *Server) findRotation(add func(what, next string)) {
	now := s.serverKeysNow()
	for _, t := range []keys.Transport{keys.TCP, keys.UDP} {
		if now.old[t] == "" {
			continue
		}
		switch o := s.keyObject(t, now, everyDevice); {
		case o.HoldOld+o.HoldUnknown > 0:
			add(fmt.Sprintf("The server key for %s is being rotated: %d board(s) hold the new one, %d the old one, and %d never came. All are let in.",
				t, o.HoldPresent, o.HoldOld, o.HoldUnknown), "See which: localcloud keys show; then for each of them: localcloud device rekey")
		default:
			add(fmt.Sprintf("The server key for %s is being rotated, and no board holds the old one any more.", t), "localcloud keys rotate --finish")
		}
	}
}
