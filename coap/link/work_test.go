package link

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// load fills the queue with n pieces of work of that cost, and returns a function that lets them all be done.
func load(t *testing.T, w *work, n int, cost time.Duration) {
	t.Helper()
	w.mu.Lock()
	w.cost = cost
	w.mu.Unlock()
	for range n {
		go func() {
			leave, err := w.enter(t.Context())
			if err != nil {
				return
			}
			time.Sleep(cost)
			leave()
		}()
	}
	synctest.Wait()
}

func TestWorkIsDoneInOrderAndByAsManyAsThereAreProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWork()
		processors := cap(w.places)
		var order []int
		running, most := 0, 0
		for i := range 4 * processors {
			go func() {
				leave, err := w.enter(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				w.mu.Lock()
				order = append(order, i)
				running++
				most = max(most, running)
				w.mu.Unlock()
				time.Sleep(time.Millisecond)
				w.mu.Lock()
				running--
				w.mu.Unlock()
				leave()
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i, got := range order {
			if got/processors != i/processors { // those that start at the same moment have no order
				t.Fatalf("place %d went to %d: %v", i, got, order)
			}
		}
		if len(order) != 4*processors || most != processors {
			t.Errorf("%d of %d done, %d at once on %d processors", len(order), 4*processors, most, processors)
		}
	})
}

func TestNewConnectionsWaitWhileTheQueueIsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWork()
		if err := w.calm(t.Context()); err != nil {
			t.Fatal("an empty queue is not calm:", err)
		}
		const cost = 100 * time.Millisecond
		load(t, w, 60*cap(w.places), cost) // six seconds of work
		began := time.Now()
		if err := w.calm(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 1900*time.Millisecond || waited > 2200*time.Millisecond {
			t.Errorf("calm after %v, want when four of six seconds are left", waited)
		}
		time.Sleep(10 * time.Second)
	})
}

func TestABlockThatWouldWaitTooLongIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWork()
		const cost = 100 * time.Millisecond
		load(t, w, 79*cap(w.places), cost)
		if leave, err := w.enter(t.Context()); err != nil {
			t.Error("refused with 7.9 s of work before it:", err)
		} else {
			leave()
		}
		load(t, w, 300*cap(w.places), cost)
		began := time.Now()
		if _, err := w.enter(t.Context()); !errors.Is(err, errBusy) || time.Since(began) != 0 {
			t.Errorf("with more than 8 s of work before it: %v after %v", err, time.Since(began))
		}
		time.Sleep(time.Minute)
	})
}

func TestWhoWaitsForWorkLeavesWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWork()
		load(t, w, cap(w.places), time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := w.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.waiting != 0 {
			t.Errorf("%d still counted as waiting", w.waiting)
		}
	})
}
