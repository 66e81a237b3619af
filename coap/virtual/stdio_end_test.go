package virtual

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"localcloud/coap"
)

func TestEndOfInput(t *testing.T) {
	t.Run("waits for what is to be sent", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.serve(New(w.config(OS331)))
			start := time.Now()
			fmt.Fprint(s.in, `{"op":"publish","name":"a"}`+"\n"+`{"op":"publish","name":"b","ack":true}`) // no newline
			s.in.Close()
			p := w.accept()
			if took := time.Since(start); took != 0 {
				t.Errorf("connects after %v", took)
			}
			p.get()
			p.hello()
			for range 7 {
				p.get()
			}
			p.want("NON POST e/a id=0009", "CON POST e/b id=000a")
			p.silent(10 * time.Second)
			p.send(coap.Ack(0x000a))
			p.want("NON POST x id=000b no-response payload=2:0102")
			if err := <-s.over; err != nil {
				t.Errorf("ServeStdio = %v", err)
			}
			s.want(outOnlineLine, `{"ev":"published","name":"b"}`, `{"ev":"offline"}`)
		})
	})
	t.Run("connects at least once", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.serve(New(w.config(OS331)))
			s.in.Close()
			w.greet()
			if err := <-s.over; err != nil {
				t.Errorf("ServeStdio = %v", err)
			}
			s.want(outOnlineLine, `{"ev":"offline"}`)
		})
	})
	t.Run("does not wait for ever", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.setDown(true)
			cfg := w.config(OS331)
			cfg.Reconnect = true
			s := w.serve(New(cfg))
			s.say(`{"op":"publish","name":"a"}`)
			start := time.Now()
			s.in.Close()
			err := <-s.over
			if err == nil || !strings.Contains(err.Error(), "1 events could not be sent") || time.Since(start) != drainLimit {
				t.Errorf("ServeStdio = %v after %v", err, time.Since(start))
			}
		})
	})
	t.Run("of a device that was told to disconnect", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, p, _ := scripted(t, OS331)
			s.say(`{"op":"disconnect"}`)
			p.closed()
			s.want(`{"ev":"offline"}`)
			s.say(`{"op":"publish","name":"a"}`)
			s.in.Close()
			if err := <-s.over; err != nil {
				t.Errorf("ServeStdio = %v", err)
			}
			s.want(`{"ev":"error","error":"virtual: offline","line":2}`)
		})
	})
}

func TestBrokenOutputEndsTheDevice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331)
		broken := errors.New("broken pipe")
		s.mu.Lock()
		s.broken = broken
		s.mu.Unlock()
		s.say(`nonsense`)
		if err := <-s.over; !errors.Is(err, broken) {
			t.Errorf("ServeStdio = %v", err)
		}
		p.closed()
	})
}

func TestDeviceThatCannotConnectEndsTheScript(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.setDown(true)
		s := w.serve(New(w.config(OS331))) // it does not reconnect
		if err := <-s.over; !errors.Is(err, errDown) {
			t.Errorf("ServeStdio = %v", err)
		}
		s.want(`{"ev":"error","error":"virtual: the server is down"}`)
	})
}

func TestStdioEndsWithItsContext(t *testing.T) {
	for _, online := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			d := New(w.config(OS331))
			r, in := io.Pipe()
			defer in.Close()
			ctx, cancel := context.WithCancelCause(context.Background())
			over := make(chan error, 1)
			go func() { over <- ServeStdio(ctx, d, r, io.Discard) }()
			if online {
				w.greet()
			}
			cause := errors.New("enough")
			cancel(cause)
			if err := <-over; err != cause {
				t.Errorf("online %v: ServeStdio = %v", online, err)
			}
			if d.Online() {
				t.Error("still online")
			}
		})
	}
}
