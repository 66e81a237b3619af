package store

import (
	"slices"

	"localcloud/cloud"
)

// How a change of the registry goes, and why nobody who reads waits for a disk:
//
//  1. The caller takes the turn (a lock for changes only; a channel, since
//     the caller's function runs while it is held), works on copies of the rows as
//     the change before left them, and puts the new rows over the committed ones
//     (table.waiting). Then the turn goes to the next caller.
//  2. The committing goroutine puts all changes that wait into one transaction
//     and syncs it. Nothing is locked meanwhile.
//  3. It publishes the rows: only for that, a map assignment each, it takes mu,
//     which readers share. Then it answers the callers.
//
// Readers see committed rows only. When a commit fails, all changes that wait fail with
// it, as they may have been made from rows that never came to be; what the rows
// are then is read from the database, not assumed. When the disk failed, and was not just full, no other change is
// taken until the next start: see Registry.fail.

// change is one step from a state of the registry to the next.
type change struct {
	edits   []edit
	ops     []op         // one for each edit
	bytes   int          // size of ops
	removes cloud.UserID // the user that it removes, if so
	number  uint64
	done    chan error // has room for the one answer; nil: nobody waits
}

// put adds the result of table.put.
func (c *change) put(e edit, err error) error {
	if err != nil {
		return cloud.E("record", cloud.Invalid, err)
	}
	c.add(e)
	return nil
}

func (c *change) add(e edit) {
	o := e.op()
	c.edits, c.ops, c.bytes = append(c.edits, e), append(c.ops, o), c.bytes+o.size()
}

// apply runs build, which fills a change, and returns when the change is synced.
// build runs alone; its error ends the change and leaves nothing behind. An empty change still
// waits for those before it, so that what it found to be done already is synced, too.
func (r *Registry) apply(what string, build func(c *change) error) error {
	c := &change{done: make(chan error, 1)}
	if err := r.enqueue(c, build); err != nil {
		return err
	}
	return failure(what, <-c.done)
}

func (r *Registry) enqueue(c *change, build func(c *change) error) error {
	r.turn <- struct{}{}
	defer func() { <-r.turn }() // also when build panics
	if r.closed {
		return cloud.E("registry", cloud.Other, ErrClosed)
	}
	if err := build(c); err != nil {
		return err
	}
	if c.removes == "" && fitting(c.ops) < len(c.ops) {
		return cloud.Errorf("registry", cloud.Invalid, "too much for one change")
	}
	if err := r.room(c); err != nil {
		return err
	}
	r.queueLocked(c)
	signal(r.wake)
	return nil
}

// queueLocked hands a change to the committing goroutine. The caller holds the turn.
func (r *Registry) queueLocked(c *change) {
	r.changes++
	c.number = r.changes
	for _, e := range c.edits {
		e.wait(c.number)
	}
	r.queue = append(r.queue, c)
}

// room refuses a change when the registry is read-only, or the disk nearly full. Removals pass a while longer.
func (r *Registry) room(c *change) error {
	if err := r.readOnly(); err != nil {
		return err
	}
	removal := !slices.ContainsFunc(c.ops, func(o op) bool { return o.value != nil && string(o.key) != keyHome })
	if c.removes != "" || removal {
		if r.space.allowsRemoval() {
			return nil
		}
	} else if r.space.lacking() == 0 {
		return nil
	}
	return r.space.err()
}

// run commits changes until the registry is closed and none waits.
func (r *Registry) run() {
	defer close(r.ended)
	for {
		group, ops, closed := r.next()
		switch {
		case len(group) > 0:
			r.finish(group, r.store(group, ops))
		case closed:
			return
		default:
			<-r.wake
		}
	}
}

// next takes as many waiting changes as fit into one commit, at least one if there are any.
func (r *Registry) next() (group []*change, ops []op, closed bool) {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.takeNotes()
	bytes := 0
	for _, c := range r.queue {
		bytes += c.bytes
		if len(group) > 0 && (bytes > maxCommitBytes || len(ops)+len(c.ops) > maxCommitOps) {
			break
		}
		group, ops = append(group, c), append(ops, c.ops...)
	}
	r.queue = slices.Delete(r.queue, 0, len(group))
	return group, ops, r.closed
}

func (r *Registry) store(group []*change, ops []op) error {
	switch {
	case len(ops) == 0:
		return nil
	case fitting(ops) < len(ops): // then it is alone
		return r.storeRemoval(group[0].removes, ops)
	}
	return r.commit(ops)
}

// finish publishes a group, or takes it back with all that came after it, and answers.
func (r *Registry) finish(group []*change, err error) {
	var rows []edit
	for _, c := range group {
		rows = append(rows, c.edits...)
	}
	if err != nil {
		rows = r.reread(rows)
	}
	r.turn <- struct{}{}
	r.publish(rows)
	if err != nil {
		group = append(group, r.queue...)
		r.queue = nil
	}
	for _, c := range group {
		for _, e := range c.edits {
			e.settle(c.number)
		}
	}
	<-r.turn
	for _, c := range group {
		if c.done != nil {
			c.done <- err
		}
	}
}

func (r *Registry) publish(rows []edit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range rows {
		e.publish()
	}
}

// reread makes the edits of a failed group say what the database holds, and
// returns them without those for which it does not answer.
func (r *Registry) reread(rows []edit) []edit {
	return slices.DeleteFunc(rows, func(e edit) bool {
		err := e.reread(r.db)
		if err != nil {
			r.logger.Warn("record not read back after a failed commit", "kind", string(e.op().key[:1]), "err", err)
		}
		return err != nil
	})
}

// storeRemoval commits the removal of a user who has more than one commit holds.
// The first commit decides: it removes the user (the first of ops) and notes that
// the rest is to follow, which the next Open does in case we do not get to it.
func (r *Registry) storeRemoval(id cloud.UserID, ops []op) error {
	note := append([]byte{prefixRemoval}, id...)
	if err := r.commit([]op{ops[0], {note, []byte{}}}); err != nil {
		return err
	}
	rest := append(ops[1:len(ops):len(ops)], op{note, nil})
	if err := commitInParts(r.commit, rest); err != nil {
		r.logger.Warn("user removed, their devices and tokens follow at the next start", "user", string(id), "err", err)
	}
	return nil
}

// finishRemovals completes what storeRemoval could not. It runs before anybody else has the registry.
func (r *Registry) finishRemovals() error {
	var ids []cloud.UserID
	err := r.db.scan([]byte{prefixRemoval}, nil, func(key, _ []byte) bool {
		ids = append(ids, cloud.UserID(key[1:]))
		return true
	})
	for _, id := range ids {
		c := &change{}
		if err := r.clear(c, id); err != nil {
			return err
		}
		note := append([]byte{prefixRemoval}, id...)
		if err := commitInParts(r.commit, append(c.ops, op{note, nil})); err != nil {
			return err
		}
		r.publish(c.edits)
		r.logger.Info("removal of a user completed", "user", string(id), "records", len(c.edits))
	}
	return err
}

// signal wakes the goroutine that waits on c, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been told already
	}
}
