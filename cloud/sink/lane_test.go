package sink

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestFailedDeliveryIsTriedAgain(t *testing.T) {
	tests := []struct {
		name    string
		answers []answer
		gaps    []time.Duration // at least; at most a fifth more
		result  cloud.HookResult
	}{
		{"no answer, then one", []answer{{}, {status: 200}}, []time.Duration{2 * time.Second}, cloud.HookDelivered},
		{"500 for ever", []answer{{status: 500}}, []time.Duration{2 * time.Second, 10 * time.Second, time.Minute}, cloud.HookFailed},
		{"502, 408, 425, 200", []answer{{status: 502}, {status: 408}, {status: 425}, {status: 200}}, []time.Duration{2 * time.Second, 10 * time.Second, time.Minute}, cloud.HookDelivered},
		{"it hangs, then answers", []answer{{status: 200, takes: time.Hour}, {status: 200}}, []time.Duration{22 * time.Second}, cloud.HookDelivered},
		{"the target says when", []answer{{status: 429, header: http.Header{"Retry-After": {"30"}}}, {status: 200}}, []time.Duration{30 * time.Second}, cloud.HookDelivered},
		{"the target says next year", []answer{{status: 503, header: http.Header{"Retry-After": {"99999999"}}}, {status: 200}}, []time.Duration{5 * time.Minute}, cloud.HookDelivered},
		{"the hook is wrong", []answer{{status: 404}}, nil, cloud.HookFailed},
		{"the target cannot", []answer{{status: 501}}, nil, cloud.HookFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &answers{list: tt.answers}
				w := newWorld(t, transport)
				id := w.hook("http://target.example/")
				w.publish(lamp, "e", "x")
				time.Sleep(time.Hour)
				gaps := transport.gaps()
				fits := func(got, want time.Duration) bool { return got >= want && got <= want+want/5 }
				if !slices.EqualFunc(gaps, tt.gaps, fits) {
					t.Errorf("the tries are %v apart, want %v", gaps, tt.gaps)
				}
				r := w.sink.Record(id)
				if r.Latest[0].Result != tt.result || r.Latest[0].Attempt != len(tt.gaps)+1 || r.Counts.Waiting != 0 {
					t.Errorf("the record is %+v", r)
				}
				dead := 0
				if tt.result == cloud.HookFailed {
					dead = 1
				}
				if len(r.Dead) != dead || int(r.Counts.Dead) != dead {
					t.Errorf("dead letters are %+v", r.Dead)
				}
				errors := 0
				for _, name := range w.heard.names() {
					if strings.HasPrefix(name, "hook-error/") {
						errors++
					}
				}
				if want := min(1, len(r.Latest)-1+dead); errors != want {
					t.Errorf("the error is said %d times, want %d: %v", errors, want, w.heard.names())
				}
			})
		})
	}
}

func TestHookSleepsAfterManyErrorsAndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &answers{list: []answer{{status: 400}}}
		w := newWorld(t, transport)
		id := w.hook("http://target.example/")
		for range maxInARow {
			w.publish(lamp, "e", "x")
			synctest.Wait()
		}
		if r := w.sink.Record(id); !r.Counts.Asleep || transport.count() != maxInARow {
			t.Fatalf("after %d errors: %+v", transport.count(), r.Counts)
		}
		for range 5 {
			w.publish(lamp, "e", "y")
			synctest.Wait()
		}
		if got := transport.count(); got != maxInARow {
			t.Errorf("while it sleeps: %d requests", got-maxInARow)
		}
		if got := string(w.heard.want("hook-error/e/0").Data); got != "Sleeping, too many errors, please wait and try again" {
			t.Errorf("it says %q", got)
		}
		if r := w.sink.Record(id); r.Counts.Skipped != 5 || r.Counts.Waiting != 5 || r.Latest[0].Result != cloud.HookSkipped {
			t.Errorf("while it sleeps: %+v", r.Counts)
		}
		if got := w.sink.Queues(); got != (Queues{Waiting: 5, Asleep: 1}) {
			t.Errorf("while it sleeps, of all: %+v", got)
		}
		time.Sleep(time.Hour) // they were put off twice, and met one try that failed
		r := w.sink.Record(id)
		if got := transport.count() - maxInARow; got == 0 || got > 5 || r.Counts.Waiting != 0 || int(r.Counts.Dead) != maxInARow+5 {
			t.Errorf("after an hour: %d requests, %+v", got, r.Counts)
		}

		transport.mu.Lock()
		transport.list = []answer{{status: 200, body: "awake"}}
		transport.mu.Unlock()
		w.publish(lamp, "e", "z")
		synctest.Wait()
		if r := w.sink.Record(id); r.Counts.Delivered != 1 || r.Counts.Asleep {
			t.Errorf("after it wakes: %+v", r.Counts)
		}
	})
}

func TestHookMakesAFewRequestsAtOnceAndTheRestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &counting{takes: time.Second}
		w := newWorld(t, transport)
		id := w.hook("http://target.example/")
		for range 40 {
			w.publish(lamp, "e", "x")
		}
		synctest.Wait()
		if got := transport.now.Load(); got != perHook {
			t.Errorf("%d requests at once, want %d", got, perHook)
		}
		if r := w.sink.Record(id); r.Counts.Waiting != 40-perHook {
			t.Errorf("%d wait", r.Counts.Waiting)
		}
		if got := w.sink.Queues(); got != (Queues{Waiting: 40 - perHook, Running: perHook}) {
			t.Errorf("of all %+v", got)
		}
		time.Sleep(time.Minute)
		if r := w.sink.Record(id); r.Counts.Delivered != 40 || transport.most.Load() != perHook {
			t.Errorf("%d at most, %+v", transport.most.Load(), r.Counts)
		}
	})
}

func TestHookThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &counting{takes: time.Hour}
		w := newWorld(t, byHost{"slow.example": hangs, "fast.example": &answers{list: []answer{{status: 200}}}})
		slow, fast := w.hook("http://slow.example/"), w.hook("http://fast.example/")
		const n = laneSize + perHook + 50
		for range n {
			w.publish(lamp, "e", "x")
			synctest.Wait()
		}
		if r := w.sink.Record(fast); r.Counts.Delivered != n {
			t.Errorf("the other hook: %+v", r.Counts)
		}
		r := w.sink.Record(slow)
		if r.Counts.Waiting != laneSize || r.Counts.Dead != 50 || r.Dead[0].Result != cloud.HookDropped {
			t.Errorf("the one that hangs: %+v", r.Counts)
		}
		if len(r.Dead) != keptDead || len(r.Latest) != keptLatest {
			t.Errorf("%d dead letters and %d deliveries are kept", len(r.Dead), len(r.Latest))
		}
	})
}

func TestRemovedHookIsNotFiredAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &answers{list: []answer{{status: 500}}}
		w := newWorld(t, transport)
		id := w.hook("http://target.example/")
		w.publish(lamp, "e", "x")
		synctest.Wait()
		if err := w.store.Registry().RemoveHook(id); err != nil {
			t.Fatal(err)
		}
		w.publish(lamp, "e", "x") // before the sink takes notice
		w.sink.Reload()
		time.Sleep(time.Hour)
		if got := transport.count(); got != 1 {
			t.Errorf("%d requests", got)
		}
		if _, err := w.sink.Test(t.Context(), id, "e", ""); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("a test of it: %v", err)
		}
	})
}

func TestStopEndsRequestsAndTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, byHost{"slow.example": &counting{takes: time.Hour}, "down.example": &answers{list: []answer{{}}}})
		slow := w.hook("http://slow.example/")
		w.hook("http://down.example/")
		for range 2 * perHook {
			w.publish(lamp, "e", "x")
		}
		synctest.Wait()
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > graceTime {
			t.Errorf("it took %v", took)
		}
		if r := w.sink.Record(slow); r.Latest[0].Result != cloud.HookRetried || r.Counts.Waiting != 0 || r.Counts.Dead != 0 {
			t.Errorf("the record is %+v", r)
		}
		w.publish(lamp, "e", "x") // nobody listens
	})
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "0": 0, "7": 7 * time.Second, "99999999999": 0, "4000": maxRetryAfter,
		"Sat, 21 Nov 2026 12:00:09 GMT": 9 * time.Second, "Sat, 21 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want && (text != "99999999999" || got != maxRetryAfter) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// counting is a transport that notes how many requests there are at once.
type counting struct {
	takes     time.Duration
	now, most atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	if n > c.most.Load() {
		c.most.Store(n)
	}
	return (&answers{list: []answer{{status: 200, takes: c.takes}}}).RoundTrip(req)
}

// byHost is several transports.
type byHost map[string]http.RoundTripper

// RoundTrip implements http.RoundTripper.
func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	return b[req.URL.Host].RoundTrip(req)
}
