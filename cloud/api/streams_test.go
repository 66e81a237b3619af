package api

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseStreams(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		quiet, waiting := w.follow("/v1/devices/events", w.alice), w.open("/v1/devices/events", w.alice).started()
		for i := range 3 {
			w.publish("alice", fmt.Sprint("x", i), "")
		}
		ended := make(chan struct{})
		go func() { defer close(ended); w.server.CloseStreams() }()
		if err := quiet.ends(); err != io.EOF {
			t.Errorf("ended with %v, want a clean end", err)
		}
		for i := range 3 { // what waits is not lost
			if got := waiting.chunk(); !strings.Contains(got, fmt.Sprintf("event: x%d\n", i)) {
				t.Errorf("got %q, want x%d", got, i)
			}
		}
		if got := waiting.write(); got != "0\r\n\r\n" {
			t.Errorf("then came %q, want the end of the body", got)
		}
		<-ended
		w.do("GET /v1/devices/events", as(w.alice)).fails(503, errClosing.code, errClosing.text)
		if a := w.do("GET /v1/devices/events", as(w.alice)); a.header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		w.do("GET /v1/devices", as(w.alice)).list() // the rest goes on
		w.server.CloseStreams()                     // once more does nothing
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
		if err := w.http.Shutdown(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("shut down with %v after %v", err, time.Since(start)) // it looks every few milliseconds
		}
	})
}

func TestCloseStreamsDoesNotWaitForAStalledClient(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.open("/v1/devices/events", w.alice).started()
		w.publish("alice", "x", "") // it does not take that
		synctest.Wait()
		start := time.Now()
		w.server.CloseStreams()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLastEventsHaveToBeTakenInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := w.open("/v1/devices/events", w.alice).started()
		for i := range 3 {
			w.publish("alice", fmt.Sprint("x", i), "")
		}
		synctest.Wait()
		go w.server.CloseStreams()
		synctest.Wait()
		r.chunk()
		wait(2 * time.Second) // it takes no more
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 0 {
			t.Errorf("%d streams are open still", n)
		}
	})
}

func TestCloseStreamsDoesNotWaitForTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{delay: time.Hour})
		s := w.follow("/v1/devices/events/x?last_event_id=0", w.alice)
		start := time.Now()
		w.server.CloseStreams()
		if err := s.ends(); err != io.EOF || time.Since(start) != 2*time.Second {
			t.Errorf("ended with %v after %v, want a clean end", err, time.Since(start))
		}
	})
}

func TestCloseStreamsWithoutStreams(t *testing.T) {
	w := newWorld(t)
	w.server.CloseStreams()
	w.do("GET /v1/events", as(w.alice)).fails(503, errClosing.code, errClosing.text)
}
