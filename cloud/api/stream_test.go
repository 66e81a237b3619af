package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/sse"
)

func TestStreamToTheByte(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := w.open("/v1/devices/events", w.alice)
		head := r.write()
		lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
		for _, want := range []string{
			"HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Cache-Control: no-cache", "Connection: keep-alive",
			"X-Accel-Buffering: no", "Access-Control-Allow-Origin: *", "Transfer-Encoding: chunked",
		} {
			if !slices.Contains(lines, want) {
				t.Errorf("%q is not in the head %q", want, head)
			}
		}
		if !strings.HasSuffix(head, "\r\n\r\n") {
			t.Errorf("there is more than the head in the first write: %q", head)
		}
		if got := r.chunk(); got != ":ok\n\n" {
			t.Errorf("the first bytes are %q", got)
		}
		at := time.Now().UTC()
		id := w.publish("alice", "temperature", "25.34 \u00b0C", from(lampID))
		want := fmt.Sprintf("id: %d\nevent: temperature\ndata: {\"data\":\"25.34 \\u00b0C\",\"ttl\":60,\"published_at\":\"%s\",\"coreid\":\"%s\"}\n\n",
			id, at.Format("2006-01-02T15:04:05.000Z"), lampID)
		if got := r.chunk(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		w.publish("alice", "x", strings.Repeat("d", 3000))
		r.chunk() // longer than net/http's own buffer, and still one piece
	})
}

func TestPublishedThroughTheAPI(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.follow("/v1/devices/events/x?nonce=961.60", w.alice)
		w.do("POST /v1/devices/events", as(w.alice), jsonText(`{"name":"x/1","data":"hi"}`)).is(200, `{"ok":true}`)
		synctest.Wait()
		var data map[string]any
		if err := json.Unmarshal((<-s.events).Data, &data); err != nil || data["data"] != "hi" || data["coreid"] != "001" || data["ttl"] != 60.0 {
			t.Errorf("got %v, %v", data, err)
		}
	})
}

func TestDeviceCannotForgeAFrame(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.follow("/v1/devices/events", w.alice)
		w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "x\ndata: {}\n\nevent: y", Data: []byte("1\n\nevent: z\r\r")}, func(error) {})
		s.wants("x\ufffddata: {}\ufffd\ufffdevent: y")
	})
}

func TestKeepAliveComesNineSecondsAfterTheLastWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		r := w.open("/v1/devices/events", w.alice).started()
		after := func(want time.Duration, bytes string) {
			t.Helper()
			if got := r.chunk(); !strings.HasPrefix(got, bytes) || time.Since(start) != want {
				t.Errorf("%q after %v, want %q after %v", got, time.Since(start), bytes, want)
			}
		}
		after(9*time.Second, "\n")
		after(18*time.Second, "\n")
		time.AfterFunc(2*time.Second, func() { w.publish("alice", "x", "1") })
		after(20*time.Second, "id: ")
		after(29*time.Second, "\n")
	})
}

func TestKeepAliveIsNeverSlower(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: 9 * time.Second, time.Minute: 9 * time.Second, 3 * time.Second: 3 * time.Second} {
		if got := newWorld(t, func(c *Config) { c.KeepAlive = set }).server.KeepAlive; got != want {
			t.Errorf("set to %v: %v, want %v", set, got, want)
		}
	}
}

func TestStreamOutlivesTheServersTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(&http.Server{ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second})
		s := w.follow("/v1/devices/events/x", w.alice)
		wait(time.Hour)
		w.publish("alice", "x", "1")
		s.wants("x")
	})
}

func TestWhoSeesWhat(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		tied := w.token("alice", "device:"+lampID)
		streams := []struct {
			path  string
			token cloud.Secret
			want  []string
		}{
			{"/v1/devices/events", w.alice, []string{"a.api", "a.lamp", "a.public"}},
			{"/v1/devices/events", w.bob, []string{"b.api", "b.public"}},
			{"/v1/events", w.alice, []string{"a.api", "a.lamp", "a.public", "b.public"}},
			{"/v1/events/b", w.alice, []string{"b.public"}},
			{"/v1/events/a.", w.bob, []string{"a.public"}},
			{"/v1/devices/lamp/events", w.alice, []string{"a.lamp"}},
			{"/v1/devices/" + strings.ToUpper(lampID) + "/events/a.l", w.alice, []string{"a.lamp"}},
			{"/v1/devices/lamp/events/x", w.alice, nil},
			{"/v1/devices/fan/events", w.bob, nil},
			{"/v1/devices/events", w.root, []string{"a.api", "a.lamp", "a.public", "b.api", "b.public"}},
			{"/v1/devices/events", tied, []string{"a.lamp"}},
			{"/v1/events", tied, []string{"a.lamp"}},
		}
		var open []*stream
		for _, s := range streams {
			open = append(open, w.follow(s.path, s.token))
		}
		w.publish("alice", "a.api", "")
		w.publish("alice", "a.lamp", "", from(lampID))
		w.publish("alice", "a.public", "", public)
		w.publish("Bob", "b.api", "")
		w.publish("Bob", "b.public", "", public)
		for i, s := range open {
			if got := s.names(); !slices.Equal(got, streams[i].want) {
				t.Errorf("%s: got %q, want %q", streams[i].path, got, streams[i].want)
			}
		}
	})
}

func TestPrefixMayHoldSlashes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		events := []string{"my/ev", "my/event/2", "my-other", "MY/ev", "a b/1", "//x", "my/"}
		wants := map[string][]string{
			"/v1/devices/events/my%2Fev":      {"my/ev", "my/event/2"},
			"/v1/devices/events/my/ev":        {"my/ev", "my/event/2"},
			"//v1/devices/events//my%2fev/":   {"my/ev", "my/event/2"},
			"/v1/devices/events/my%2F":        {"my/ev", "my/event/2", "my/"},
			"/v1/devices/events/MY":           {"MY/ev"},
			"/v1/devices/events/a%20b%2F":     {"a b/1"},
			"/v1/devices/events/%2F%2F":       {"//x"},
			"/v1/devices/events/?x=1":         events,
			"/v1/events/my/event/2":           {"my/event/2"},
			"/v1/devices/lamp/events/my%2Fev": nil,
		}
		streams := map[string]*stream{}
		for path := range wants {
			streams[path] = w.follow(path, w.alice)
		}
		for _, name := range events {
			w.publish("alice", name, "")
		}
		for path, s := range streams {
			if got := s.names(); !slices.Equal(got, wants[path]) {
				t.Errorf("%s: got %q, want %q", path, got, wants[path])
			}
		}
	})
}

func TestStreamIsRefusedWithAnOrdinaryError(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/devices/events?access_token=wrong").fails(401, "invalid_token", "The access token provided is invalid.")
	w.do("GET /v1/devices/nope/events", as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
	w.do("GET /v1/devices/fan/events/x", as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
	for _, id := range []string{"x", "-1", "1.5", "99999999999999999999999"} {
		w.do("GET /v1/devices/events", as(w.alice), header("Last-Event-ID", id)).has(400, `{"ok":false}`)
		w.do("GET /v1/devices/events?last_event_id="+id, as(w.alice)).has(400, `{"ok":false}`)
	}
	if n := w.hub.Totals().Listeners; n != 0 {
		t.Errorf("%d listeners are left", n)
	}
}

func TestStreamEndsWithItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first, second := w.token("alice"), w.token("alice")
		a, b := w.follow("/v1/devices/events", first), w.follow("/v1/devices/events", second)
		w.do("DELETE /v1/access_tokens/"+string(first)).is(200, `{"ok":true}`)
		if err := a.ends(); err != io.EOF {
			t.Errorf("ended with %v, want a clean end", err)
		}
		w.publish("alice", "x", "")
		b.wants("x")
		w.do("DELETE /v1/localcloud/users/alice", as(w.root)).is(200, `{"ok":true}`)
		if err := b.ends(); err != io.EOF {
			t.Errorf("ended with %v, want a clean end", err)
		}

		issued := must(w.accounts.Issue(cloud.Grant{User: w.userID("Bob"), Life: time.Minute}))
		start := time.Now()
		c := w.follow("/v1/devices/events", issued.Secret)
		if err := c.ends(); err != io.EOF || time.Since(start) != time.Minute {
			t.Errorf("ended with %v after %v, want a clean end when the token expires", err, time.Since(start))
		}
		d := w.follow("/v1/devices/events", control)
		wait(time.Hour)
		w.publish("Bob", "y", "")
		d.wants("y")
		if n := w.server.OpenStreams(); n != 1 {
			t.Errorf("%d streams are open, want 1", n)
		}
	})
}

func TestNothingIsSentToARevokedToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		token := w.token("alice")
		r := w.open("/v1/devices/events", token).started()
		for i := range 20 {
			w.publish("alice", fmt.Sprint("x", i), "") // nobody reads: one is on its way, the others wait
			synctest.Wait()
		}
		w.accounts.Revoke(token.ID())
		if got := r.chunk(); !strings.Contains(got, "event: x0\n") {
			t.Errorf("got %q", got)
		}
		if got := r.write(); got != "0\r\n\r\n" {
			t.Errorf("after the token was revoked came %q", got)
		}
	})
}

func TestStreamEndsWhenItsClientGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, r := w.follow("/v1/devices/events", w.alice), w.open("/v1/devices/events", w.alice).started()
		if n, l := w.server.OpenStreams(), w.hub.Totals().Listeners; n != 2 || l != 2 {
			t.Errorf("%d streams, %d listeners, want 2 of each", n, l)
		}
		s.cancel()
		r.Close()
		synctest.Wait()
		if n, l := w.server.OpenStreams(), w.hub.Totals().Listeners; n != 0 || l != 0 {
			t.Errorf("%d streams, %d listeners are left", n, l)
		}
	})
}

func TestReaderThatNeverReadsHindersNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		good := w.follow("/v1/devices/events", w.alice)
		stuck := w.open("/v1/devices/events", w.alice).started()
		start := time.Now()
		for i := range 1000 {
			w.publish("alice", fmt.Sprint("x", i), "data")
			synctest.Wait()
		}
		if got := good.names(); len(got) != 1000 || time.Since(start) != 0 {
			t.Errorf("the other reader got %d events of 1000 in %v", len(got), time.Since(start))
		}
		if lost := w.hub.Totals().Lost; lost != 1000-256-1 {
			t.Errorf("%d are counted as lost, want all but those that wait and the one on its way", lost)
		}
		wait(20*time.Second - 1)
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 2 {
			t.Errorf("cut off early: %d streams", n)
		}
		wait(1)
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 1 {
			t.Errorf("%d streams after 20 s without a byte taken, want 1", n)
		}
		if rest, err := io.ReadAll(stuck); len(rest) != 0 || err != nil {
			t.Errorf("it got %q, %v; want a closed connection", rest, err)
		}
	})
}

func TestSlowReaderGetsWhatIsQueuedAndCatchesUpByID(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		slow := w.open("/v1/devices/events", w.alice).started()
		for i := range 10 {
			w.publish("alice", fmt.Sprint("x", i), "")
			synctest.Wait()
		}
		last := ""
		for i := range 5 { // one on its way, four in the queue
			frame := must(sse.NewReader(strings.NewReader(slow.chunk())).Next())
			if want := fmt.Sprint("x", i); frame.Event != want {
				t.Errorf("got %s, want %s", frame.Event, want)
			}
			last = frame.ID
		}
		if end := slow.write(); end != "0\r\n\r\n" {
			t.Errorf("then came %q, want a clean end", end)
		}
		again := w.follow("/v1/devices/events", w.alice, "Last-Event-ID: "+last)
		again.wants("x5", "x6", "x7", "x8", "x9")
		w.publish("alice", "y", "")
		again.wants("y")
	}, func(c *Config) { c.QueueSize = 4 })
}

// A connection that carried a stream serves the next request as any other.
func TestConnectionIsGoodAfterAStream(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		token := w.token("alice")
		r := w.open("/v1/devices/events", token).started()
		w.accounts.Revoke(token.ID())
		if got := r.write(); got != "0\r\n\r\n" {
			t.Fatalf("got %q", got)
		}
		wait(time.Minute)
		go io.WriteString(r, "GET /v1/server/key HTTP/1.1\r\nHost: cloud\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(r), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}
