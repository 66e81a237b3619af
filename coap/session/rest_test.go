package session

import (
	"testing"
	"time"

	"localcloud/coap"
)

func TestAnIdleDeviceGivesItsMemoryBackAfterEachPing(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		time.Sleep(keepAliveWiFi)
		w.rested()
		for range 3 {
			time.Sleep(keepAliveWiFi)
			w.send(coap.Ping(w.nextID()))
			if w.rested() == 0 {
				t.Error("it did not rest after a ping")
			}
		}
	})
}

func TestABusyDeviceDoesNotRest(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		time.Sleep(keepAliveWiFi)
		w.send(coap.Ping(w.nextID()))
		w.rested()
		for range 10 {
			time.Sleep(restAfter / 2)
			w.send(coap.Ping(w.nextID()))
		}
		if n := w.rested(); n != 0 {
			t.Errorf("it rested %d times while it pinged every second", n)
		}
	})
}
