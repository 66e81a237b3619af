package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"localcloud/cloud/sse"
)

// rawFanout is the ceiling of an event stream's server: the same bytes, to as
// many clients of the same kind, from goroutines that do nothing but write. It
// returns deliveries a second.
func (r *run) rawFanout(ctx context.Context, clients int, d time.Duration) (float64, error) {
	r.progress("plain writes to %d clients for %v", clients, d)
	ln, err := r.Network.Listen()
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	accepted := make(chan []net.Conn, 1)
	go func() { accepted <- acceptStreams(ln, clients) }()
	s := &streams{
		connect: func(ctx context.Context) (net.Conn, error) { return r.Network.Dial(ctx, ln.Addr()) },
		head:    "GET / HTTP/1.1\r\nHost: raw\r\n",
	}
	if err := s.open(ctx, clients); err != nil {
		return 0, err
	}
	defer s.close()
	conns := <-accepted
	defer closeAll(conns)
	if len(conns) != clients {
		return 0, errors.New("plain writes: not all clients came")
	}
	writers := min(runtime.GOMAXPROCS(0), clients)
	h := r.newHearing(clients, writers) // each writer is a publisher to its part
	leads := make([]*lead, writers)
	for w := range leads {
		leads[w] = newLead(len(part(conns, w, writers)))
	}
	h.arrived = func(e stamp) { leads[e.device].arrived(e.number) }
	s.ears.Store(h)
	began := time.Now()
	within, stop := context.WithTimeout(ctx, d)
	defer stop()
	var all sync.WaitGroup
	for w := range leads {
		all.Go(func() { r.writePlain(within, part(conns, w, writers), leads[w], stamp{phase: h.phase, device: w}) })
	}
	all.Wait()
	rate := float64(h.account(make([]uint64, writers)).got) / time.Since(began).Seconds()
	s.ears.Store(nil)
	return rate, nil
}

// acceptStreams answers n requests with the head of an event stream.
func acceptStreams(ln net.Listener, n int) (conns []net.Conn) {
	for range n {
		nc, err := ln.Accept()
		if err != nil {
			return conns
		}
		conns = append(conns, nc)
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
			return conns
		}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	}
	return conns
}

func closeAll(conns []net.Conn) {
	for _, nc := range conns {
		nc.Close()
	}
}

// part returns the connections of one writer.
func part(conns []net.Conn, w, writers int) []net.Conn {
	return conns[w*len(conns)/writers : (w+1)*len(conns)/writers]
}

// writePlain writes events to each connection until ctx ends.
func (r *run) writePlain(ctx context.Context, conns []net.Conn, lead *lead, s stamp) {
	var b []byte
	for s.number = 1; lead.take(ctx, s.number); s.number++ {
		s.sent = r.sinceEpoch()
		b = appendChunk(b[:0], s)
		for _, nc := range conns {
			if _, err := nc.Write(b); err != nil {
				return
			}
		}
	}
}

// appendChunk appends an event as the API sends it, in a chunk of HTTP.
func appendChunk(b []byte, s stamp) []byte {
	frame := sse.AppendParticle(nil, uint64(time.Now().UnixMicro()), eventName, s.append(nil), 60, time.Now(), deviceID(0).String())
	b = fmt.Appendf(b, "%x\r\n", len(frame))
	return append(append(b, frame...), "\r\n"...)
}
