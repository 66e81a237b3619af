package store

import (
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// Notes are what devices say of themselves whenever they connect. Readers see them at once, and the disk gets those of
// noteWait together: thousands of devices that return cost it a few syncs and not two each. A crash loses the notes of that
// time at most.
//
// A note changes the row in memory. The committing goroutine makes a change of it when its time has come, or at the end. A
// device of which a change is on its way to the disk gets the note as another change behind it: readers
// see committed rows only, but for notes.
const noteWait = 5 * time.Second

// notes are the devices whose rows say more than the disk. They are guarded by Registry.turn.
type notes struct {
	devices map[keys.DeviceID]struct{}
	due     time.Time // when the disk is to get them
}

// NoteDevice implements cloud.Registry.
func (r *Registry) NoteDevice(id keys.DeviceID, note func(d *cloud.Device)) (cloud.Device, error) {
	if after, done, err := r.noteAtOnce(id, note); done {
		return after, err
	}
	return r.UpdateDevice(id, func(d *cloud.Device, exists bool) error {
		if !exists {
			return notRegistered(id)
		}
		note(d)
		return nil
	})
}

// noteAtOnce does nothing while a change of the device is on its way to the disk.
func (r *Registry) noteAtOnce(id keys.DeviceID, note func(d *cloud.Device)) (after cloud.Device, done bool, err error) {
	r.turn <- struct{}{}
	defer func() { <-r.turn }() // also when note panics
	before, exists := r.devices.latest(id)
	_, changing := r.devices.waiting[id]
	switch {
	case r.closed:
		return after, true, cloud.E("registry", cloud.Other, ErrClosed)
	case changing:
		return after, false, nil
	case !exists:
		return after, true, notRegistered(id)
	}
	d := before.Clone()
	note(&d)
	d.ID = id
	row, err := r.devices.readBack(d)
	if err != nil {
		return after, true, cloud.E("device "+id.String(), cloud.Invalid, err)
	}
	r.publish([]edit{&rowEdit[keys.DeviceID, cloud.Device]{table: r.devices, id: id, row: row}})
	if len(r.notes.devices) == 0 {
		r.notes.devices = make(map[keys.DeviceID]struct{})
		r.dueLater()
	}
	r.notes.devices[id] = struct{}{}
	return row.Clone(), true, nil
}

func notRegistered(id keys.DeviceID) error {
	return cloud.Errorf("device "+id.String(), cloud.NotExist, "it is not registered any more")
}

// dueLater sees to it that takeNotes is called. The caller holds the turn.
func (r *Registry) dueLater() {
	r.notes.due = time.Now().Add(noteWait)
	time.AfterFunc(noteWait, func() { signal(r.wake) })
}

// takeNotes makes changes of the notes when it is time, and puts them behind those that wait. While the disk is nearly full,
// or the registry read-only, they stay where they are. The caller holds the turn.
func (r *Registry) takeNotes() {
	if len(r.notes.devices) == 0 || time.Now().Before(r.notes.due) && !r.closed {
		return
	}
	if !r.closed && (r.readOnly() != nil || r.space.lacking() > 0) {
		r.dueLater()
		return
	}
	for id := range r.notes.devices {
		row, exists := r.devices.latest(id)
		if !exists {
			continue
		}
		value, err := r.devices.encode(*row)
		if err == nil && len(value) > maxValue {
			err = errTooLarge
		}
		if err != nil {
			r.logger.Warn("what a device said is not stored", "device", id, "err", err)
			continue
		}
		c := &change{}
		c.add(&rowEdit[keys.DeviceID, cloud.Device]{r.devices, id, row, value})
		r.queueLocked(c)
	}
	r.notes.devices = nil
}
