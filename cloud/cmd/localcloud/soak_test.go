//go:build soak && linux

package main_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"localcloud/coap/virtual"
)

// The same as in crash_test.go, long enough to meet what is rare, and a load that shows what grows.

func TestSoakKill(t *testing.T) { killRounds(t, buildProgram(t), 100, 1000) }

func TestSoakPowerCuts(t *testing.T) {
	program := buildProgram(t)
	cutImages(t, program, 100, 300)
	cutFirstStarts(t, program, 50)
}

// The load comes in equal rounds, at the end of each of which the memory is measured.
const (
	soakRounds     = 100
	soakEvents     = 10_000 // in each round, acknowledged
	soakReconnects = 100    // in each round
	soakStreams    = 100    // opened and closed in each round
	soakSleepers   = 100    // readers that never read, all the time
	soakWarmUp     = soakRounds / 5
)

func TestSoakMemoryStaysFlat(t *testing.T) {
	h := newHome(t, buildProgram(t))
	s := h.serve(t, h.data, "--log-level", "error", "--events-max-size", "16MB") // so that the oldest go already while it warms up
	boards := newBoards(t, s, 16)
	publish, reconnect := boards[:8], boards[8:]

	var asleep sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer asleep.Wait()
	defer cancel()
	var sleepers atomic.Int64
	for range soakSleepers {
		asleep.Go(func() {
			for ctx.Err() == nil {
				sleeper(ctx, s, &sleepers)
			}
		})
	}
	until(t, "all readers are there", func() bool { return sleepers.Load() == soakSleepers })

	var all []memory
	for round := range soakRounds {
		begun := time.Now()
		var load sync.WaitGroup
		load.Go(func() { publishMany(t, h, s, publish) })
		load.Go(func() { reconnectMany(t, h, s, reconnect) })
		load.Go(func() { openAndClose(t, s) })
		load.Wait()
		if t.Failed() {
			return
		}
		m := measure(t, s)
		all = append(all, m)
		t.Logf("round %d: %v, %+v, %d readers asleep", round, time.Since(begun).Round(time.Millisecond), m, sleepers.Load())
	}
	span := soakRounds / 5
	early, late := median(all[soakWarmUp:soakWarmUp+span]), median(all[soakRounds-span:])
	t.Logf("kB: after the warm-up %+v, at the end %+v", early, late)
	if late.RSS > early.RSS+early.RSS/20 {
		t.Errorf("the memory grows: %d kB, then %d kB", early.RSS, late.RSS)
	}
	if late.Files > early.Files+50 || late.Threads > early.Threads+20 {
		t.Errorf("files or threads grow: %+v, then %+v", early, late)
	}
}

// sleeper opens a stream and never reads, until the server has enough of it.
func sleeper(ctx context.Context, s *served, open *atomic.Int64) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", s.HTTP)
	if err != nil {
		return
	}
	defer nc.Close()
	nc.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(nc, "GET /v1/devices/events HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\n\r\n", string(s.api.Token))
	open.Add(1)
	defer open.Add(-1)
	often := time.NewTicker(time.Second)
	defer often.Stop()
	for {
		select {
		case <-often.C: // the server's end shows only to who writes: half a request, never finished
			if _, err := nc.Write([]byte("G")); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// publishMany has boards publish until enough is acknowledged.
func publishMany(t *testing.T, h *home, s *served, boards []*board) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*soon)
	defer cancel()
	var count atomic.Int64
	var all sync.WaitGroup
	for _, b := range boards {
		all.Go(func() {
			b.run(ctx, s, h.serverKey, func() {
				if count.Add(1) == soakEvents {
					cancel()
				}
			})
			b.acked.Clear()
		})
	}
	all.Wait()
	if n := count.Load(); n < soakEvents {
		t.Errorf("only %d events were acknowledged", n)
	}
}

var errOnline = errors.New("online: that was all")

// reconnectMany brings boards online and cuts them off, again and again.
func reconnectMany(t *testing.T, h *home, s *served, boards []*board) {
	var all sync.WaitGroup
	for _, b := range boards {
		all.Go(func() {
			for range (soakReconnects + len(boards) - 1) / len(boards) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), soon, errors.New("it does not come online"))
				ctx, enough := context.WithCancelCause(ctx)
				d := virtual.New(virtual.Config{ID: b.id, Key: b.key, ServerKey: h.serverKey, Dial: dialer(s.TCP)})
				d.OnOnline(func() { enough(errOnline) })
				if err := d.Run(ctx); !errors.Is(err, errOnline) {
					t.Errorf("a reconnect ended with %v", err)
				}
				cancel()
			}
		})
	}
	all.Wait()
}

// openAndClose opens streams and closes them, each on a connection of its own.
func openAndClose(t *testing.T, s *served) {
	for range soakStreams {
		if err := openOnce(t, s); err != nil {
			t.Errorf("a stream: %v", err)
			return
		}
	}
}

func openOnce(t *testing.T, s *served) error {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api.BaseURL+"/v1/devices/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+string(s.api.Token))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadFull(resp.Body, make([]byte, 100)) // the preamble, and some of an event
	return err
}

// memory is what a process holds, memory in kB.
type memory struct{ RSS, Anon, File, Threads, Files int }

func measure(t *testing.T, s *served) (m memory) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.PID))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		name, value, _ := strings.Cut(in.Text(), ":")
		to := map[string]*int{"VmRSS": &m.RSS, "RssAnon": &m.Anon, "RssFile": &m.File, "Threads": &m.Threads}[name]
		if to != nil {
			fmt.Sscan(value, to)
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID))
	if err != nil || m.RSS == 0 {
		t.Fatalf("the process cannot be measured: %+v, %v", m, err)
	}
	m.Files = len(open)
	return m
}

func median(all []memory) memory {
	of := func(get func(memory) int) int {
		var values []int
		for _, m := range all {
			values = append(values, get(m))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return memory{
		RSS: of(func(m memory) int { return m.RSS }), Anon: of(func(m memory) int { return m.Anon }), File: of(func(m memory) int { return m.File }),
		Threads: of(func(m memory) int { return m.Threads }), Files: of(func(m memory) int { return m.Files }),
	}
}
