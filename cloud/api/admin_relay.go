package api

import (
	"bytes"
	"io"
	"net/http"
)

// SetRelay hands over the relay's part of the API, whose paths begin with
// /v1/localcloud/relay. It is called before the first request; without it there is no relay.
func (s *Server) SetRelay(h http.Handler) { s.relay = h }

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
	s.relay.ServeHTTP(q.w, r)
	return streamed{}, nil
}
