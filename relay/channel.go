package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// batch is some lines of one channel that came together. It is immutable:
// everyone who has it shares it.
type batch struct {
	first  uint64 // number of its first line in the channel, from 1
	n      int
	at     int64    // when it came, milliseconds since 1970
	frames []byte   // see lines.go
	from   *channel // the one that it was sent into; nil: none, an event
}

// Bounds of a ring. The merged channel's are mergedFactor times as large.
const (
	ringBatches  = 4096
	ringBytes    = 1 << 20
	mergedFactor = 4
)

// channel is one flow of lines to any number of viewers: a ring of the newest
// batches, in which each viewer has its own place.
type channel struct {
	device, stream string // both empty: the merged channel
	maxBatches     int
	maxBytes       int
	carried        atomic.Bool // there were lines
	uses           int         // see channels.go; guarded by the relay's mu

	mu      sync.Mutex
	ring    []batch // circular: the oldest at head
	head    int
	count   int
	gone    uint64 // batches that left the ring
	held    int    // bytes of frames in the ring
	next    uint64 // number of the next line
	rate    meter
	bytes   uint64
	lost    uint64 // lines that viewers missed, all of them together
	viewers map[*viewer]struct{}
}

func newChannel(device, stream string, factor int) *channel {
	return &channel{
		device: device, stream: stream, maxBatches: ringBatches * factor, maxBytes: ringBytes * factor,
		next: 1, viewers: make(map[*viewer]struct{}),
	}
}

// name is how the channel is called in addresses and tables.
func (c *channel) name() string {
	if c.stream == "" {
		return c.device
	}
	return c.device + "/" + c.stream
}

// publish appends a batch and wakes the viewers. It never blocks. The channel owns the frames from now on.
func (c *channel) publish(b batch) {
	c.carried.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	b.first = c.next
	c.next += uint64(b.n)
	c.bytes += uint64(len(b.frames) - b.n*(len(frameHead)+len(frameTail)))
	c.rate.add(b.at, b.n)
	for c.count > 0 && (c.count == c.maxBatches || c.held+len(b.frames) > c.maxBytes) {
		c.dropLocked()
	}
	c.pushLocked(b)
	for v := range c.viewers {
		v.wake()
	}
}

// pushLocked grows the ring as it is used: most channels carry little.
func (c *channel) pushLocked(b batch) {
	if c.count == len(c.ring) {
		larger := make([]batch, min(max(2*len(c.ring), 16), c.maxBatches))
		for i := range c.count {
			larger[i] = *c.atLocked(i)
		}
		c.ring, c.head = larger, 0
	}
	c.count++
	*c.atLocked(c.count - 1) = b
	c.held += len(b.frames)
}

func (c *channel) dropLocked() {
	oldest := c.atLocked(0)
	c.held -= len(oldest.frames)
	*oldest = batch{}
	c.head = (c.head + 1) % len(c.ring)
	c.count--
	c.gone++
}

// atLocked returns the i-th oldest batch.
func (c *channel) atLocked(i int) *batch { return &c.ring[(c.head+i)%len(c.ring)] }

// viewer is one reader's place in a channel. Its fields are guarded by the channel's mu.
type viewer struct {
	c    *channel
	bell chan struct{}            // one place: rings when there may be something to take
	sees func(from *channel) bool // nil: everything

	batch uint64 // the next batch, counted from the channel's first
	line  uint64 // the next line
	lost  uint64
}

// wake never blocks.
func (v *viewer) wake() {
	select {
	case v.bell <- struct{}{}:
	default:
	}
}

// join adds a viewer that begins with line from, as far as the ring still has
// it; 0: with the next one. sees, which may be nil, says which channels' lines it gets.
func (c *channel) join(from uint64, sees func(from *channel) bool) *viewer {
	v := &viewer{c: c, bell: make(chan struct{}, 1), sees: sees}
	c.mu.Lock()
	defer c.mu.Unlock()
	v.batch, v.line = c.gone+uint64(c.count), c.next
	if from != 0 && from < c.next {
		v.line = from
		for v.batch > c.gone && c.atLocked(int(v.batch-c.gone)-1).last() >= from {
			v.batch--
		}
		v.wake()
	}
	c.viewers[v] = struct{}{}
	return v
}

// last is the number of the batch's last line.
func (b *batch) last() uint64 { return b.first + uint64(b.n) - 1 }

// leave ends the viewer's place.
func (v *viewer) leave() {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	delete(v.c.viewers, v)
}

// newest returns the number from which the newest n lines begin.
func (c *channel) newest(n uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n == 0 {
		return 0
	}
	return max(c.next, n+1) - n
}

// following returns the number of the line that comes next.
func (c *channel) following() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}

// takeBytes is about how much a viewer takes, and writes, at a time.
const takeBytes = 64 << 10

// take appends to dst the batches that wait for the viewer, some 64 KiB of
// them, and returns how many lines it missed before these.
func (v *viewer) take(dst []batch) (batches []batch, lost uint64) {
	c := v.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.batch < c.gone {
		v.batch = c.gone
		oldest := c.next
		if c.count > 0 {
			oldest = c.atLocked(0).first
		}
		lost = oldest - v.line
		v.line = oldest
		v.lost += lost
		c.lost += lost
	}
	size := 0
	for v.batch < c.gone+uint64(c.count) && size < takeBytes {
		b := *c.atLocked(int(v.batch - c.gone))
		v.batch++
		if v.sees == nil || b.from != nil && v.sees(b.from) {
			b = b.since(v.line)
			dst = append(dst, b)
			size += len(b.frames)
		}
		v.line = b.first + uint64(b.n)
	}
	return dst, lost
}

// since returns the part of the batch from the line on.
func (b batch) since(line uint64) batch {
	for b.first < line && b.n > 0 {
		_, b.frames = cutFrame(b.frames)
		b.first++
		b.n--
	}
	return b
}

// meter counts what comes in each of the last seconds.
type meter struct {
	second [meterSpan + 1]int64
	count  [meterSpan + 1]int
}

const meterSpan = 5 // seconds over which a rate is taken

func (m *meter) add(atMS int64, n int) {
	s := atMS / 1000
	i := s % int64(len(m.second))
	if m.second[i] != s {
		m.second[i], m.count[i] = s, 0
	}
	m.count[i] += n
}

// perSecond is the rate over the last whole seconds.
func (m *meter) perSecond(now time.Time) float64 {
	total, s := 0, now.Unix()
	for i, second := range m.second {
		if second < s && second >= s-meterSpan {
			total += m.count[i]
		}
	}
	return float64(total) / meterSpan
}
