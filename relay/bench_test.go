package relay

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
)

// The benchmarks go over loopback sockets, as devices and browsers do.

// counting reads an event stream and counts its lines until it has n or the stream ends.
type counting struct {
	lines, lost int
	done        chan struct{}
}

// count begins to read what a viewer gets.
func (w *world) count(path string, n int) *counting {
	w.t.Helper()
	p := w.dial("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	c := &counting{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for c.lines+c.lost < n {
			line, err := p.in.ReadSlice('\n')
			if err != nil {
				return
			}
			switch text := string(line); {
			case strings.HasPrefix(text, frameHead):
				c.lines++
			case strings.HasPrefix(text, ": lost "):
				lost, _ := strconv.Atoi(strings.TrimSpace(text[len(": lost "):]))
				c.lost += lost
			}
		}
	}()
	return c
}

// bench starts a relay with many devices, each connected.
func bench(b *testing.B, devices int) (*world, []*peer) {
	w := newWorld(b)
	w.cloud.many = devices
	peers := make([]*peer, devices)
	for i := range peers {
		id := fmt.Sprintf("%024x", i+1)
		peers[i] = w.dial(sketchHead(w.relay.tickets.issue(id, nil, time.Now())))
		w.streaming(id)
	}
	return w, peers
}

// 10,000 lines a second from 100 devices, each to a viewer of its own. Lost lines fail it.
func BenchmarkHundredDevicesToAViewerEach(b *testing.B) {
	const devices, perSecond = 100, 10000
	w, peers := bench(b, devices)
	each := (b.N + devices - 1) / devices
	var viewers []*counting
	for i := range peers {
		viewers = append(viewers, w.count(fmt.Sprintf("/data/%024x", i+1), each))
	}
	w.eventually("all watch", func() bool { return w.relay.figures().Viewers == devices })
	const pause = time.Second * devices / perSecond // each device a line every 10 ms
	b.ResetTimer()
	began := time.Now()
	for n := range each {
		for _, p := range peers {
			p.say(strconv.Itoa(n%4096) + "\n")
		}
		<-time.After(time.Until(began.Add(time.Duration(n+1) * pause)))
	}
	lost := 0
	for _, v := range viewers {
		<-v.done
		lost += v.lost
	}
	b.ReportMetric(float64(each*devices)/time.Since(began).Seconds(), "lines/s")
	b.ReportMetric(float64(lost), "lost")
	if lost > 0 {
		b.Errorf("%d lines were lost", lost)
	}
}

// The merged channel to 100 viewers, against what the machine writes to 100 connections of the same kind.
func BenchmarkMergedToHundredViewers(b *testing.B) {
	const viewers, block = 100, 64 << 10
	line := strings.Repeat("x", 57) + "\n" // a frame of 64 bytes
	w := newWorld(b)
	d := w.dial(sketchHead(w.relay.tickets.issue(photon, nil, time.Now())))
	w.streaming(photon)
	var all []*sink
	for range viewers {
		all = append(all, w.sink("GET /data HTTP/1.0\r\n\r\n"))
	}
	w.eventually("all watch", func() bool { return w.relay.figures().Viewers == viewers })
	raw := rawCeiling(b, viewers, block)

	before := total(all)
	b.ResetTimer()
	began := time.Now()
	text := strings.Repeat(line, block/len(line))
	for sent := 0; sent < max(b.N, 200000)*len(line); sent += len(text) {
		d.say(text)
	}
	w.eventually("all lines are out", func() bool {
		w.relay.merged.mu.Lock()
		defer w.relay.merged.mu.Unlock()
		for v := range w.relay.merged.viewers {
			if v.batch != w.relay.merged.gone+uint64(w.relay.merged.count) {
				return false
			}
		}
		return w.stream(photon).bytes.Load() > 0
	})
	rate := float64(total(all)-before) / time.Since(began).Seconds()
	b.ReportMetric(rate/1e6, "MB/s")
	b.ReportMetric(raw/1e6, "raw-MB/s")
	b.ReportMetric(100*rate/raw, "%raw")
	b.ReportMetric(float64(w.relay.merged.show(time.Now()).Lost), "lost")
}

// sink reads a connection to nowhere and counts the bytes.
type sink struct {
	mu sync.Mutex
	n  int64
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.n += int64(len(b))
	s.mu.Unlock()
	return len(b), nil
}

func total(all []*sink) (n int64) {
	for _, s := range all {
		s.mu.Lock()
		n += s.n
		s.mu.Unlock()
	}
	return n
}

func (w *world) sink(request string) *sink {
	p, s := w.dial(request), &sink{}
	go io.CopyBuffer(s, struct{ io.Reader }{p.Conn}, make([]byte, 64<<10))
	return s
}

// rawCeiling writes blocks to connections of loopback as fast as they are read, for a second, and returns bytes per second.
func rawCeiling(b *testing.B, conns, block int) float64 {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	var writers []net.Conn
	var readers []*sink
	for range conns {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		s := &sink{}
		readers = append(readers, s)
		go io.CopyBuffer(s, struct{ io.Reader }{nc}, make([]byte, 64<<10))
		server, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer server.Close()
		writers = append(writers, server)
	}
	began := time.Now()
	var work sync.WaitGroup
	for _, nc := range writers {
		work.Go(func() {
			data := make([]byte, block)
			for time.Since(began) < time.Second {
				if _, err := nc.Write(data); err != nil {
					return
				}
			}
		})
	}
	work.Wait()
	return float64(total(readers)) / time.Since(began).Seconds()
}

// How long a line takes from the device's socket to the browser's.
func BenchmarkLineToBrowser(b *testing.B) {
	w, peers := bench(b, 1)
	v := w.watch("/data")
	var took []time.Duration
	b.ResetTimer()
	for b.Loop() {
		began := time.Now()
		peers[0].say("1234\n")
		v.line()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// How long a device that asks waits for its call, when a hundred ask at once. An operation is these hundred.
func BenchmarkRequestToCall(b *testing.B) {
	const devices = 100
	w := newWorld(b)
	w.cloud.many = devices
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		for i := range devices {
			w.cloud.event(fmt.Sprintf("%024x", i+1), cloud.EventDevicesRequest, "127.0.0.1")
		}
		for range devices {
			w.called()
			took = append(took, time.Since(began))
		}
		w.eventually("the calls are over", func() bool {
			w.relay.mu.Lock()
			defer w.relay.mu.Unlock()
			return len(w.relay.calls) == 0
		})
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// One device as fast as it can, with a viewer.
func BenchmarkOneFastDevice(b *testing.B) {
	w, peers := bench(b, 1)
	line := strings.Repeat("1234567,", 9) + "\n"
	const atOnce = 100
	rounds := (b.N + atOnce - 1) / atOnce
	v := w.count("/data", rounds*atOnce)
	w.eventually("it watches", func() bool { return w.relay.figures().Viewers == 1 })
	text := strings.Repeat(line, atOnce)
	b.SetBytes(int64(len(line)))
	b.ResetTimer()
	for range rounds {
		peers[0].say(text)
	}
	<-v.done
	b.ReportMetric(float64(v.lost), "lost")
}

// One device at 800 kB/s, the author's ceiling, with a viewer: 20,000 lines of 40 bytes a second, 200 every
// 10 ms, as a board's TCP stack sends them. An operation is these 200. Lost lines fail it.
func BenchmarkOneDeviceAt800KilobytesPerSecond(b *testing.B) {
	const perSecond, size, pause = 800_000, 40, 10 * time.Millisecond
	w, peers := bench(b, 1)
	const atOnce = int(perSecond / size * pause / time.Second)
	text := strings.Repeat(strings.Repeat("7", size-1)+"\n", atOnce)
	v := w.dial("GET /data HTTP/1.0\r\n\r\n")
	w.eventually("it watches", func() bool { return w.relay.figures().Viewers == 1 })
	var took []time.Duration
	lines := 0
	b.SetBytes(int64(len(text)))
	began := time.Now()
	for b.Loop() {
		due := began.Add(time.Duration(len(took)) * pause)
		<-time.After(time.Until(due))
		said := time.Now()
		peers[0].say(text)
		for lines += atOnce; lines > 0; {
			line, err := v.in.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(string(line), frameHead) {
				lines--
			}
		}
		took = append(took, time.Since(said))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	if lost := w.relay.merged.show(time.Now()).Lost; lost > 0 {
		b.Errorf("%d lines were lost", lost)
	}
}

// What a viewer and a device cost while nothing happens.
func BenchmarkMemory(b *testing.B) {
	const n = 500
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	for b.Loop() {
		w := newWorld(b)
		before := inUse()
		for range n {
			w.dial("GET /data HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		}
		w.eventually("all watch", func() bool { return w.relay.figures().Viewers == n })
		viewers := inUse()
		for i := range n {
			id := fmt.Sprintf("%024x", i+1)
			w.dial(sketchHead(w.relay.tickets.issue(id, nil, time.Now())))
		}
		w.eventually("all stream", func() bool { return w.relay.figures().Accepted == n })
		b.ReportMetric(float64(viewers-before)/n/1024, "KiB/viewer") // the test's own side included
		b.ReportMetric(float64(inUse()-viewers)/n/1024, "KiB/device")
		w.stop()
	}
}
