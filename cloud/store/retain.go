package store

// retain drops the oldest segments while the log is beyond its bounds. The mark is
// committed first: then they are gone, whatever becomes of the rest, and the next open
// or the next retain drops what is left of them.
func (l *Log) retain() {
	if l.broken != nil || !l.space.allowsRemoval() {
		return
	}
	b := l.bounds
	b.bytes = l.share.bound(b.bytes)
	if n := b.excess(l.segments); n > 0 {
		l.forget(n)
	}
	if len(l.dropped) == 0 {
		return
	}
	if err := l.db.drop(l.dropped...); err != nil {
		l.logger.Warn("old events not removed from the disk", "err", err)
		return
	}
	l.dropped = nil
}

// shed drops the oldest segments, never the one that is being filled, when they are enough for so many
// bytes. When they are not, dropping them would help nobody. It reports whether it dropped any.
func (l *Log) shed(lacking int64) bool {
	if !l.space.allowsRemoval() {
		return false
	}
	n, bytes := 0, int64(0)
	for n < len(l.segments)-1 && bytes < lacking {
		bytes += l.segments[n].Bytes
		n++
	}
	if bytes < lacking {
		return false
	}
	l.logger.Warn("the disk is nearly full: the oldest events are dropped", "bytes", bytes, "segments", n)
	l.forget(n)
	l.retain() // drops what is forgotten
	return true
}

// forget takes the first n segments out of the log.
func (l *Log) forget(n int) {
	rest := l.segments[n:]
	if len(rest) == 0 { // the log always has a segment to fill
		rest = []segment{{Number: l.segments[n-1].Number + 1}}
	}
	ops := []op{mark{Last: l.Last(), First: rest[0].Number}.op()}
	for _, s := range l.segments[:n] {
		ops = append(ops, op{key: segmentKey(s.Number)})
	}
	if err := commitInParts(l.commit, ops); err != nil {
		l.logger.Warn("old events not removed", "err", err)
		return
	}
	for _, s := range l.segments[:n] {
		l.dropped = append(l.dropped, segmentPrefix(s.Number))
	}
	l.mu.Lock()
	l.segments = append([]segment(nil), rest...)
	l.mu.Unlock()
}
