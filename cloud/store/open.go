package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"localcloud/cloud"
)

// open opens the databases of a directory, in the order in which they need each other.
func (s *Store) open(opts Options) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	lock, err := lockDir(s.dir)
	if err != nil {
		return err
	}
	s.opened = append(s.opened, lock)
	opts = opts.withDefaults()
	s.commit, s.logger, s.mode = opts.commit, opts.Logger, opts.Events
	s.space = newReserve(s.dir, opts)
	if err := errors.Join(s.space.canOpen(), s.space.settle()); err != nil {
		return err
	}
	if err := s.openRegistry(opts); err != nil {
		return cloud.E("registry", cloud.Other, err)
	}
	if err := s.openLog(s.remembered(opts)); err != nil {
		return cloud.E("events", cloud.Other, err)
	}
	return nil
}

// openRegistry opens the registry, or sets it aside and rebuilds it from the newest snapshot.
func (s *Store) openRegistry(opts Options) error {
	db, rows, err := s.openGoodRegistry(opts)
	if isDamaged(err) {
		if _, err := setAside(s.dir, registryName, err, s.logger); err != nil {
			return err
		}
		db, err = s.rebuildRegistry(newestSnapshot(s.dir, s.logger), opts)
	}
	if err != nil {
		return err
	}
	s.opened = append(s.opened, db)
	if rows == nil {
		if rows, err = loadRows(db); err != nil {
			return err
		}
	}
	if s.registry, err = newRegistryAt(s.space, db, rows, s.through(db), s.logger); err != nil {
		return err
	}
	s.opened = append(s.opened, s.startSnapshots(db), s.registry)
	return s.comeHome(db, opts)
}

func (s *Store) startSnapshots(db kv) *snapshots {
	w := &snapshots{
		dir: s.dir, db: db, space: s.space, logger: s.logger, changed: s.registry.changed,
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run()
	return w
}

// openGoodRegistry opens the registry's database if all of it can be read and it
// is not older than its snapshot, and returns it with its rows.
func (s *Store) openGoodRegistry(opts Options) (*disk, *rows, error) {
	db, err := openSafely(s.dir, registryName, true, func(dir string) (*disk, error) { return s.openDisk(dir, opts) })
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.checkRegistry(db)
	if err != nil {
		return nil, nil, errors.Join(damaged(err), closeDamaged(db))
	}
	return db, rows, nil
}

func (s *Store) checkRegistry(db *disk) (loaded *rows, err error) {
	defer damage(&err)
	if err := db.verify(); err != nil {
		return nil, err
	}
	loaded, err = loadRows(db)
	if err != nil {
		return nil, err
	}
	last := loaded.last
	// Reading a snapshot takes as long as all the rest, so that it is read only if its name says that it is newer.
	if newestNumber(s.dir) > last.number {
		if newest := newestSnapshot(s.dir, s.logger); newest != nil && last.number < newest.Number {
			return nil, fmt.Errorf("it ends at change %d, and there is a snapshot of change %d", last.number, newest.Number)
		}
	}
	loaded.digest, err = loadDigest(db)
	if err == nil && last.known && loaded.digest.sum != last.sum {
		return nil, errors.New("records are missing or old")
	}
	return loaded, err
}

func closeDamaged(db *disk) (err error) {
	defer damage(&err)
	return db.Close()
}

func (s *Store) rebuildRegistry(newest *snapshot, opts Options) (*disk, error) {
	db, err := s.openDisk(filepath.Join(s.dir, registryName), opts)
	if err != nil {
		return nil, err
	}
	s.rebuilt = "nothing: there is no snapshot"
	if newest != nil {
		s.rebuilt = newest.name
		if err := newest.restore(db); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	s.logger.Error("the registry is rebuilt", "from", s.rebuilt)
	return db, nil
}

// idsAhead is how far ahead of events ids are reserved: one small write in so long
// a time. After a crash a log that begins anew goes on behind the reserved ids, and the cloud's clock with it.
const idsAhead = cloud.EventID(10 * time.Minute / time.Microsecond)

// comeHome finds out where the directory was before, and notes that it is here.
func (s *Store) comeHome(db *disk, opts Options) error {
	before, err := loadHome(db)
	if err != nil {
		s.logger.Warn("where the data directory was before is not known", "err", err)
	}
	s.home = home{
		Machine: opts.machine(), Boots: before.Boots + 1, Events: s.mode.String(), Place: placeOf(s.dir),
		IDs: max(before.IDs, cloud.EventIDAt(time.Now())+idsAhead),
	}
	s.moved = before.Machine != "" && s.home.Machine != "" && before.Machine != s.home.Machine
	if s.moved {
		s.logger.Warn("this data directory came from another machine")
	}
	if err := db.commit([]op{s.home.op()}); err != nil {
		return err
	}
	s.leave, s.boots = before, s.home.Boots
	return nil
}

// raise reserves ids ahead of one. The log's committing goroutine calls it.
func (s *Store) raise(id cloud.EventID) (cloud.EventID, error) {
	s.home.IDs = id + idsAhead
	if err := s.registry.setHome(s.home); err != nil {
		return id + idsAhead/100, err
	}
	return s.home.IDs, nil
}

// openParked takes in the states of links that were left when the store was closed. A copy has none.
func (s *Store) openParked() *parked {
	mark := s.leave.Links
	if s.moved || s.isCopy() {
		mark = ""
	}
	p, err := openParked(s.dir, mark)
	if err != nil {
		s.logger.Warn("devices over UDP have to begin anew", "err", err)
	}
	return p
}

// leaving notes, when the log is closed, which id was the last, and leaves the states of links.
type leaving struct{ s *Store }

func (l leaving) Close() error {
	s := l.s
	s.home.IDs, s.home.Exact = s.events.Last(), true
	if p := s.events.parked; p != nil {
		var err error
		if s.home.Links, err = p.write(s.dir); err != nil {
			s.home.Links = ""
			s.logger.Warn("devices over UDP will have to begin anew", "err", err)
		}
	}
	if err := s.registry.setHome(s.home); err != nil {
		s.logger.Warn("the last id of events is not noted", "err", err)
	}
	return nil
}

// openLog opens the log, or sets it aside and begins a new one.
func (s *Store) openLog(opts Options) error {
	known := s.leave.Exact || s.leave.Events != "" && s.leave.Events != Mode{}.String()
	err := s.tryLog(known, opts)
	if isDamaged(err) {
		if _, err := setAside(s.dir, eventsName, err, s.logger); err != nil {
			return err
		}
		removeOldAsides(s.dir, s.logger)
		err = s.tryLog(true, opts)
	}
	if err != nil {
		return err
	}
	s.opened = append(s.opened, s.space, leaving{s}, s.events)
	return nil
}

// tryLog opens the log as its mode wants it. known says that the ids in s.leave
// count; a log on disk that is whole knows better.
func (s *Store) tryLog(known bool, opts Options) error {
	place := logPlace{raise: s.raise, ceiling: s.home.IDs}
	if known {
		place.ids = s.leave.IDs
	}
	parked := s.openParked()
	if s.mode.kind != modeDisk {
		place.parked = parked
	}
	if !s.mode.usesDisk() {
		db := &memory{}
		log, err := newLogAt(place, db, db.commit, opts)
		s.events = log
		return err
	}
	disk, err := openSafely(s.dir, eventsName, false, func(dir string) (*disk, error) { return s.openDisk(dir, opts) })
	if err != nil {
		return err
	}
	place.space = s.space
	s.events, err = s.newDiskLog(place, disk, opts)
	if err == nil {
		err = s.moveLinks(parked)
	}
	if err != nil {
		return errors.Join(damaged(err), closeDamaged(disk))
	}
	s.opened = append(s.opened, disk)
	return nil
}

// moveLinks brings the states of links to where this mode keeps them, and drops those that may be old.
func (s *Store) moveLinks(parked *parked) error {
	switch {
	case s.mode.kind == modeDisk && !s.linksAreOld():
		return nil
	case s.mode.kind == modeDisk:
		if err := s.events.dropLinks(); err != nil {
			return err
		}
		return s.events.adoptLinks(parked.stored)
	case !s.linksAreOld():
		if err := s.events.eachStored(func(l cloud.LinkState) bool {
			parked.stored = append(parked.stored, l)
			return true
		}); err != nil {
			return err
		}
	}
	return s.events.dropLinks()
}

func (s *Store) newDiskLog(place logPlace, disk *disk, opts Options) (log *Log, err error) {
	defer damage(&err)
	if s.mode.interval == 0 {
		return newLogAt(place, disk, s.through(disk), opts)
	}
	db := &delayed{db: disk, write: func(ops []op) error {
		if !s.space.allowsRemoval() {
			return s.space.err()
		}
		return s.commit(disk, ops)
	}}
	place.flush = db.flush
	return newLogAt(place, db, db.commit, opts)
}

func (s *Store) openDisk(dir string, opts Options) (*disk, error) {
	logger := opts.Logger.With("database", filepath.Base(dir))
	return openDisk(dir, tuning{noSync: opts.NoSync, logger: logger})
}

// linksAreOld reports whether the states of links in the log may not be the last ones: events were not synced when the
// directory was open before, or it is a copy of the one that was open then.
func (s *Store) linksAreOld() bool {
	return s.moved || s.isCopy() || s.leave.Events != Mode{}.String()
}

// isCopy reports whether the directory is a copy of the one that was open before.
func (s *Store) isCopy() bool {
	return s.leave.Place != "" && s.home.Place != "" && s.leave.Place != s.home.Place
}

// Moved reports whether the directory was last open on another machine: it was copied, or its disk was moved. What
// must not be in use twice, such as sessions of devices, is to be dropped then.
func (s *Store) Moved() bool { return s.moved }

// Status is what the owner may want to know about the store.
type Status struct {
	Usage
	Mode         string   `json:"mode"`                   // see Mode
	Acknowledged string   `json:"acknowledged"`           // what an acknowledged event is: "synced", "accepted"
	MaxBytes     int64    `json:"max_bytes,omitempty"`    // how many bytes of events are kept; 0: no bound
	MaxAge       int64    `json:"max_age,omitempty"`      // for how many seconds; 0: no bound
	SetAside     []string `json:"set_aside,omitempty"`    // damaged databases, below the data directory
	Snapshots    []string `json:"snapshots,omitempty"`    // of the registry, the oldest first; their names hold their time
	Rebuilt      string   `json:"rebuilt_from,omitempty"` // the snapshot that the registry was rebuilt from at this start
	Moved        bool     `json:"moved,omitempty"`        // the directory was last open on another machine
	Boots        uint64   `json:"boots,omitempty"`        // how often it was opened
	Free         int64    `json:"free,omitempty"`         // bytes that may be written, the reserve included; 0: not known
	Reserve      int64    `json:"reserve,omitempty"`      // with less free than that, nothing is stored

	RegistryReadOnly string `json:"registry_read_only,omitempty"` // why devices, users, tokens and settings cannot be changed any more
}

// Status returns the state of the store.
func (s *Store) Status() Status {
	st := Status{
		Usage: s.events.Usage(), Mode: s.mode.String(), Acknowledged: s.mode.Acknowledged(),
		Rebuilt: s.rebuilt, Moved: s.moved, Boots: s.boots,
	}
	if err := s.registry.readOnly(); err != nil {
		st.RegistryReadOnly = err.Error()
	}
	age, bytes := s.events.Bounds()
	st.MaxBytes, st.MaxAge = max(bytes, 0), int64(max(age, 0).Seconds())
	if s.dir == "" {
		st.Mode, st.Acknowledged = Mode{kind: modeMemory}.String(), Mode{kind: modeMemory}.Acknowledged()
		return st
	}
	st.SetAside, st.Snapshots = asides(s.dir), snapshotNames(filepath.Join(s.dir, snapshotsName))
	if n, known := s.space.left(); known {
		st.Free, st.Reserve = n, s.space.toCommit
	}
	return st
}

// Warnings are the parts of the status that need the owner's attention, in sentences.
func (st Status) Warnings() (warnings []string) {
	add := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	if st.ReadOnly != "" {
		add("Events are not stored any more: %s. Look after the disk and start localcloud again", st.ReadOnly)
	}
	if st.RegistryReadOnly != "" {
		add("Devices, users, tokens and settings cannot be changed any more: %s. Look after the disk and start localcloud again", st.RegistryReadOnly)
	}
	if st.Reserve > 0 && st.Free < st.Reserve {
		add("The disk is nearly full: %s are free and %s are kept in reserve, so nothing is stored. Delete something there",
			megabytes(st.Free), megabytes(st.Reserve))
	}
	for _, name := range st.SetAside {
		add("A database was damaged and is set aside in the data directory: %s. Delete it when you do not need it", name)
	}
	if st.Rebuilt != "" {
		add("The registry was damaged and is rebuilt from %s: what was changed later is missing", st.Rebuilt)
	}
	if st.Moved {
		add("This data directory came from another machine. Only one of the two may run")
	}
	return warnings
}
