package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"localcloud/cloud/client"
)

// ceilingTime is how long each ceiling is measured.
const ceilingTime = time.Second

// tries yields until it is time to stop measuring a ceiling that began just now.
func (r *run) tries(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		began := time.Now()
		for n := 0; time.Since(began) < ceilingTime && n < cmp.Or(r.most, 1_000_000) && ctx.Err() == nil && yield(n); n++ {
		}
	}
}

// ceilings measures what the machine does without a cloud.
func ceilings(ctx context.Context, r *run) error {
	work, err := r.arithmetic()
	if err != nil {
		return err
	}
	alone, err := work.time(ctx, r, 1)
	if err != nil {
		return err
	}
	all, err := work.time(ctx, r, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	r.add(work.name+" of one handshake, one core busy", micros(alone), "µs CPU", nil)
	r.add(work.name+" of one handshake, all cores busy", micros(all), "µs CPU", nil)
	if err := r.syncedWrites(ctx); err != nil {
		return err
	}
	if err := r.roundTrips(ctx); err != nil {
		return err
	}
	rate, err := r.requestCeiling(ctx, r.inFlight(16))
	if err == nil {
		r.add(fmt.Sprintf("plain HTTP server, %d in flight", r.inFlight(16)), rate, "requests/s", nil)
	}
	return err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// syncedWrites measures a file that grows by 4 kB at a time, synced each time.
func (r *run) syncedWrites(ctx context.Context) error {
	dir, err := r.tempDir()
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "synced"))
	if err != nil {
		return err
	}
	defer f.Close()
	took := newLatency()
	block := make([]byte, 4096)
	for range r.tries(ctx) {
		at := time.Now()
		_, err := f.Write(block)
		if err := errors.Join(err, f.Sync()); err != nil {
			return err
		}
		took.record(time.Since(at))
	}
	r.addLatency("synced write of 4 kB", took, nil, nil)
	return nil
}

// roundTrips measures 64 bytes there and back over a connection.
func (r *run) roundTrips(ctx context.Context) error {
	ln, err := r.Network.Listen()
	if err != nil {
		return err
	}
	defer ln.Close()
	go echo(ln)
	nc, err := r.Network.Dial(ctx, ln.Addr())
	if err != nil {
		return err
	}
	defer nc.Close()
	took := newLatency()
	message := make([]byte, 64)
	for range r.tries(ctx) {
		at := time.Now()
		if _, err := nc.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(nc, message); err != nil {
			return err
		}
		took.record(time.Since(at))
	}
	r.addLatency("64 bytes there and back over TCP", took, nil, nil)
	return nil
}

// echo answers one connection with what it says.
func echo(ln net.Listener) {
	nc, err := ln.Accept()
	if err != nil {
		return
	}
	defer nc.Close()
	io.Copy(nc, nc)
}

// requestCeiling returns how many requests a second our clients get answered by a
// server that does nothing, as JSON of the size of a call's answer.
func (r *run) requestCeiling(ctx context.Context, inFlight int) (float64, error) {
	r.progress("plain HTTP, %d in flight", inFlight)
	ln, err := r.Network.Listen()
	if err != nil {
		return 0, err
	}
	answer := []byte(`{"connected":true,"id":"0123456789abcdef01234567","last_app":"","name":null,"return_value":12345}`)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		io.Copy(io.Discard, q.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	})}
	go server.Serve(ln)
	defer server.Close()
	c := &Cloud{
		API:      &client.Client{BaseURL: (&url.URL{Scheme: "http", Host: "ceiling"}).String()},
		DialHTTP: func(ctx context.Context) (net.Conn, error) { return r.Network.Dial(ctx, ln.Addr()) },
	}
	l, err := r.requests(c, inFlight, func(worker int) request {
		return request{method: http.MethodPost, path: "/v1/devices/0123456789abcdef01234567/f", body: `{"args":"12345"}`}
	})
	if err != nil {
		return 0, err
	}
	l.measure(ctx, ceilingTime)
	return l.rate(), nil
}
