package api

import (
	"context"
	"sync"
	"time"
)

// streams counts the open event streams and ends them all at once.
type streams struct {
	closing chan struct{} // closed when all have to end

	mu   sync.Mutex
	open int
	idle chan struct{} // closed when the last one has ended; nil until somebody waits
}

func newStreams() streams { return streams{closing: make(chan struct{})} }

// enter counts one more; false means that none may begin any more.
func (s *streams) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosing() {
		return false
	}
	s.open++
	return true
}

func (s *streams) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.open == 0 && s.idle != nil {
		close(s.idle)
	}
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *streams) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// close ends all and waits until they have, or for the given time.
func (s *streams) close(patience time.Duration) {
	s.mu.Lock()
	if s.isClosing() {
		s.mu.Unlock()
		return
	}
	close(s.closing)
	idle := make(chan struct{})
	s.idle = idle
	if s.open == 0 {
		close(idle)
	}
	s.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// enterStream counts one more stream, here and of the client's address, until leave. The context ends with the request, and
// when the token that asked for the stream is over.
func (s *Server) enterStream(q *request) (ctx context.Context, leave func(), err error) {
	if !s.streams.enter() {
		return nil, nil, errClosing
	}
	closed, err := s.openStream(q.Request)
	if err != nil {
		s.streams.leave()
		return nil, nil, err
	}
	ctx, release := s.Accounts.Hold(q.Context(), q.access.Token)
	return ctx, func() { release(); closed(); s.streams.leave() }, nil
}
