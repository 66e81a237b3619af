package rekey

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"localcloud/keys"
)

// memory is a board of which each slot is a piece of memory.
type memory struct {
	slots   map[keys.Slot][]byte
	writes  int
	failAt  int // this write fails, counted from 1, after half of it
	fails   int // how many in a row
	onWrite func(nth int)
}

func (m *memory) Read(ctx context.Context, s keys.Slot) ([]byte, error) {
	return bytes.Clone(m.slots[s]), ctx.Err()
}

func (m *memory) Write(ctx context.Context, s keys.Slot, data []byte) error {
	m.writes++
	if m.onWrite != nil {
		m.onWrite(m.writes)
	}
	if m.failAt > 0 && m.writes >= m.failAt && m.writes < m.failAt+m.fails {
		m.slots[s] = slices.Concat(data[:len(data)/2], m.slots[s][len(data)/2:])
		return errors.New("cable")
	}
	m.slots[s] = bytes.Clone(data)
	return nil
}

// argon is an erased board, what it holds, and the plan for it: server key, device key and mark are to be written.
func argon(t *testing.T) (*memory, Plan) {
	t.Helper()
	platform, _ := keys.ParsePlatform("argon")
	layout, m := platform.Layout(), &memory{slots: map[keys.Slot][]byte{}}
	for _, s := range []keys.Slot{layout.ServerKey, layout.DeviceKey, layout.SetupDone} {
		m.slots[s] = bytes.Repeat([]byte{0xff}, s.Size)
	}
	id, _ := keys.ParseDeviceID("e00fce6814ab7c2f5e6d9001")
	held, err := Look(t.Context(), m, id, platform)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := keys.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := PlanFor(held, Wish{Server: keys.ServerSlot{Key: identity.UDPServerKey(), Address: keys.Address{Host: "10.0.0.1", Port: 5684}}})
	if err != nil || len(plan.Changes) != 3 {
		t.Fatalf("%d changes, %v", len(plan.Changes), err)
	}
	return m, plan
}

func TestApplyLeavesABoardBeforeOrAfter(t *testing.T) {
	tests := []struct {
		name       string
		spoil      func(m *memory, s *Steps, cancel func())
		before     bool // the board holds what it held; otherwise what it shall hold
		between    bool // neither
		words      string
		registered bool
	}{
		{"all goes well", func(*memory, *Steps, func()) {}, false, false, "", true},
		{"no backup", func(_ *memory, s *Steps, _ func()) {
			s.Backup = func(context.Context) (string, error) { return "", errors.New("no space") }
		}, true, false, "nothing was written: no space", false},
		{"interrupted while the backup is stored", func(_ *memory, s *Steps, cancel func()) {
			s.Backup = func(context.Context) (string, error) { cancel(); return "b", nil }
		}, true, false, "canceled", false},
		{"interrupted in the first write", func(m *memory, _ *Steps, cancel func()) { m.onWrite = func(n int) { cancel() } },
			true, false, "interrupted; the board holds what it held before", false},
		{"interrupted in the last write", func(m *memory, _ *Steps, cancel func()) {
			m.onWrite = func(n int) {
				if n == 3 {
					cancel()
				}
			}
		}, true, false, "interrupted", false},
		{"interrupted while it is registered", func(_ *memory, s *Steps, cancel func()) {
			register := s.Register
			s.Register = func(ctx context.Context) error { cancel(); return errors.Join(register(ctx), ctx.Err()) }
		}, false, false, "", true},
		{"the second write fails", func(m *memory, _ *Steps, _ func()) { m.failAt, m.fails = 2, 1 }, true, false, "cable", false},
		{"the board is gone", func(m *memory, _ *Steps, _ func()) { m.failAt, m.fails = 2, 100 }, false, true, "backup B is safe", false},
		{"the cloud refuses", func(_ *memory, s *Steps, _ func()) {
			s.Register = func(context.Context) error { return errors.New("name is taken") }
		}, true, false, "name is taken; the board holds what it held before", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, plan := argon(t)
			before := maps.Clone(m.slots)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			registered := false
			steps := Steps{
				Backup:   func(context.Context) (string, error) { return "B", nil },
				Register: func(context.Context) error { registered = true; return nil },
				Say:      func(string, ...any) {},
			}
			tt.spoil(m, &steps, cancel)
			err := Apply(ctx, m, plan, steps)
			if (err == nil) != (tt.words == "") || (err != nil && !strings.Contains(err.Error(), tt.words)) {
				t.Errorf("the error is %v, want %q in it", err, tt.words)
			}
			var between *Between
			if errors.As(err, &between) != tt.between || registered != tt.registered {
				t.Errorf("between %v, registered %v", between, registered)
			}
			after := maps.Clone(before)
			for _, c := range plan.Changes {
				after[c.Slot] = c.New
			}
			same := func(want map[keys.Slot][]byte) bool { return maps.EqualFunc(m.slots, want, slices.Equal[[]byte]) }
			if !tt.between && (tt.before && !same(before) || !tt.before && !same(after)) {
				t.Error("the board is neither before nor after")
			}
		})
	}
}

func TestABoardThatHoldsAllIsNotWritten(t *testing.T) {
	m, plan := argon(t)
	steps := Steps{Backup: func(context.Context) (string, error) { return "B", nil }, Say: func(string, ...any) {}}
	if err := Apply(t.Context(), m, plan, steps); err != nil {
		t.Fatal(err)
	}
	writes := m.writes
	held, err := Look(t.Context(), m, plan.Held.ID, plan.Held.Platform)
	if err != nil || held.Key != plan.Key {
		t.Fatalf("%v, %v", held.Key, err)
	}
	again, err := PlanFor(held, Wish{Server: held.Server})
	if err != nil || len(again.Changes) != 0 || again.Key != plan.Key {
		t.Errorf("planned again: %v, %v", again.Changes, err)
	}
	if err := Apply(t.Context(), m, again, Steps{Backup: func(context.Context) (string, error) { t.Error("a backup"); return "", nil }, Say: func(string, ...any) {}}); err != nil {
		t.Error(err)
	}
	if m.writes != writes {
		t.Error("it was written again")
	}
}

func TestABackupGoesBackIntoItsOwnBoardOnly(t *testing.T) {
	m, plan := argon(t)
	backup := plan.Held.Backup(time.Now())
	other := plan.Held
	other.ID, _ = keys.ParseDeviceID("e00fce680000000000000bad")
	if _, err := PlanBack(other, backup); err == nil {
		t.Error("another board's backup was taken")
	}
	backup.Parts = append(backup.Parts, keys.Part{Slot: keys.Slot{Alt: 0, Address: 0, Size: 1}, Data: []byte{0}})
	if _, err := PlanBack(plan.Held, backup); err == nil {
		t.Error("a part outside the slots was taken")
	}
	if m.writes != 0 {
		t.Error("something was written")
	}
}

// An Electron that was switched to TCP keeps its keys in the slots for TCP.
func TestAnElectronOnTCPIsReadAsSuch(t *testing.T) {
	platform, _ := keys.ParsePlatform("electron")
	tcp, err := platform.LayoutFor(keys.TCP)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{slots: map[keys.Slot][]byte{tcp.CloudTransport: {keys.TransportTCP}}}
	for _, s := range []keys.Slot{tcp.ServerKey, tcp.DeviceKey} {
		m.slots[s] = bytes.Repeat([]byte{0xff}, s.Size)
	}
	held, err := Look(t.Context(), m, keys.DeviceID{1}, platform)
	if err != nil || held.Layout.Transport != keys.TCP {
		t.Errorf("it was read as %v, %v", held.Layout.Transport, err)
	}
	if text := held.ServerText(Own{}) + held.KeyText(); !strings.Contains(text, "no server key") || !strings.Contains(text, "no key of its own") {
		t.Errorf("it holds %s", text)
	}
}
