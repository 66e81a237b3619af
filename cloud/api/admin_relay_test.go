package api

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
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

// Reader streams until its request ends, and notes who is seen.
func (r *besideRelay) Reader(sees func(string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, "%s lamp %t, fan %t, odd %t\n", q.URL.Path, sees(lampID), sees(fanID), sees("x"))
		if strings.HasSuffix(q.URL.Path, "/lines") {
			http.NewResponseController(w).Flush()
			<-q.Context().Done()
		}
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

func TestEveryUserReadsLinesOfTheirOwnDevices(t *testing.T) {
	w := newWorld(t)
	w.server.SetRelay(&besideRelay{})
	for who, want := range map[cloud.Secret]string{w.alice: "lamp true, fan false, odd false", w.bob: "lamp false, fan true, odd false", w.root: "lamp true, fan true, odd false"} {
		got := w.do("GET /v1/localcloud/relay/overview", as(who))
		if got.status != 200 || got.body != "/v1/localcloud/relay/overview "+want+"\n" {
			t.Errorf("the overview is %d %q, not %q", got.status, got.body, want)
		}
	}
}

func TestAStreamOfLinesEndsWithItsTokenAndWithTheCloud(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.server.SetRelay(&besideRelay{})
		token := w.token("alice")
		first := must(w.client.Do(w.request("/v1/localcloud/relay/lines", token)))
		second := must(w.client.Do(w.request("/v1/localcloud/relay/lines", w.alice)))
		if n := w.server.OpenStreams(); n != 2 {
			t.Errorf("%d streams are open", n)
		}
		w.do("DELETE /v1/access_tokens/"+string(token)).is(200, `{"ok":true}`)
		if _, err := io.ReadAll(first.Body); err != nil {
			t.Error(err)
		}
		w.server.CloseStreams()
		if b, err := io.ReadAll(second.Body); err != nil || string(b) != "/v1/localcloud/relay/lines lamp true, fan false, odd false\n" {
			t.Errorf("%q, %v", b, err)
		}
		if n := w.server.OpenStreams(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
		w.do("GET /v1/localcloud/relay/lines", as(w.alice)).fails(503, errClosing.code, errClosing.text)
	})
}

// request asks for a stream.
func (w *world) request(path string, token cloud.Secret) *http.Request {
	r := must(http.NewRequestWithContext(w.Context(), http.MethodGet, "http://cloud"+path, nil))
	r.Header.Set("Authorization", "Bearer "+string(token))
	return r
}
