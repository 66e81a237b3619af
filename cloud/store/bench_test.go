package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

// BenchmarkAppend measures synced appends with so many events in flight.
func BenchmarkAppend(b *testing.B) {
	for _, inFlight := range []int{1, 16, 128, 512} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{EventsQueue: inFlight})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			l := s.Events()
			answered := make(chan error, b.N)
			b.ResetTimer()
			for i := range b.N {
				if err := l.Admit(context.Background()); err != nil {
					b.Fatal(err)
				}
				l.Append(sampleEvent(cloud.EventID(i+1)), func(err error) { answered <- err })
			}
			for range b.N {
				if err := <-answered; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	s, err := Open(b.TempDir(), Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const n = 50_000
	answered := make(chan error, n)
	for i := range n {
		if err := s.Events().Admit(context.Background()); err != nil {
			b.Fatal(err)
		}
		s.Events().Append(sampleEvent(cloud.EventID(i+1)), func(err error) { answered <- err })
	}
	for range n {
		<-answered
	}
	b.ReportAllocs()
	b.ResetTimer()
	read := 0
	for range b.N {
		read = 0
		if err := s.Events().Read(context.Background(), 0, func(*cloud.Event) bool { read++; return true }); err != nil {
			b.Fatal(err)
		}
	}
	if read != n {
		b.Fatalf("read %d events, want %d", read, n)
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkUpdateDevice measures synced updates of as many devices at the same time.
func BenchmarkUpdateDevice(b *testing.B) {
	for _, callers := range []int{1, 128, 5000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var next atomic.Uint32
			b.SetParallelism(max(1, callers/2)) // times GOMAXPROCS, 2 where this was measured
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				n := next.Add(1)
				id := keys.DeviceID{0xe0, byte(n >> 8), byte(n)}
				for pb.Next() {
					_, err := s.Registry().UpdateDevice(id, func(d *cloud.Device, _ bool) error {
						d.LastAddress, d.Functions = "192.168.1.20:4711", []string{"led", "reset"}
						return nil
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

func sampleEvent(id cloud.EventID) *cloud.Event {
	return &cloud.Event{
		ID: id, Name: "temperature", Data: []byte(`{"celsius":21.5,"humidity":40}`), TTL: 60, PublishedAt: id.Time(),
		Device: keys.DeviceID{0xe0, 0x0f, 0xce, 0x68, 1}, Owner: "5f3c1a2b3c4d5e6f70819203", Private: true, Format: cloud.TextFormat,
	}
}
