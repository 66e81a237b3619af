package api

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"localcloud/cloud"
	"localcloud/keys"
)

// Relay is the relay beside the API, as far as the API knows it. *relay.Relay implements it.
type Relay interface {
	// Admin serves the relay's part of the API, whose paths begin with
	// /v1/localcloud/relay, for callers that are administrators.
	Admin() http.Handler
	// Reader serves /v1/localcloud/relay/lines, which streams until the request's context
	// ends, and /v1/localcloud/relay/overview to somebody who sees these devices and no others.
	Reader(sees func(device string) bool) http.Handler
	// CalledByOther hears that a client called the function "devices" of a device, which is the relay's own way to reach it.
	CalledByOther(device, argument string)
}

// SetRelay makes the relay known. It is called before the first request; without it there is none.
func (s *Server) SetRelay(r Relay) { s.relay = r }

// relayFunction is the function by which servers for live data reach a device (relay.md, 2.2).
const relayFunction = "devices"

// tellRelay lets the relay know that a client calls a device in its stead.
func (s *Server) tellRelay(d cloud.Device, function, argument string) {
	if s.relay != nil && function == relayFunction {
		s.relay.CalledByOther(d.ID.String(), argument)
	}
}

var errNoRelay = plain(404, "The relay is off: localcloud serve --relay ADDRESS")

// askRelay lets the relay answer, once it is clear that an administrator asks.
func (s *Server) askRelay(q *request) (any, error) {
	if s.relay == nil {
		return nil, errNoRelay
	}
	body, err := encodeJSON(q.args.body)
	if err != nil {
		return nil, err
	}
	r := q.Clone(q.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	s.relay.Admin().ServeHTTP(q.w, r)
	return streamed{}, nil
}

// showRelay answers with the channels that the user sees.
func (s *Server) showRelay(q *request) (any, error) {
	if s.relay == nil {
		return nil, errNoRelay
	}
	s.relay.Reader(s.seenBy(q.access)).ServeHTTP(q.w, q.Request)
	return streamed{}, nil
}

// streamRelay streams the lines of the channels that the user sees, as long as their token lives.
// Pages of the console read here, since their policy lets them ask this port alone.
func (s *Server) streamRelay(q *request) (any, error) {
	if s.relay == nil {
		return nil, errNoRelay
	}
	ctx, leave, err := s.enterStream(q)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() {
		select {
		case <-s.streams.closing:
			end()
		case <-ctx.Done():
		}
	}()
	s.relay.Reader(s.seenBy(q.access)).ServeHTTP(q.w, q.WithContext(ctx))
	return streamed{}, nil
}

// seenBy says, for as long as access holds, whether it sees a device.
func (s *Server) seenBy(access cloud.Access) func(device string) bool {
	return func(device string) bool {
		id, err := keys.ParseDeviceID(device)
		if err != nil {
			return false
		}
		d, ok := s.Registry.Device(id)
		return ok && access.Sees(d)
	}
}
