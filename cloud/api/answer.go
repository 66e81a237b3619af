package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// What a handler can return beside a plain value, which is written as JSON with status 200.
type (
	created  struct{ body any } // JSON with status 201
	accepted struct{ body any } // JSON with status 202
	rawText  string             // text without quotes: format=raw
	pemText  []byte

	certificate []byte   // DER
	streamed    struct{} // the handler has written all itself
)

// done is the answer of requests that only change something: clients want a
// body, and the old ones want ok in it.
var done = map[string]bool{"ok": true}

func (s *Server) write(w http.ResponseWriter, answer any) {
	switch a := answer.(type) {
	case streamed:
	case created:
		s.writeJSON(w, http.StatusCreated, a.body)
	case accepted:
		s.writeJSON(w, http.StatusAccepted, a.body)
	case rawText:
		writeBody(w, http.StatusOK, "text/plain; charset=utf-8", []byte(a))
	case certificate:
		writeBody(w, http.StatusOK, "application/x-x509-ca-cert", a)
	case csvText:
		writeBody(w, http.StatusOK, "text/csv; charset=utf-8", a)
	case pemText:
		writeBody(w, http.StatusOK, "application/x-pem-file", a)
	default:
		s.writeJSON(w, http.StatusOK, a)
	}
}

func (s *Server) writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := encodeJSON(v)
	if err != nil {
		s.fail(w, err)
		return
	}
	writeBody(w, status, "application/json; charset=utf-8", body)
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store") // some answers hold tokens, all are of this moment
	w.WriteHeader(status)
	w.Write(body)
}

// encodeJSON is json.Marshal that leaves <, > and & alone.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// stamp is a time as the API writes it: UTC with milliseconds and Z, or null when there is none.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (t stamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// orNull is nil, which is written as null, for the zero value.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
