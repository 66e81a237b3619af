package virtual

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// A script's first lines are gathered before the device connects, so that its
	// functions and subscriptions are in the first describe.
	holdQuiet = 150 * time.Millisecond
	holdLimit = 500 * time.Millisecond

	maxPending = 100              // events that wait for the device to come online; more are refused
	maxAcks    = 64               // events that wait to be acknowledged; more are refused
	drainLimit = 30 * time.Second // how long pending events are tried after the end of the input
)

// ServeStdio lets a script be the device's application: it reads commands from
// in and writes what happens to out, one JSON object a line each way.
//
//	{"op":"function","name":"led","ret":0,"delay_ms":0}                 ret is what it returns
//	{"op":"variable","name":"temp","type":"int|double|bool|string","value":7}     again: another value
//	{"op":"subscribe","prefix":"news/","mine":true,"device":"<24 hex>"}
//	{"op":"unsubscribe"}                                                 from everything
//	{"op":"publish","name":"x","data":"y","ttl":60,"private":true,"ack":true}
//	{"op":"reboot"}   {"op":"disconnect"}   {"op":"connect"}
//
//	{"ev":"online","id":"<24 hex>"}   {"ev":"offline"}
//	{"ev":"call","name":"led","arg":"on"}         written before the function returns
//	{"ev":"event","name":"news/1","data":"..."}   data null: none; once for each subscription that matches
//	{"ev":"published","name":"x"}                 only with ack, when it has come
//	{"ev":"signal","on":true}
//	{"ev":"error","error":"...","line":3}         a line that was not understood or not done; it goes on
//
// Only name, prefix, type, value and op are needed; without data an event has
// none. Lines may have 64 KiB.
//
// It runs the device: it connects when in has been quiet for 150 ms, at the
// latest after 500 ms. What is registered later is told to the server at once.
// Events that are published offline wait, 100 of them, and go out when the
// device is online.
//
// At the end of in it sends what waits, says goodbye and returns nil. It returns
// early with the cause when ctx ends, when out cannot be written, or when the
// device cannot connect and does not reconnect. A Read of in that is under way
// then stays behind until in ends.
func ServeStdio(ctx context.Context, dev *Device, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &stdio{
		dev:    dev,
		output: newLineWriter(out, cancel),
		online: make(chan struct{}, 1),
		acked:  make(chan ackResult, maxAcks),
		values: make(map[string]*stdioValue),
		subs:   make(map[stdioSubscription]bool),
	}
	go s.output.work()
	s.listen(ctx)
	err := s.serve(ctx, readLines(ctx, in))
	if writeErr := s.output.close(ctx); err == nil {
		err = writeErr
	}
	return err
}

// stdio is a script's device. Its goroutine is that of ServeStdio; callbacks of
// the device only write lines.
type stdio struct {
	// fixed at creation
	dev    *Device
	output *lineWriter
	online chan struct{}  // the device came online
	acked  chan ackResult // as large as there can be acks under way

	// owned by ServeStdio's goroutine
	pending []pendingEvent
	acks    int  // under way
	met     bool // was online once
	away    bool // the script said disconnect
	values  map[string]*stdioValue
	subs    map[stdioSubscription]bool
}

type pendingEvent struct {
	event Event
	line  int
}

type ackResult struct {
	event pendingEvent
	err   error
}

// listen has the device's news written.
func (s *stdio) listen(ctx context.Context) {
	id := s.dev.ID().String()
	s.dev.OnOnline(func() {
		s.output.write(ctx, outOnline{Ev: "online", ID: id})
		signal(s.online)
	})
	s.dev.OnOffline(func(error) { s.output.write(ctx, outOffline{Ev: "offline"}) })
	s.dev.OnSignal(func(on bool) { s.output.write(ctx, outSignal{Ev: "signal", On: on}) })
}

func (s *stdio) serve(ctx context.Context, lines <-chan inputLine) error {
	ended, err := s.hold(ctx, lines)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan error, 1)
	go func() { over <- s.dev.Run(running) }()

	err = s.converse(ctx, lines, over, ended)
	if errors.Is(err, errRunEnded) {
		return <-over
	}
	if err == nil {
		s.dev.Disconnect()
	}
	stop()
	<-over
	return err
}

var errRunEnded = errors.New("virtual: the device has stopped")

// hold obeys lines until the script makes a pause. It reports whether the input
// has ended.
func (s *stdio) hold(ctx context.Context, lines <-chan inputLine) (ended bool, err error) {
	limit, quiet := time.NewTimer(holdLimit), time.NewTimer(holdQuiet)
	defer limit.Stop()
	defer quiet.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return true, nil
			}
			s.obey(ctx, line)
			quiet.Reset(holdQuiet)
		case <-quiet.C:
			return false, nil
		case <-limit.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// converse obeys lines until the input has ended and nothing is left to do.
func (s *stdio) converse(ctx context.Context, lines <-chan inputLine, over chan error, ended bool) error {
	var drained <-chan time.Time
	for {
		if ended {
			if lines = nil; drained == nil {
				timer := time.NewTimer(drainLimit)
				defer timer.Stop()
				drained = timer.C
			}
			if s.finished(ctx) {
				return nil
			}
		}
		select {
		case line, ok := <-lines:
			if !ok {
				ended = true
				continue
			}
			s.obey(ctx, line)
		case <-s.online:
			s.met = true
			s.flush(ctx)
		case result := <-s.acked:
			s.acks--
			s.report(ctx, result)
		case err := <-over:
			over <- err
			s.complain(ctx, 0, err)
			return errRunEnded
		case <-drained:
			return fmt.Errorf("virtual: the input has ended, %d events could not be sent", len(s.pending)+s.acks)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// finished reports whether nothing is left to do after the end of the input.
// A script that told the device to disconnect does not wait for events.
func (s *stdio) finished(ctx context.Context) bool {
	if s.away {
		for _, p := range s.pending {
			s.complain(ctx, p.line, ErrOffline)
		}
		s.pending = nil
		return s.acks == 0
	}
	return s.met && len(s.pending) == 0 && s.acks == 0
}

// flush sends the events that wait, in order, as long as the device is online.
func (s *stdio) flush(ctx context.Context) {
	for len(s.pending) > 0 && s.dev.Online() {
		next := s.pending[0]
		s.pending = s.pending[1:]
		s.publish(ctx, next)
	}
}

func (s *stdio) publish(ctx context.Context, p pendingEvent) {
	if p.event.WithAck && s.acks >= maxAcks {
		s.complain(ctx, p.line, ErrBusy)
		return
	}
	done, err := s.dev.publish(p.event)
	switch {
	case errors.Is(err, ErrOffline): // just now
		s.pending = append([]pendingEvent{p}, s.pending...)
	case err != nil:
		s.complain(ctx, p.line, err)
	case p.event.WithAck:
		s.acks++
		go func() { s.acked <- ackResult{p, <-done} }() // within 20 s; there is room
	default:
		if err := <-done; err != nil {
			s.complain(ctx, p.line, err)
		}
	}
}

func (s *stdio) report(ctx context.Context, r ackResult) {
	if r.err != nil {
		s.complain(ctx, r.event.line, fmt.Errorf("publish %q: %w", r.event.event.Name, r.err))
		return
	}
	s.output.write(ctx, outPublished{Ev: "published", Name: r.event.event.Name})
}

func (s *stdio) complain(ctx context.Context, line int, err error) {
	s.output.write(ctx, outError{Ev: "error", Error: err.Error(), Line: line})
}
