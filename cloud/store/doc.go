// Package store keeps what the cloud must not forget: the registry (devices,
// users, tokens, settings) and the log of events, each in a Badger database of
// its own below one data directory. OpenMemory returns their twin
// without a disk, which behaves the same and runs inside a testing/synctest bubble.
//
//	Registry.UpdateDevice ...          Hub.Publish
//	        │ turn: one change at a time     │ Admit: a slot, or wait
//	        ▼                                ▼
//	  changes waiting                  events waiting            (Append)
//	        │                                │
//	        ▼ committing goroutine           ▼ committing goroutine
//	  one transaction, one sync        one transaction, one sync
//	        │                                │
//	        ▼ publish                        ▼ segments, retention
//	  rows in memory ◄─ readers        done(nil) in order
//
// Two things are not synced at once, as nobody waits for them: what devices say of themselves at each connect (Registry.NoteDevice,
// 5 s, note.go), and patient events, which no device or user is told the fate of (50 ms, log.go). A crash loses that
// much of them at most.
//
// Badger syncs once a transaction and does not join the transactions of
// several goroutines. So both sides have one goroutine which puts all that
// waits into one transaction: the more wait, the less a sync costs each.
//
// Every commit of both goes through Store.commit, so that tests can put faults
// there. Nothing else in the package writes to a database, except the removal of whole segments
// of old events (kv.drop). After an error of the disk, other than that it is full, the one
// that met it is read-only until the next start (Registry.fail, Log.fail).
//
// What lies below the data directory, and the file that tells why:
//
//	lock                       one process at a time                       lock.go
//	registry/                  devices, users, tokens, settings; synced    registry.go, change.go, note.go, digest.go
//	snapshots/registry-*       of the registry, the newest seven           snapshot.go
//	events/                    the log, in segments that age               log.go, commit.go, segment.go, retain.go
//	reserve                    ballast that is let go when the disk fills  reserve.go
//	opening-*                  a start is under way; many are damage       aside.go, check.go
//	*.damaged-TIME             a database that could not be read           aside.go
//
// How events are kept is the owner's choice (Mode in modes.go): --events disk, interval=30s, memory or off.
// Where the directory was before, and how often it was opened, is noted in the registry (machine.go).
package store
