package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Bounds of a stop. Together they are less than the 10 s after which people and service managers kill.
const (
	devicesTime  = 3500 * time.Millisecond // devices go offline, which writes to each and to the log
	requestsTime = 3 * time.Second         // requests under way end
	storeTime    = 2 * time.Second         // the store closes; what was acknowledged is on disk before
	// Event streams end, then idle connections. The next localcloud can begin only after both.
	streamsTime     = 600 * time.Millisecond
	connectionsTime = 300 * time.Millisecond
)

// stop ends everything, in an order that clients notice least:
//
//  1. Nobody new comes in: Accept ends, requests on open connections get 503.
//  2. The relay's streams and viewers end; both come back by themselves. The devices' connections are closed. Each goes offline, which is an event:
//     it is committed, and delivered to the streams, which are all still open.
//  3. Ordinary requests finish, and those to webhooks. A call to a device that has just gone is answered as offline.
//  4. Nothing can change any more: control.json goes, then the store is closed and its lock
//     is free. It comes before the streams because it is the slow part, and
//     old clients (particle-api-js 5 and 6) try to reconnect just once, 2 s after
//     their stream ended: what comes after step 5 has to be short.
//  5. The sockets close, so that who comes now is refused at once instead of
//     waiting, and the streams end. The next localcloud can have ports and data.
//
// Each step is bounded; when one takes too long the next begins all the same.
func (s *server) stop() error {
	s.gate.close()
	s.httpSocket.Close()
	if s.httpsSocket != nil {
		s.httpsSocket.Close()
	}

	s.endRelay()
	s.photon.end()
	s.selfTest.Stop()
	s.devices() // ends its Accept too
	err := within(devicesTime, "devices going offline", func() error {
		<-s.devicesEnd
		<-s.relayEnded
		return nil
	})

	s.hooks()
	err = errors.Join(err, within(requestsTime, "requests under way", func() error {
		<-s.hooksEnded
		return s.gate.wait()
	}))

	removed := os.Remove(controlPath(s.dir))
	if errors.Is(removed, fs.ErrNotExist) {
		removed = nil
	}
	err = errors.Join(err, removed, within(storeTime, "closing the store", s.parts.close))

	s.closeSockets()
	within(streamsTime, "", func() error { s.parts.api.CloseStreams(); return nil }) // a slow client is its own fault
	ctx, cancel := context.WithTimeout(context.Background(), connectionsTime)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	return errors.Join(err, within(connectionsTime, "HTTP", func() error { <-s.httpEnded; return nil }))
}

func (s *server) closeSockets() {
	for _, socket := range []*lateListener{s.httpSocket, s.httpsSocket, s.tcpSocket, s.relaySocket} {
		if socket != nil {
			socket.release()
		}
	}
}

// within runs f and returns its error, but does not wait for it longer than bound.
func within(bound time.Duration, what string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("stop: %s took longer than %v", what, bound)
	}
}
