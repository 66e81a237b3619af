package virtual

import (
	"fmt"
	"testing"
	"time"

	"localcloud/coap"
)

func TestCallIsWrittenBeforeItIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331, `{"op":"function","name":"f","ret":1}`, `{"op":"function","name":"late","ret":2,"delay_ms":3000}`)
		s.mu.Lock()
		s.block = make(chan struct{})
		s.mu.Unlock()
		p.send(coap.FunctionMessage(0x7100, 1, "f", "x"))
		p.want("ACK empty id=7100")
		p.silent(time.Second) // the script does not read
		close(s.block)
		p.want("NON 2.04 id=0009 tok=01 payload=4:00000001")
		s.want(`{"ev":"call","name":"f","arg":"x"}`)

		start := time.Now()
		p.send(coap.FunctionMessage(0x7101, 2, "late", "y"))
		p.want("ACK empty id=7101")
		s.want(`{"ev":"call","name":"late","arg":"y"}`)
		p.want("NON 2.04 id=000a tok=02 payload=4:00000002")
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("answered after %v", took)
		}
		// Its return value can be changed.
		s.say(`{"op":"function","name":"f","ret":9}`)
		p.send(coap.FunctionMessage(0x7102, 3, "f", "x"))
		p.want("ACK empty id=7102", "NON 2.04 id=000b tok=03 payload=4:00000009")
	})
}

func TestRefusedEventIsAnErrorOfItsLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331)
		s.say(``, `{"op":"publish","name":"x","ack":true}`)
		p.sendHex("608f 0009") // 4.15
		s.want(`{"ev":"error","error":"publish \"x\": coap: answered 4.15","line":2}`)
	})
}

func TestEventsWaitForTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.setDown(true)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		s := w.serve(New(cfg))
		for n := range maxPending + 1 {
			s.say(fmt.Sprintf(`{"op":"publish","name":"n","data":"%d"}`, n))
		}
		s.want(fmt.Sprintf(`{"ev":"error","error":"100 events wait for the device to come online","line":%d}`, maxPending+1))
		time.Sleep(time.Minute)
		w.setDown(false)
		p := w.accept()
		p.get()
		p.hello()
		for range 7 {
			p.get()
		}
		for n := range maxPending {
			p.want(fmt.Sprintf(`NON POST e/n id=%04x payload="%d"`, 9+n, n))
		}
		s.want(outOnlineLine)

		// Offline again they wait again.
		p.link.Close()
		s.want(`{"ev":"offline"}`)
		s.say(`{"op":"publish","name":"later"}`)
		p = w.accept()
		p.get()
		p.hello()
		for range 7 {
			p.get()
		}
		p.want("NON POST e/later id=0009")
	})
}

// The connection may end between the look and the deed.
func TestEventThatFindsTheDeviceOfflineWaits(t *testing.T) {
	s := &stdio{dev: New(Config{}), pending: []pendingEvent{{event: Event{Name: "second"}}}}
	s.publish(t.Context(), pendingEvent{event: Event{Name: "first"}})
	if len(s.pending) != 2 || s.pending[0].event.Name != "first" {
		t.Errorf("waiting: %+v", s.pending)
	}
}

func TestAcknowledgedEventsThatAreTooMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331)
		for range maxAcks + 1 {
			s.say(`{"op":"publish","name":"x","ack":true}`)
		}
		s.want(fmt.Sprintf(`{"ev":"error","error":"%v","line":%d}`, ErrBusy, maxAcks+1))
		p.send(coap.Ack(p.get().ID))
		s.want(`{"ev":"published","name":"x"}`)
		s.say(`{"op":"publish","name":"y","ack":true}`)
		s.want()
	})
}
