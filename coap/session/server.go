package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// maxHandshakes bounds connections that have not proved who they are. More
// wait in the listener's queue.
const maxHandshakes = 1024

// Server takes in devices: it accepts connections, lets Handshake prove who
// is there, and runs a Device for each.
type Server struct {
	Hub      *cloud.Hub
	Registry cloud.Registry
	Logger   *slog.Logger
	// Handshake makes a Link of a connection. It blocks, with bounds of its own.
	// When it fails it has recorded why.
	Handshake func(ctx context.Context, nc net.Conn) (Link, error)
	// Calm, when set, blocks before each Accept while there is more to do than can end in time.
	Calm func(ctx context.Context) error
	// Knock records a device that passed the handshake but never got online.
	Knock func(keys.Knock)
}

// Serve accepts devices until ctx ends; then it closes every connection, waits
// for all of them to go offline and returns nil. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	devices, disconnect := context.WithCancelCause(context.WithoutCancel(ctx))
	var online crowd
	leave := func() {
		disconnect(ErrStopping)
		online.close(ErrStopping)
	}
	defer leave()
	stop := context.AfterFunc(ctx, func() {
		leave()
		ln.Close()
	})
	defer stop()
	h := newHome(s.Hub, s.Registry, s.Logger)

	places := make(chan struct{}, maxHandshakes)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if s.Calm != nil && s.Calm(ctx) != nil && ctx.Err() != nil {
			return nil
		}
		nc, err := s.accept(ctx, ln)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept devices: %w", err)
		}
		all.Go(func() {
			l, err := s.Handshake(devices, nc)
			<-places
			if err != nil {
				nc.Close()
				return
			}
			// On a goroutine of its own, with a stack that the handshake has not made
			// large: it is most of what a device costs that is only connected.
			all.Go(func() { s.serve(devices, h.device(l), &online, all.Go) })
		})
	}
}

// accept waits out errors such as too many open files, however long they last.
func (s *Server) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		nc, err := ln.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return nc, err
		}
		s.Logger.Warn("no device can connect", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serve talks to a device until its connection ends, in this goroutine and then in others that it starts.
func (s *Server) serve(ctx context.Context, d *Device, among *crowd, start func(func())) {
	among.join(d)
	d.run(ctx, start, func(err error) {
		among.leave(d)
		s.ended(d, err)
	})
}

// ended says in the log why a connection ended, and on the list of knocks when the device never got online.
func (s *Server) ended(d *Device, err error) {
	if d.presence != nil {
		level := slog.LevelInfo
		if errors.Is(err, errProtocol) {
			level = slog.LevelWarn
		}
		d.log().Log(context.Background(), level, "device offline", "reason", err)
		return
	}
	key := d.record().Key
	k := keys.Knock{
		ID: d.link.DeviceID(), Key: key, Fingerprint: key.Fingerprint(),
		Address: d.link.RemoteAddr().String(), Transport: "tcp", Step: keys.StepHello, Reason: reasonOf(err),
	}
	what, next := k.Explain()
	d.log().Warn("device not let in", "address", k.Address, "reason", err, "what", what, "next", next)
	if s.Knock != nil {
		s.Knock(k)
	}
}

// reasonOf names why a device that passed the handshake did not get online.
func reasonOf(err error) keys.Reason {
	switch {
	case errors.Is(err, errLateHello):
		return keys.ReasonLateHello
	case errors.Is(err, ErrNoHello):
		return keys.ReasonTimeout
	case errors.Is(err, errFirst):
		return keys.ReasonNoHello
	case errors.Is(err, errFrame):
		return keys.ReasonGarbageFrame
	case errors.Is(err, errProtocol):
		return keys.ReasonMalformed
	case errors.Is(err, cloud.ErrReplaced):
		return keys.ReasonDuplicate
	case errors.Is(err, ErrStopping):
		return keys.ReasonInterrupted
	case cloud.KindOf(err) == cloud.NotExist:
		return keys.ReasonUnknownDevice
	}
	return keys.ReasonClosed
}
