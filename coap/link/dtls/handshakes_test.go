package dtls

import (
	"net/netip"
	"testing"
	"time"
)

// halfOpen is a handshake that waits for its client.
func halfOpen(address string, port int, begun time.Time) *underWay {
	return &underWay{
		serverHandshake: &serverHandshake{}, begun: begun,
		from: netip.AddrPortFrom(netip.MustParseAddr(address), uint16(port)),
	}
}

func TestASourceThatTakesTooManyPlacesPushesOutItsOwn(t *testing.T) {
	for name, attacker := range map[string]func(i int) string{
		"an address": func(int) string { return "192.0.2.66" },
		"a network of IPv6": func(i int) string {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)}).String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewListener(newNetwork().listen(server), Config{Key: newKey(t)})
			h := newHandshaker(l)
			board := halfOpen("192.0.2.7", 5000, day) // the oldest of all
			h.take(board)
			for i := range maxHandshakes {
				h.take(halfOpen(attacker(i), 1024+i, day.Add(time.Duration(i+1))))
			}
			if h.open[board.from] != board {
				t.Error("the board's handshake was given up")
			}
			if n := len(h.open); n != 1+maxOfSource {
				t.Errorf("%d handshakes under way, want %d of one source and the board's", n, maxOfSource)
			}
			if got := l.Stats().Crowded; got != maxHandshakes-maxOfSource {
				t.Errorf("%d were counted as given up, want %d", got, maxHandshakes-maxOfSource)
			}
			for _, u := range h.open {
				h.drop(u)
			}
			if len(h.opened) != 0 {
				t.Errorf("what is counted of sources stays: %v", h.opened)
			}
		})
	}
}

func TestOneSourceDoesNotFillTheQueueOfHandshakes(t *testing.T) {
	l := NewListener(newNetwork().listen(server), Config{Key: newKey(t)})
	h := newHandshaker(l)
	for i := range handshakeQueue {
		h.queue([]byte{1}, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.66"), uint16(1024+i)))
	}
	if n := len(h.waiting); n != queueOfSource {
		t.Errorf("%d datagrams of one source wait, want %d", n, queueOfSource)
	}
	h.queue([]byte{1}, netip.MustParseAddrPort("192.0.2.7:5000"))
	if n := len(h.waiting); n != queueOfSource+1 {
		t.Error("a board's datagram was dropped")
	}
	if got := l.Stats().Busy; got != handshakeQueue-queueOfSource {
		t.Errorf("%d dropped datagrams were counted", got)
	}
}
