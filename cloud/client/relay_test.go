package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"localcloud/cloud"
)

func TestTheRelayIsAskedAndARecordingIsCopied(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.RequestURI() {
		case "PUT /v1/localcloud/relay/allow/a%2Fb":
			w.Write([]byte(`{"ok":true}`))
		case "GET /v1/localcloud/relay/recordings/x?format=csv":
			w.Write([]byte("time,line\r\n"))
		default:
			t.Errorf("asked for %s %s", r.Method, r.URL.RequestURI())
			w.WriteHeader(404)
			w.Write([]byte(`{"error":"no such recording"}`))
		}
	}))
	defer server.Close()
	c := &Client{BaseURL: server.URL}
	var out struct{ OK bool }
	if err := c.Relay(t.Context(), http.MethodPut, []string{"allow", "a/b"}, nil, &out); err != nil || !out.OK {
		t.Errorf("%+v, %v", out, err)
	}
	var b strings.Builder
	if err := c.Recording(t.Context(), "x", "csv", &b); err != nil || b.String() != "time,line\r\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	server.Config.Handler = http.NotFoundHandler()
	if err := c.Recording(t.Context(), "y", "csv", &b); cloud.KindOf(err) != cloud.NotExist {
		t.Errorf("of one that is not there: %v", err)
	}
}
