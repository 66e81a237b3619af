package dtls

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// A whole handshake as the server does it; beside it, what the arithmetic on the curve alone takes.
func BenchmarkServerHandshake(b *testing.B) {
	key, device := newKey(b), newKey(b)
	var server time.Duration
	for b.Loop() {
		b.StopTimer()
		c := NewClient(day, ClientConfig{Key: device, ServerKey: &key.PublicKey})
		r, _, _ := parseRecord(c.Outbox()[0])
		hello, f, _ := readClientHello(&r)
		b.StartTimer()
		began := time.Now()
		hs, err := beginServerHandshake(key, CID{1}, 0, f, &hello)
		if err != nil {
			b.Fatal(err)
		}
		flight := hs.send(day)
		server += time.Since(began)
		b.StopTimer()
		for _, d := range flight {
			if err := c.Receive(day, d); err != nil {
				b.Fatal(err)
			}
		}
		answer := c.Outbox()[0]
		b.StartTimer()
		began = time.Now()
		if _, err := hs.receive(day, answer); err != nil || !hs.done {
			b.Fatal(err)
		}
		server += time.Since(began)
	}
	b.ReportMetric(float64(b.N)/server.Seconds(), "handshakes/s/core")
}

func BenchmarkCurveArithmeticOfAHandshake(b *testing.B) {
	key := newKey(b)
	digest := make([]byte, 32)
	for b.Loop() {
		private, _ := ecdh.P256().GenerateKey(rand.Reader)
		if _, err := private.ECDH(private.PublicKey()); err != nil {
			b.Fatal(err)
		}
		signature, _ := ecdsa.SignASN1(rand.Reader, key, digest)
		if !ecdsa.VerifyASN1(&key.PublicKey, digest, signature) {
			b.Fatal("signature")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s/core")
}

func BenchmarkCookie(b *testing.B) {
	l := NewListener(newNetwork().listen(server), Config{Key: newKey(b)})
	c := NewClient(day, ClientConfig{})
	datagram := c.Outbox()[0]
	from := netip.MustParseAddrPort("10.0.0.2:1")
	for b.Loop() {
		l.receive(bytes.Clone(datagram), from)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ClientHellos/s/core")
}

// records/s that a Listener takes: found, opened, handed over.
func BenchmarkRecords(b *testing.B) {
	for _, size := range []int{4, 200, 1024} {
		b.Run(map[int]string{4: "ping", 200: "event200B", 1024: "event1KB"}[size], func(b *testing.B) {
			l, c, device := established(b)
			message := make([]byte, size)
			buffer := make([]byte, 0, maxDatagram)
			for b.Loop() {
				sealed, err := device.Seal(buffer, message)
				if err != nil {
					b.Fatal(err)
				}
				l.receive(sealed, c.address)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s/core")
			if got := c.receiver.(*counter).n; got != b.N {
				b.Errorf("%d of %d arrived", got, b.N)
			}
		})
	}
}

type counter struct{ n int }

func (c *counter) Receive([]byte) { c.n++ }
func (c *counter) Closed(error)   {}

func established(b testing.TB) (*Listener, *Conn, *Session) {
	l := NewListener(newNetwork().listen(server), Config{Key: newKey(b)})
	c, device := establish(l)
	return l, c, device
}

// establish returns both halves of a session as a handshake leaves them.
func establish(l *Listener) (*Conn, *Session) {
	var k keyBlock
	rand.Read(k[:])
	var cid CID
	rand.Read(cid[:])
	c := l.newConn(&Session{server: true, useCID: true, cid: cid, keys: k, limit: noLimit}, netip.MustParseAddrPort("10.0.0.2:1"))
	c.receiver = &counter{}
	l.add(c)
	return c, &Session{useCID: true, cid: cid, keys: k, limit: noLimit}
}

// 10,000 sessions on one socket of the machine: memory for each, and records/s through the socket, spread over all.
func BenchmarkTenThousandSessions(b *testing.B) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		b.Fatal(err)
	}
	got := make(chan struct{}, 1<<20)
	l := NewListener(socket, Config{Key: newKey(b)})
	const n = 10_000
	devices := make([]*Session, n)
	for i := range devices {
		devices[i] = &Session{useCID: true, limit: noLimit}
		rand.Read(devices[i].keys[:])
		rand.Read(devices[i].cid[:])
	}
	before := heap()
	for _, s := range devices {
		c := l.newConn(&Session{server: true, useCID: true, cid: s.cid, keys: s.keys, limit: noLimit}, netip.MustParseAddrPort("127.0.0.1:9"))
		c.receiver = arrivals(got)
		l.add(c)
	}
	perSession := float64(heap()-before) / n
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- l.Serve(ctx) }()
	client, err := net.Dial("udp", socket.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	buffer, message, sent := make([]byte, 0, maxDatagram), make([]byte, 50), 0
	for b.Loop() {
		sealed, err := devices[sent%n].Seal(buffer, message)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := client.Write(sealed); err != nil {
			b.Fatal(err)
		}
		sent++
		if sent%64 == 0 { // no more than the socket holds
			for range 64 {
				<-got
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(perSession, "B/session")
	cancel()
	<-ended
}

type arrivals chan struct{}

func (a arrivals) Receive([]byte) { a <- struct{}{} }
func (a arrivals) Closed(error)   {}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
