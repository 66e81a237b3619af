package firmware_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A stream is what a browser reads at an address of the relay.
type stream struct {
	t     *testing.T
	lines chan string
}

func (w *world) watch(path string) *stream {
	w.t.Helper()
	answer, err := http.Get("http://" + w.relay + path)
	if err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %v %v", path, answer, err)
	}
	w.t.Cleanup(func() { answer.Body.Close() })
	s := &stream{w.t, make(chan string, 1<<16)}
	go func() {
		defer close(s.lines)
		for scan := bufio.NewScanner(answer.Body); scan.Scan(); {
			if line, ok := strings.CutPrefix(scan.Text(), "data:"); ok {
				s.lines <- line
			}
		}
	}()
	return s
}

func (s *stream) next() string {
	s.t.Helper()
	select {
	case line, ok := <-s.lines:
		if !ok {
			s.t.Fatal("the stream has ended")
		}
		return line
	case <-time.After(soon):
		s.t.Fatal("the stream is silent")
	}
	panic("unreachable")
}

func TestLivegraphStreamsItsKnobThroughTheRelay(t *testing.T) {
	w := newWorld(t)
	browser := w.watch("/data")
	b := w.board(shop.sketch(t, source("livegraph")), 1)
	b.pins("10 1234")
	for browser.next() != "1234" {
	}
	b.pins("10 4095")
	for line := ""; line != "4095"; {
		if line = browser.next(); line != "1234" && line != "4095" {
			t.Fatalf("a line is torn: %q", line)
		}
	}
}

func TestLiveimuStreamsSixNumbersThroughTheRelay(t *testing.T) {
	w := newWorld(t)
	browser := w.watch("/data")
	b := w.board(shop.sketch(t, source("liveimu")), 1)
	b.pins("10 2048 11 1024 12 4095")
	for range 50 {
		line := browser.next()
		numbers := strings.Split(line, ",")
		if len(numbers) != 6 {
			t.Fatalf("not six numbers: %q", line)
		}
		for _, number := range numbers {
			if _, err := strconv.ParseFloat(number, 64); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
	}
	for !strings.HasPrefix(browser.next(), "0.000,-90.000,359.912,0.000,1013.25,20.0") {
	}
}

// Presses of six buttons in bursts, and two at once; between two of one button there is more time than a contact bounces.
func TestChimesCountEachOfAThousandPressesOnce(t *testing.T) {
	w := newWorld(t)
	browser := w.watch("/data")
	b := w.board(shop.sketch(t, source("chimes")), 1)
	browser.next() // it streams

	var want [6]int
	made := 0
	press := func(pins ...int) {
		down, up := "", ""
		for _, pin := range pins {
			down += fmt.Sprintf(" %d 0", pin)
			up += fmt.Sprintf(" %d 1", pin)
			want[pin]++
			made++
		}
		b.pins(strings.TrimSpace(down))
		b.pins(strings.TrimSpace(up))
	}
	for made < 1000 {
		press(0, 1)
		press(2)
		press(3, 4, 5)
		b.tell("wait 6")
		for pin := range 6 {
			press(pin)
		}
		b.tell("wait 6")
	}
	for {
		var line struct{ Chimes [6]int }
		text := browser.next()
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if line.Chimes == want {
			return
		}
		for button, n := range line.Chimes {
			if n > want[button] {
				t.Fatalf("%d presses of button %d, %d were made", n, button, want[button])
			}
		}
	}
}

// Both wires of LocalRelay, both directions of the WebSocket, and a restart of the cloud in the middle.
func TestAStreamComesBackWhenTheCloudDoes(t *testing.T) {
	w := newWorld(t)
	first := w.watch("/data")
	b := w.board(shop.sketch(t, "libraries/LocalRelay/examples/usage/usage.ino"), 1)
	first.next()
	w.send(b.id, "on")
	b.wantStart("pin 7 1")
	w.send(b.id, "off")
	b.wantStart("pin 7 0")

	w.stop()
	w.serve(w.http, w.tcp, w.relay)
	w.online(b.id)
	w.watch("/data").next()
}

// send sends text to a device that has a WebSocket.
func (w *world) send(device, text string) {
	w.t.Helper()
	r, _ := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+w.relay+"/send/"+device, strings.NewReader(text))
	r.Header.Set("Authorization", "Bearer "+w.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		w.t.Fatalf("POST /send: %s", answer.Status)
	}
}
