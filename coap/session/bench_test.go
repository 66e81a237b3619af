package session

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/coap"
	"localcloud/keys"
)

// BenchmarkPublish steps a Session through one confirmable event: in, out to
// the cloud, committed, acknowledged.
func BenchmarkPublish(b *testing.B) {
	now := time.Now()
	s := New(now, Config{Device: theID})
	hello, _ := coap.HelloMessage(coap.NonConfirmable, 1, helloPhoton33.Append(nil)).Append(nil)
	if err := s.Receive(now, hello); err != nil {
		b.Fatal(err)
	}
	s.Outbox()
	s.Effects()
	message, _ := eventFrom(2, coap.Confirmable, "sensors/kitchen/temp", `{"t":21.5,"n":12345}`).Append(nil)
	id := uint16(2)
	b.ReportAllocs()
	for b.Loop() {
		id++
		binary.BigEndian.PutUint16(message[2:], id)
		if err := s.Receive(now, message); err != nil {
			b.Fatal(err)
		}
		for _, e := range s.Effects() {
			s.Acknowledge(e.(Published).Message, nil)
		}
		if len(s.Outbox()) != 1 {
			b.Fatal("no acknowledgement")
		}
	}
}

// BenchmarkCall steps a Session through one call.
func BenchmarkCall(b *testing.B) {
	now := time.Now()
	s := New(now, Config{Device: theID})
	hello, _ := coap.HelloMessage(coap.NonConfirmable, 1, helloPhoton33.Append(nil)).Append(nil)
	app, _ := coap.DescribePost(2, nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)).Append(nil)
	for _, m := range [][]byte{hello, app} {
		if err := s.Receive(now, m); err != nil {
			b.Fatal(err)
		}
	}
	s.Outbox()
	answer, _ := coap.FunctionReturn(coap.NonConfirmable, 3, 0, 1).Append(nil)
	id, answered := uint16(3), 0
	b.ReportAllocs()
	for b.Loop() {
		s.Call(now, now.Add(callTimeout), "led", "on", func(int32, error) { answered++ })
		id++
		binary.BigEndian.PutUint16(answer[2:], id)
		answer[4] = s.Outbox()[0][4] // the token
		if err := s.Receive(now, answer); err != nil {
			b.Fatal(err)
		}
	}
	if answered != b.N {
		b.Fatalf("%d of %d calls were answered", answered, b.N)
	}
}

// liveSize returns how many bytes of memory each of n things takes, stacks included.
func liveSize[T any](n int, one func(i int) T) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	all := make([]T, n)
	for i := range all {
		all[i] = one(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(all)
	return float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse) / float64(n)
}

// recordedBurst is what a device says when it connects: Hello, describe, time, six subscriptions.
func recordedBurst() [][]byte {
	var all [][]byte
	for i, m := range []coap.Message{
		coap.HelloMessage(coap.NonConfirmable, 1, helloPhoton33.Append(nil)),
		coap.DescribePost(2, []byte{1}, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)),
		coap.DescribePost(3, []byte{2}, coap.DescribeApplication, -1, theApp.AppendJSON(nil)),
		coap.TimeRequest(4, 3),
		coap.SubscribeMessage(coap.Confirmable, 5, coap.Subscription{Prefix: "particle", MyDevices: true}),
		coap.SubscribeMessage(coap.Confirmable, 6, coap.Subscription{Prefix: "spark", MyDevices: true}),
		coap.SubscribeMessage(coap.Confirmable, 7, coap.Subscription{Prefix: "mine/", MyDevices: true}),
	} {
		m.ID = uint16(i + 1)
		b, err := m.Append(nil)
		if err != nil {
			panic(err)
		}
		all = append(all, b)
	}
	return all
}

// BenchmarkIdleSession reports what a Session takes that has said all of its first burst and 64 events.
func BenchmarkIdleSession(b *testing.B) {
	now := time.Now()
	burst := recordedBurst()
	size := liveSize(10000, func(int) *Session {
		s := New(now, Config{Device: theID, Name: "den-lamp", IP: "192.0.2.7"})
		for _, m := range burst {
			if err := s.Receive(now, bytes.Clone(m)); err != nil {
				b.Fatal(err)
			}
			s.Outbox()
			s.Effects()
		}
		for id := range uint16(seenIDs) {
			m, _ := eventFrom(100+id, coap.NonConfirmable, "temp", "21").Append(nil)
			if err := s.Receive(now, m); err != nil {
				b.Fatal(err)
			}
			s.Effects()
		}
		return s
	})
	for b.Loop() {
	}
	b.ReportMetric(size, "B/session")
	b.ReportMetric(0, "ns/op")
}

// silent is a Link whose device has said its burst and now says nothing.
type silent struct {
	id       keys.DeviceID
	messages [][]byte
	idle     chan<- struct{} // closed when all of it is read
	quit     <-chan struct{}
}

func (l *silent) Read() ([]byte, error) {
	if len(l.messages) > 0 {
		m := l.messages[0]
		l.messages = l.messages[1:]
		return m, nil
	}
	close(l.idle)
	<-l.quit
	return nil, net.ErrClosed
}
func (l *silent) Write([]byte) error               { return nil }
func (l *silent) SetReadDeadline(time.Time) error  { return nil }
func (l *silent) SetWriteDeadline(time.Time) error { return nil }
func (l *silent) Rest()                            {}
func (l *silent) Close() error                     { return nil }
func (l *silent) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5683} }
func (l *silent) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 49152} }
func (l *silent) DeviceID() keys.DeviceID          { return l.id }

// BenchmarkIdleDevice reports what a connected device takes besides its link: Session, queues, goroutine, its
// place at the Hub and its record.
func BenchmarkIdleDevice(b *testing.B) {
	db := store.OpenMemory(store.Options{})
	defer db.Close()
	logger := slog.New(slog.DiscardHandler)
	hub := cloud.NewHub(db.Registry(), db.Events(), logger)
	burst := recordedBurst()
	quit := make(chan struct{})
	ended := make(chan struct{})
	const n = 5000
	size := liveSize(n, func(i int) *Device {
		id := keys.DeviceID{1}
		binary.BigEndian.PutUint32(id[8:], uint32(i))
		if _, err := db.Registry().UpdateDevice(id, func(d *cloud.Device, _ bool) error { d.Owner = "owner"; return nil }); err != nil {
			b.Fatal(err)
		}
		idle := make(chan struct{})
		d := NewDevice(&silent{id: id, messages: burst, idle: idle, quit: quit}, hub, db.Registry(), logger)
		go func() { d.Run(b.Context()); ended <- struct{}{} }()
		<-idle
		return d
	})
	for b.Loop() {
	}
	b.ReportMetric(size, "B/device")
	b.ReportMetric(0, "ns/op")
	close(quit)
	for range n {
		<-ended
	}
}
