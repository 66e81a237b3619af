package api

import (
	"io"
	"net/http"
	"slices"
	"testing"
)

// besideRelay is a relay that notes what it hears.
type besideRelay struct{ heard []string }

func (r *besideRelay) Admin() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.heard = append(r.heard, q.Method+" "+q.URL.Path+" "+string(body))
		w.Write([]byte(`{"ok":true}`))
	})
}

func (r *besideRelay) CalledByOther(device, argument string) {
	r.heard = append(r.heard, "called "+device+" "+argument)
}

func TestTheRelayIsAskedByAdministratorsAndHearsWhoCallsDevices(t *testing.T) {
	w := newWorld(t)
	relay := &besideRelay{}
	w.server.SetRelay(relay)
	w.do("PUT /v1/localcloud/relay/allow/lamp", as(w.root), jsonText(`{"only":"any"}`))
	w.do("GET /v1/localcloud/relay", as(w.root))
	w.do("GET /v1/localcloud/relay", as(w.alice))
	w.do("POST /v1/devices/lamp/devices", as(w.alice), jsonText(`{"args":"192.168.1.4,8070,0123"}`))
	w.do("POST /v1/devices/lamp/led", as(w.alice), jsonText(`{"args":"on"}`))
	w.do("POST /v1/devices/fan/devices", as(w.alice), jsonText(`{"args":"x"}`)) // not hers
	want := []string{`PUT /v1/localcloud/relay/allow/lamp {"only":"any"}`, "GET /v1/localcloud/relay null", "called " + lampID + " 192.168.1.4,8070,0123"}
	if !slices.Equal(relay.heard, want) {
		t.Errorf("it heard %q", relay.heard)
	}
}
