package bench

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestHearingCountsForEachListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{epoch: time.Now()}
		r.nextPhase()
		h := r.newHearing(2, 2)
		wait(t.Context(), 5*time.Millisecond)
		send := func(ear, device int, number uint64) {
			h.ears[ear].take(stamp{phase: h.phase, device: device, number: number}.append([]byte("junk ")))
		}
		var fresh int
		h.arrived = func(stamp) { fresh++ }
		send(0, 0, 1)
		send(0, 0, 2)
		send(0, 1, 1)
		send(1, 0, 2) // the first one is lost
		send(1, 0, 2)
		send(1, 1, 1)
		h.ears[1].take(stamp{phase: h.phase - 1, number: 1}.append(nil)) // of the warm-up
		h.ears[1].take([]byte("somebody else's"))

		want := account{expected: 6, got: 5, lost: 1, twice: 1}
		if got := h.account([]uint64{2, 1}); got != want {
			t.Errorf("account = %+v, want %+v", got, want)
		}
		if fresh != 5 {
			t.Errorf("%d arrived for the first time, want 5", fresh)
		}
		if got := h.delay.at(0.5); got < 5 || got > 5.01 || h.delay.count() != 6 {
			t.Errorf("delay of %d = %v ms, want 6 of 5 ms", h.delay.count(), got)
		}
		began := time.Now()
		if got := h.drain(t.Context(), []uint64{2, 1}); got != want || time.Since(began) < drainTime {
			t.Errorf("drain = %+v after %v; what does not come has to be waited for", got, time.Since(began))
		}
		send(1, 0, 1)
		began = time.Now()
		if got := h.drain(t.Context(), []uint64{2, 1}); got.lost != 0 || got.disorder != 1 || time.Since(began) != 0 {
			t.Errorf("drain = %+v after %v; everything is there", got, time.Since(began))
		}
	})
}

func TestLatencyIsInMilliseconds(t *testing.T) {
	l := newLatency()
	for i := range 1000 {
		l.record(time.Duration(i+1) * time.Millisecond)
	}
	for part, want := range map[float64]float64{0.5: 500, 0.99: 990, 1: 1000} {
		if got := l.at(part); got < want*0.999 || got > want*1.001 {
			t.Errorf("at(%v) = %v ms, want %v", part, got, want)
		}
	}
	if got := l.above(990 * time.Millisecond); got != 10 {
		t.Errorf("%d above 990 ms, want 10", got)
	}
	l.record(time.Hour)
	l.record(-time.Second)
	if got := l.at(1); got < 59_990 || got > 60_100 {
		t.Errorf("an hour counts as %v ms, want 60 s", got)
	}
	if l.count() != 1002 {
		t.Errorf("%d recorded, want all", l.count())
	}
}

func TestLeadHoldsThePublisherBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLead(2)
		taken := make(chan uint64, 2*ahead)
		go func() {
			for n := uint64(1); l.take(t.Context(), n); n++ {
				taken <- n
			}
		}()
		synctest.Wait()
		if len(taken) != ahead {
			t.Fatalf("%d events ahead, want %d", len(taken), ahead)
		}
		l.arrived(1)
		synctest.Wait()
		if len(taken) != ahead {
			t.Fatal("it goes on though one listener lacks the first event")
		}
		l.arrived(1)
		synctest.Wait()
		if len(taken) != ahead+1 {
			t.Fatal("it does not go on though both have the first event")
		}
	})
}
