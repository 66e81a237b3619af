package relay

import (
	"fmt"
	"strings"
	"testing"
)

// channels returns how many channels there are.
func (w *world) channels() int {
	w.relay.mu.Lock()
	defer w.relay.mu.Unlock()
	return len(w.relay.channels)
}

func TestWhoWatchesStreamsThatAreNotThereLeavesNothing(t *testing.T) {
	w := newWorld(t)
	var viewers []*viewing
	for i := range 50 {
		viewers = append(viewers, w.watch(fmt.Sprintf("/data/kitchen/s%d", i)))
	}
	if status, _, _ := w.get("/relay/lines?channels=kitchen/a,kitchen/b,nobody/c"); status != 404 {
		t.Errorf("a device that is not there: %d", status)
	}
	if status, _, _ := w.get("/relay/lines?channels=" + strings.Repeat("kitchen,", maxWanted) + "kitchen"); status != 400 {
		t.Errorf("too many channels: %d", status)
	}
	d := w.dial("POST /devices?stream=s7 HTTP/1.0\r\nAuthorization: " + w.nonce(photon) + "\r\n\r\n1\n")
	viewers[7].wantLines("1") // who waited for it sees it
	for _, v := range viewers {
		v.end()
	}
	d.Close()
	w.eventually("only what carried lines is left", func() bool { return w.channels() == 1 })
	w.watch("/data/kitchen/s7?history=1").wantLines("1")
}

func TestChannelsThatNobodyUsesMakeRoom(t *testing.T) {
	w := newWorld(t)
	r := w.relay
	line := batch{n: 1, frames: appendFrame(nil, []byte("1"))}
	for i := range maxChannels {
		c := r.use(fmt.Sprintf("%024x", i), "")
		c.publish(line)
		r.letGo(c)
	}
	busy := r.use(photon, "")
	if busy == nil || w.channels() != maxChannels {
		t.Fatalf("%v, %d channels", busy, w.channels())
	}
	for i := range maxStreams {
		c := r.useToSend(core, fmt.Sprint(i))
		c.publish(line)
	}
	if c := r.useToSend(core, "one-more"); c != nil {
		t.Error("a device has more streams than it may, all of them busy")
	}
	if c := r.useToSend(core, "3"); c == nil {
		t.Error("it may not come back to one of them")
	} else {
		r.letGo(c)
		r.letGo(c)
	}
	if c := r.useToSend(core, "one-more"); c == nil {
		t.Error("a stream that nobody uses does not make room")
	}
}
