package relay

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// remembered is DIR/relay.json: the owner's choices, and which devices to ask back after a restart.
type remembered struct {
	Listed  bool                   `json:"only_listed,omitempty"` // only devices of Allowed
	Allowed []string               `json:"allowed,omitempty"`
	Blocked []string               `json:"blocked,omitempty"`
	Known   []string               `json:"known,omitempty"` // used the relay; the last one last
	At      map[string]netip.Addr  `json:"at,omitempty"`    // where each of them came from the last time
	Public  map[string]Publication `json:"public,omitempty"`
	Always  []string               `json:"record,omitempty"` // channels that are recorded whenever there are lines

	Settings Settings `json:"settings,omitzero"` // those that were changed
}

const maxKnown = 1000

// store keeps what is remembered, in memory and in a file. It is safe for concurrent use.
type store struct {
	path    string        // empty: no file
	changes chan struct{} // one place: who changes something has it

	mu sync.Mutex
	v  remembered // replaced, never changed in place
}

func openStore(dir string) (*store, error) {
	s := &store{changes: make(chan struct{}, 1)}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s.path = filepath.Join(dir, "relay.json")
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s.v)
	}
	if err != nil { // a damaged file must not keep the cloud from starting
		s.v = remembered{}
		return s, os.Rename(s.path, s.path+".damaged")
	}
	return s, nil
}

// get returns what is remembered, which the caller only reads.
func (s *store) get() remembered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.v
}

// change changes what is remembered and writes the file, in one step. When
// either fails, nothing has changed. It blocks while others change something.
func (s *store) change(f func(*remembered) error) error {
	s.changes <- struct{}{}
	defer func() { <-s.changes }()
	v, err := s.get().clone()
	if err == nil {
		err = f(&v)
	}
	if err == nil {
		err = s.write(v)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.v = v
	return nil
}

func (v remembered) clone() (out remembered, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}

func (s *store) write(v remembered) error {
	if s.path == "" {
		return nil
	}
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), "relay-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// allows reports whether the owner lets the device in.
func (s *store) allows(device string) bool {
	v := s.get()
	return !slices.Contains(v.Blocked, device) && (!v.Listed || slices.Contains(v.Allowed, device))
}

// knows reports whether the device used the relay before.
func (s *store) knows(device string) bool { return slices.Contains(s.get().Known, device) }

// remember notes that a device uses the relay, and from where: a cloud
// elsewhere does not tell where its devices are.
func (r *Relay) remember(device string, from netip.Addr) {
	if r.state.knows(device) && r.state.get().At[device] == from {
		return
	}
	err := r.state.change(func(v *remembered) error {
		v.forget(device)
		if len(v.Known) >= maxKnown {
			v.forget(v.Known[0])
		}
		v.Known = append(v.Known, device)
		if v.At == nil {
			v.At = make(map[string]netip.Addr)
		}
		v.At[device] = from
		return nil
	})
	if err != nil {
		r.log.Warn("not remembered that the device uses the relay", "device", device, "err", err)
	}
}

func (v *remembered) forget(device string) {
	v.Known = slices.DeleteFunc(v.Known, func(id string) bool { return id == device })
	delete(v.At, device)
}

// forget ends asking a device back that no longer has the function.
func (r *Relay) forget(device string) {
	if !r.state.knows(device) {
		return
	}
	err := r.state.change(func(v *remembered) error {
		v.forget(device)
		return nil
	})
	if err != nil {
		r.log.Warn("not forgotten that the device used the relay", "device", device, "err", err)
	}
}
