package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/sse"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// What strangers do who only hold connections: they say nothing, or little, or do not listen.

// siege are connections that are begun and never said a word on, again and again.
type siege struct {
	held   atomic.Int64 // stand there now
	ended  atomic.Int64 // were ended by the other side
	cancel context.CancelFunc
	all    sync.WaitGroup
}

func lay(address string, n int) *siege {
	ctx, cancel := context.WithCancel(context.Background())
	s := &siege{cancel: cancel}
	for range n {
		s.all.Go(func() {
			for ctx.Err() == nil {
				s.stand(ctx, address)
			}
		})
	}
	return s
}

func (s *siege) stand(ctx context.Context, address string) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if _, err := io.ReadFull(nc, make([]byte, 40)); err != nil {
		return
	}
	s.held.Add(1)
	io.Copy(io.Discard, nc)
	s.held.Add(-1)
	if ctx.Err() == nil {
		s.ended.Add(1)
	}
}

func (s *siege) lift() {
	s.cancel()
	s.all.Wait()
}

func TestAThousandHalfOpenHandshakesHoldNobodyUpAndLeaveNothingBehind(t *testing.T) {
	const many = 1000
	s, _ := serveOwned(t, "--log-level", "error")
	id, late := randomID(), randomID()
	lateKey := addDevice(t, s, late)
	d := photon(t, s, id, addDevice(t, s, id))
	eventually(t, "the first device is online", d.Online)
	call := func(id keys.DeviceID) {
		t.Helper()
		begun := time.Now()
		if out := command(t, "device", "call", id.String(), "led", "four", "--data", s.data); out != "4\n" {
			t.Errorf("the call returned %q", out)
		}
		t.Logf("a call took %v", time.Since(begun).Round(time.Millisecond))
	}
	call(id)
	http.DefaultClient.CloseIdleConnections()
	before := resources()

	siege := lay(s.TCP, many)
	defer siege.lift()
	eventually(t, "all stand there", func() bool { return siege.held.Load() == many })
	call(id)
	begun := time.Now()
	newcomer := photon(t, s, late, lateKey)
	eventually(t, "a device comes online in spite of them", newcomer.Online)
	t.Logf("a device came online in %v, beside %d", time.Since(begun).Round(time.Millisecond), siege.held.Load())
	call(late)
	eventually(t, "the server has ended as many", func() bool { return siege.ended.Load() >= many })
	eventually(t, "and they stand there again", func() bool { return siege.held.Load() >= many*9/10 })
	call(id)
	call(late)
	if k := knockOf(t, s, keys.DeviceID{}); k.Count < many || k.Reason != keys.ReasonTimeout || k.Step != keys.StepKeyExchange || k.What == "" {
		t.Errorf("on the list stands %+v", k)
	}
	if d.Counts().Disconnects > 0 || newcomer.Counts().Attempts > 1 {
		t.Errorf("the devices noticed: %+v, %+v", d.Counts(), newcomer.Counts())
	}
	siege.lift()
	var after usage
	eventually(t, "their goroutines and files are gone", func() bool {
		http.DefaultClient.CloseIdleConnections()
		after = resources()
		return after.goroutines < before.goroutines+30 && after.files < before.files+30
	})
	t.Logf("before %+v, after %+v", before, after)
}

// usage is what this process holds.
type usage struct{ goroutines, files int }

// resources counts goroutines, and open files where the system tells.
func resources() usage {
	open, _ := os.ReadDir("/proc/self/fd")
	return usage{runtime.NumGoroutine(), len(open)}
}

// drip writes one byte after the other, and returns how many it took until the other side had enough, at most most.
func drip(nc net.Conn, next func(n int) byte, most int) int {
	nc.SetDeadline(time.Time{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		io.Copy(io.Discard, nc)
	}()
	slowly := time.NewTicker(100 * time.Millisecond)
	defer slowly.Stop()
	for n := range most {
		select {
		case <-slowly.C:
		case <-over:
			return n
		}
		if _, err := nc.Write([]byte{next(n)}); err != nil {
			return n
		}
	}
	return most
}

// Every drip goes on for longer than the server's patience, and the bytes are never the last ones.
func TestWhoDribblesIsCutOffInTime(t *testing.T) {
	t.Parallel()
	s, token := serveOwned(t)
	id := randomID()
	key := addDevice(t, s, id)
	server := keyOfCloud(t, s)
	var all sync.WaitGroup // at the same time, as they hardly do anything
	defer all.Wait()
	text := func(b string) func(int) byte { return func(n int) byte { return b[n%len(b)] } }
	for _, test := range []struct {
		name string
		from func() net.Conn
		next func(int) byte
		most int
	}{
		{"a block", func() net.Conn { return dial(t, s.TCP) }, text("x"), 255},
		{"a frame", func() net.Conn {
			i := &intruder{t: t, nc: dial(t, s.TCP), server: server, id: id, key: key}
			i.enter()
			return i.nc
		}, text("\x02\x00"), 400}, // a Hello that comes late is waited for, too
		{"a header", func() net.Conn {
			nc := dial(t, s.HTTP)
			io.WriteString(nc, "GET /v1/devices HTTP/1.1\r\nHost: cloud\r\n")
			return nc
		}, text("A: a\r\n"), 600},
		{"a body", func() net.Conn {
			nc := dial(t, s.HTTP)
			fmt.Fprintf(nc, "POST /v1/devices/events HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n", token)
			return nc
		}, text("a=b&"), 600},
		{"a body that nobody wants", func() net.Conn {
			nc := dial(t, s.HTTP)
			io.WriteString(nc, "POST /nowhere HTTP/1.1\r\nHost: cloud\r\nContent-Length: 1000\r\n\r\n")
			return nc
		}, text("a=b&"), 600},
		{"a file", func() net.Conn {
			nc := dial(t, s.HTTP)
			fmt.Fprintf(nc, "PUT /v1/devices/x HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=b\r\n"+
				"Content-Length: 1000\r\n\r\n--b--\r\n", token)
			return nc
		}, text("more"), 600},
	} {
		nc := test.from()
		all.Go(func() {
			begun := time.Now()
			n := drip(nc, test.next, test.most)
			took := time.Since(begun)
			if n == test.most {
				t.Errorf("%s: after %d bytes in %v it was still listened to", test.name, n, took)
			}
			t.Logf("%s: cut off after %v and %d bytes", test.name, took.Round(time.Millisecond), n)
		})
	}
}

// The machine is its own until the sockets are full: who takes nothing for 20 s is cut off, and that must not happen before.
func TestReadersThatNeverReadDelayNobodyAndTheirLossIsCounted(t *testing.T) {
	const readers, numbered, most, batch = 20, 100, 2048, 32 // the soak test has 100 readers
	s, token := serveOwned(t, "--log-level", "error")
	command(t, "policy", "set", "events", "off", "--data", s.data)
	id := randomID()
	d := photon(t, s, id, addDevice(t, s, id))
	eventually(t, "the device is online", d.Online)
	api := client.Client{BaseURL: s.url, Token: cloud.Secret(token)}
	var status struct {
		Streams int
		Totals  cloud.Totals
	}
	look := func() {
		t.Helper()
		st, err := api.Status(t.Context())
		if err == nil {
			err = st.Decode(&status)
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	var published [numbered]time.Time // before the number is sent
	for range readers {
		nc := dial(t, s.HTTP)
		nc.SetReadBuffer(4096)
		fmt.Fprintf(nc, "GET /v1/devices/events HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\n\r\n", token)
	}
	eventually(t, "all listen", func() bool { look(); return status.Streams == readers })

	// Users fill what the sockets hold, in large pieces, and what waits for them:
	// many at once, because who takes nothing for 20 s is cut off.
	filler := strings.Repeat("x", cloud.MaxEventData)
	filled := 0
	for ; filled < most && status.Totals.Lost < readers; filled += batch {
		var all sync.WaitGroup
		for range batch {
			all.Go(func() {
				if err := api.Publish(t.Context(), "filler", &filler, true); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		look()
	}
	if lost := status.Totals.Lost; lost < readers || t.Failed() {
		t.Fatalf("after %d events of %d bytes %d copies are lost", filled, len(filler), lost)
	}

	// Now a device publishes, and somebody listens. Were anybody waited for who
	// does not read, it would be for as long as a write may take: 20 s.
	witness := sse.NewReader(openStream(t, s.url+"/v1/devices/"+id.String()+"/events/number", token))
	var slowest, acknowledged time.Duration
	for n := range numbered {
		published[n] = time.Now()
		ev := virtual.Event{Name: "number", Data: []byte(strconv.Itoa(n)), WithAck: true}
		if err := d.Publish(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
		acknowledged = max(acknowledged, time.Since(published[n]))
		frame, err := witness.Next()
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Data string }
		if json.Unmarshal(frame.Data, &got) != nil || got.Data != strconv.Itoa(n) {
			t.Fatalf("instead of number %d came %s", n, frame.Data)
		}
		slowest = max(slowest, time.Since(published[n]))
	}
	if slowest > 10*time.Second || acknowledged > 10*time.Second {
		t.Errorf("delivered in up to %v, acknowledged in up to %v", slowest, acknowledged)
	}
	if out := command(t, "device", "call", id.String(), "led", "four", "--data", s.data); out != "4\n" {
		t.Errorf("the device answers %q", out)
	}
	look()
	t.Logf("%d large events filled %d sockets; then delivered in at most %v, acknowledged in at most %v; %d copies lost",
		filled, readers, slowest, acknowledged, status.Totals.Lost)
	if out := command(t, "status", "--data", s.data); !strings.Contains(out, " lost by slow listeners") || strings.Contains(out, " 0 lost by slow") {
		t.Errorf("status says\n%s", out)
	}
	t.Parallel()                                                                                    // from here on it only waits
	eventually(t, "who never reads is cut off", func() bool { look(); return status.Streams <= 1 }) // the witness may be gone, too
}
