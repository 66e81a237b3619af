package session

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"runtime"
	"testing"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/coap"
	"localcloud/keys"
)

// What a device over UDP takes while it is only connected, without its channel (see BenchmarkTenThousandSessions of dtls for
// that): its row in the registry before it comes, and what its Peer, its place in the Hub and a longer row add to that.
func BenchmarkIdlePeer(b *testing.B) {
	db := store.OpenMemory(store.Options{})
	defer db.Close()
	logger := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))
	hub := cloud.NewHub(db.Registry(), db.Events(), logger)
	ps := NewPeers(PeersConfig{Hub: hub, Registry: db.Registry(), Logger: logger})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ps.Run(ctx) }()
	const n = 2000
	key := newECKey(b)
	app := coap.Describe{HasApplication: true, Functions: []string{"led"}, Variables: map[string]coap.VariableType{"temp": coap.Double}}
	for round := 0; b.Loop(); round++ {
		registering := heapNow()
		wires := make([]*quietWire, n)
		for i := range wires {
			id := benchID(round, i)
			if _, err := cloud.Adopt(db.Registry(), id, key, "", ""); err != nil {
				b.Fatal(err)
			}
			wires[i] = &quietWire{wire: wire{t: b, key: key}, hello: make(chan struct{}, 1)}
		}
		connecting := heapNow()
		for i, w := range wires {
			id := benchID(round, i)
			w.peer = ps.Open(w)
			h := helloArgon33
			h.DeviceID, h.Flags = id[:], h.Flags&^coap.FlagDescribePush // its first conversation ends with the time
			say := func(m coap.Message) {
				raw, err := m.Append(nil)
				if err != nil {
					b.Fatal(err)
				}
				w.peer.Receive(raw)
			}
			say(coap.HelloMessage(coap.Confirmable, 1, h.Append(nil)))
			<-w.hello
			say(coap.DescribePost(2, nil, coap.DescribeApplication, -1, app.AppendJSON(nil)))
			say(coap.DescribePost(3, nil, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)))
			say(coap.SubscribeMessage(coap.Confirmable, 4, coap.Subscription{Prefix: "spark", MyDevices: true}))
			say(coap.TimeRequest(5, 1))
		}
		for hub.Totals().Online < n*(round+1) {
			runtime.Gosched()
		}
		online := heapNow()
		b.ReportMetric(float64(connecting-registering)/n, "B/row")
		b.ReportMetric(float64(online-connecting)/n, "B/device")
		b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
		runtime.KeepAlive(wires)
	}
	cancel()
	<-ended
}

func benchID(round, i int) keys.DeviceID {
	id := keys.DeviceID{0xe2, byte(round), byte(round >> 8)}
	binary.BigEndian.PutUint32(id[8:], uint32(i))
	return id
}

// quietWire keeps nothing of what it carries.
type quietWire struct {
	wire
	hello chan struct{}
}

func (w *quietWire) Write([]byte) error {
	select {
	case w.hello <- struct{}{}:
	default:
	}
	return nil
}

func heapNow() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
