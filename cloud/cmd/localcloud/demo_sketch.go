package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"localcloud/coap/virtual"
)

// A demoSketch is what the demo's Photon runs besides the temperature: the Go
// twin of a sketch in firmware/sketches, on the same wire to the relay.
type demoSketch struct {
	period time.Duration           // between two lines
	line   func(at float64) string // at: seconds since the start
	page   string                  // of the relay, that shows it
	see    string                  // what the page shows
}

func demoSketches() map[string]demoSketch {
	return map[string]demoSketch{
		"livegraph": {20 * time.Millisecond, livegraphLine, "/relay/livegraph/", "a moving line, fifty values a second"},
		"liveimu":   {40 * time.Millisecond, liveimuLine, "/relay/liveimu/", "a position, 25 times a second"},
		"chimes":    {50 * time.Millisecond, chimesLine(), "/data", "how often each of six buttons was pressed, at each press"},
	}
}

// livegraphLine is a knob that somebody turns to and fro, with the noise of its converter: 0 to 4095.
func livegraphLine(at float64) string {
	knob := 2048 + 1700*math.Sin(at*1.3)*math.Cos(at*0.21) + 12*rand.NormFloat64()
	return fmt.Sprintf("%d", int(min(max(knob, 0), 4095)))
}

// liveimuLine is a board that is swung slowly: roll, pitch, heading, altitude, pressure, temperature.
func liveimuLine(at float64) string {
	altitude := 120 + 0.5*math.Sin(at*0.3)
	pressure := 1013.25 * math.Pow(1-altitude/44330, 5.255)
	return fmt.Sprintf("%.3f,%.3f,%.3f,%.3f,%.2f,%.1f",
		30*math.Sin(at), 20*math.Sin(at*0.7), math.Mod(at*12, 360), altitude, pressure, 21+math.Sin(at*0.05))
}

// chimesLine counts the presses of six buttons: bursts, now and then two at once, and pauses in which there is no line.
func chimesLine() func(at float64) string {
	var presses [6]int
	return func(at float64) string {
		if math.Sin(at*0.9) < 0 || rand.Float64() < 0.6 {
			return ""
		}
		presses[rand.IntN(6)]++
		if rand.Float64() < 0.2 {
			presses[rand.IntN(6)]++
		}
		return fmt.Sprintf(`{"chimes":[%d,%d,%d,%d,%d,%d]}`, presses[0], presses[1], presses[2], presses[3], presses[4], presses[5])
	}
}

// Timing of the sketches (see firmware/libraries/LocalRelay).
const (
	askAgain     = 10 * time.Second // without a call
	sketchWrites = 5 * time.Second  // bounds a write to a relay that does not read
)

// run asks for a relay and streams to the one that calls, until ctx ends.
func (k demoSketch) run(ctx context.Context, device *virtual.Device, calls <-chan string) {
	for ctx.Err() == nil {
		if device.Online() {
			device.Publish(ctx, virtual.Event{Name: "devicesRequest", Data: []byte("127.0.0.1"), TTL: 10, Private: true})
		}
		select {
		case argument := <-calls:
			k.stream(ctx, argument)
		case <-time.After(askAgain):
		case <-ctx.Done():
		}
	}
}

// relayCalls registers the function "devices" and returns the arguments of its calls, of which the newest waits.
func relayCalls(device *virtual.Device) (<-chan string, error) {
	calls := make(chan string, 1)
	var mu sync.Mutex // one call at a time replaces what waits
	return calls, device.Function("devices", func(argument string) int32 {
		mu.Lock()
		defer mu.Unlock()
		select {
		case <-calls:
		default:
		}
		calls <- argument
		return 0
	})
}

// stream connects to "ip,port,nonce" and sends lines until the connection or ctx ends.
func (k demoSketch) stream(ctx context.Context, argument string) {
	part := strings.Split(argument, ",")
	if len(part) != 3 {
		return
	}
	dialer := net.Dialer{Timeout: sketchWrites}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(part[0], part[1]))
	if err != nil {
		return
	}
	defer conn.Close()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, conn) // a relay says nothing while it listens
	}()
	defer func() { conn.Close(); <-gone }()
	k.send(ctx, conn, part[2], gone)
}

func (k demoSketch) send(ctx context.Context, conn net.Conn, nonce string, gone <-chan struct{}) {
	out := bufio.NewWriter(conn)
	fmt.Fprintf(out, "%s /devices HTTP/1.0\r\nAuthorization: %s\r\nContent-Length: 99999999\r\n\r\n", http.MethodPost, nonce)
	tick := time.NewTicker(k.period)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-tick.C:
		case <-gone:
			return
		case <-ctx.Done():
			return
		}
		if line := k.line(time.Since(began).Seconds()); line != "" {
			out.WriteString(line + "\n")
		}
		conn.SetWriteDeadline(time.Now().Add(sketchWrites))
		if out.Flush() != nil {
			return
		}
	}
}
