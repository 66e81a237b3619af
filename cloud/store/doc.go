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
// Badger syncs once a transaction and does not join the transactions of
// several goroutines. So both sides have one goroutine which puts all that
// waits into one transaction: the more wait, the less a sync costs each.
//
// Every commit of both goes through Store.commit, so that faults can be
// put there and, later, a reserve of free space. Nothing else in the package
// writes, except the removal of whole segments of old events (kv.drop).
package store
