package main_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"localcloud/cloud"
)

// What kill -9 at any moment costs: nothing that was acknowledged.

// killRounds kills the program so often, each time at a random moment while boards publish so many events.
func killRounds(t *testing.T, program string, rounds, events int) {
	h := newHome(t, program)
	random := rand.New(rand.NewPCG(2026, uint64(rounds)))
	s := h.serve(t, h.data)
	boards := newBoards(t, s, 4)
	known := map[string]cloud.EventID{} // what the log held: board and number
	for round := range rounds {
		if round%4 == 3 { // a kill at the start as well
			s.kill(t)
			early := start(t, exec.Command(h.program, append([]string{"serve", "--data", h.data}, anyPort...)...))
			<-time.After(time.Duration(random.IntN(300)) * time.Millisecond)
			early.kill(t)
			s = h.serve(t, h.data)
		}
		publishAndKill(t, h, s, boards, 1+random.IntN(events))
		s = h.serve(t, h.data)
		compare(t, round, s.replay(t), boards, known)
	}
	t.Logf("%d kills, %d events in the log", rounds+rounds/4*2, len(known))
	if len(known) < rounds*50 {
		t.Errorf("only %d events: the test tests little", len(known))
	}
}

// publishAndKill kills the program when it has acknowledged so many events and others are on their way.
func publishAndKill(t *testing.T, h *home, s *served, boards []*board, after int) {
	t.Helper()
	var count atomic.Int64
	enough := make(chan struct{})
	acked := func() {
		if count.Add(1) == int64(after) {
			close(enough)
		}
	}
	var all sync.WaitGroup
	for _, b := range boards {
		all.Go(func() { b.run(t.Context(), s, h.serverKey, acked) })
	}
	select {
	case <-enough:
	case <-time.After(soon):
		t.Errorf("only %d of %d events were acknowledged", count.Load(), after)
	}
	s.kill(t)
	all.Wait()
}

// compare checks what the log holds after a kill, and adds it to what is known.
func compare(t *testing.T, round int, log []stored, boards []*board, known map[string]cloud.EventID) {
	t.Helper()
	var newest cloud.EventID
	for _, id := range known {
		newest = max(newest, id)
	}
	now := map[string]cloud.EventID{}
	for _, ev := range log {
		if ev.name != "crash" {
			continue
		}
		what := ev.coreID + " " + ev.data
		before, old := known[what]
		switch {
		case now[what] != 0:
			t.Errorf("round %d: %s is in the log twice, as %v and %v", round, what, now[what], ev.id)
		case old && before != ev.id:
			t.Errorf("round %d: %s was %v and is %v", round, what, before, ev.id)
		case !old && ev.id <= newest:
			t.Errorf("round %d: %s is new, has the id %v, and %v was there before", round, what, ev.id, newest)
		}
		now[what] = ev.id
	}
	for what := range known {
		if now[what] == 0 {
			t.Errorf("round %d: %s was in the log and is gone", round, what)
		}
	}
	for _, b := range boards {
		b.acked.Range(func(n, _ any) bool {
			if what := fmt.Sprint(b.id, " ", n); now[what] == 0 {
				t.Errorf("round %d: %s was acknowledged and is lost", round, what)
			}
			return true
		})
	}
	if t.Failed() {
		t.FailNow()
	}
	maps.Copy(known, now)
}
