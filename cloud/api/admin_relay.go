package api

import (
	"bytes"
	"io"
	"net/http"

	"localcloud/cloud"
)

// Relay is the relay beside the API, as far as the API knows it. *relay.Relay implements it.
type Relay interface {
	// Admin serves the relay's part of the API, whose paths begin with
	// /v1/localcloud/relay, for callers that are administrators.
	Admin() http.Handler
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
