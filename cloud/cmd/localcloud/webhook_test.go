package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"localcloud/cloud"
)

// A device publishes, its owner's webhook sends that on, and the answer comes
// back to the device: through the program, over real sockets of this machine.
func TestEventOfADeviceGoesOutByAWebhookAndTheAnswerComesBack(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.Header.Get("X-From") + " " + string(body)
		fmt.Fprint(w, `{"weather":[{"main":"`+strings.Repeat("sun", 200)+`"}]}`) // 600 bytes
	}))
	defer target.Close()

	s := serve(t, t.TempDir())
	addUser(t, s.data, "owner") // an admin, who sees everything
	token := addUser(t, s.data, "ann")
	out, in := io.Pipe()
	d := begin(t, out, "virtual", "--stdio", "--http", s.url, "--tcp", s.TCP, "--token", token, "--server-key", exportKey(t, s.data))
	fmt.Fprintln(in, `{"op":"subscribe","prefix":"hook-response/","mine":true}`)
	type line struct{ Ev, ID, Name, Data string }
	next := func(ev string) (l line) {
		t.Helper()
		for l.Ev != ev {
			l = line{}
			if err := json.Unmarshal([]byte(d.line()), &l); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	device := next("online").ID

	file := writeFile(t, `{"eventName":"weather","url":"`+target.URL+`/in","name":"the weather","deviceid":"`+device+`",
		"json":{"city":"{{{city}}}","from":"{{PARTICLE_DEVICE_ID}}"},"noDefaults":true,
		"headers":{"X-From":"{{PARTICLE_EVENT_NAME}}"},"responseTemplate":"{{{weather.0.main}}}"}`)
	hook := into[struct{ ID, Owner string }](t, "webhook", "create", file, "--user", "ann", "--data", s.data)
	if len(hook.ID) != 24 || hook.Owner != "ann" {
		t.Fatalf("the webhook is %+v", hook)
	}
	refused(t, 1, []string{"127.0.0.1", "loopback", "localcloud webhook allow 127.0.0.1:"}, "webhook", "test", hook.ID, "--data", s.data)
	address := strings.TrimPrefix(target.URL, "http://")
	if out := command(t, "webhook", "allow", address, "--data", s.data); !strings.Contains(out, address) {
		t.Errorf("allow says %q", out)
	}

	fmt.Fprintln(in, `{"op":"publish","name":"weather/today","data":"{\"city\":\"Köln \\\"am Rhein\\\"\"}","private":true}`)
	if got, want := <-asked, `weather/today {"city":"Köln \"am Rhein\"","from":"`+device+`"}`; got != want {
		t.Errorf("the target got %s, want %s", got, want)
	}
	answer := ""
	for i := range 2 {
		l := next("event")
		if want := fmt.Sprintf("hook-response/weather/today/%d", i); l.Name != want {
			t.Errorf("the device hears %s, want %s", l.Name, want)
		}
		if answer += l.Data; i == 0 && len(answer) != 512 {
			t.Errorf("the first piece has %d bytes", len(answer))
		}
	}
	if answer != strings.Repeat("sun", 200) {
		t.Errorf("the device hears %q", answer)
	}

	// The commands.
	if out := command(t, "webhook", "test", "the weather", "--value", `{"city":"Rome"}`, "--data", s.data); !strings.Contains(out, "answered 200") {
		t.Errorf("test says %q", out)
	}
	if got := <-asked; !strings.Contains(got, `"Rome"`) {
		t.Errorf("the target got %s", got)
	}
	eventually(t, "both are recorded", func() bool {
		r := into[cloud.HookRecord](t, "webhook", "log", hook.ID[:8], "--data", s.data)
		return r.Counts.Delivered == 2 && r.Counts.Dead == 1
	})
	if out := command(t, "webhook", "log", hook.ID, "--data", s.data); !strings.Contains(out, "2 delivered") || !strings.Contains(out, device) || !strings.Contains(out, "success") {
		t.Errorf("log says\n%s", out)
	}
	if out := command(t, "webhook", "log", hook.ID, "--dead", "--data", s.data); !strings.Contains(out, "loopback") || strings.Contains(out, "success") {
		t.Errorf("the dead letters are\n%s", out)
	}
	if out := command(t, "webhook", "list", "--data", s.data); !strings.Contains(out, hook.ID) || !strings.Contains(out, "device "+device) || !strings.Contains(out, "POST "+target.URL+"/in") {
		t.Errorf("list says\n%s", out)
	}
	shown := command(t, "webhook", "show", hook.ID, "--data", s.data)
	for _, want := range []string{`"noDefaults":true`, `"responseTemplate":"{{{weather.0.main}}}"`, `"city":"{{{city}}}"`} {
		if !strings.Contains(shown, want) {
			t.Errorf("show says %s, without %s", shown, want)
		}
	}
	refused(t, 1, []string{"localcloud webhook list"}, "webhook", "show", "nothing", "--data", s.data)
	command(t, "webhook", "delete", hook.ID, "--data", s.data)
	if out := command(t, "webhook", "list", "--data", s.data); !strings.Contains(out, "localcloud webhook create") {
		t.Errorf("without webhooks: %s", out)
	}
}

// A machine's own address is not closed, but the ports of the cloud are, under every address of the machine.
func TestWebhooksDoNotReachTheCloudItself(t *testing.T) {
	web, err1 := listen("http", "127.0.0.1:0")
	tcp, err2 := listen("tcp", "127.0.0.1:0")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	s := &server{httpSocket: web, tcpSocket: tcp}
	defer s.closeSockets()
	port := func(l *lateListener) uint16 { return netip.MustParseAddrPort(l.Addr().String()).Port() }
	for _, text := range ownAddresses() {
		own, err := netip.ParseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []*lateListener{web, tcp} {
			if !s.isOwn(netip.AddrPortFrom(own, port(l))) {
				t.Errorf("%v of port %d is not the cloud's own", own, port(l))
			}
		}
		if s.isOwn(netip.AddrPortFrom(own, 1)) {
			t.Errorf("%v of port 1 is the cloud's own", own)
		}
	}
	if s.isOwn(netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), port(web))) {
		t.Error("another machine's port is the cloud's own")
	}
}

func TestWebhooksAreKeptAndCanBeMadeWithoutARunningCloud(t *testing.T) {
	t.Parallel()
	s, _ := serveOwned(t)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, `{"event":"e","url":"http://192.0.2.1/","name":"one"}`)
	command(t, "webhook", "create", file, "--data", s.data)
	command(t, "webhook", "allow", "127.0.0.1:1880", "--data", s.data)
	command(t, "webhook", "allow", "::1", "--data", s.data)
	command(t, "webhook", "allow", "::1", "--remove", "--data", s.data)
	refused(t, 1, []string{"localcloud serve"}, "webhook", "test", "one", "--data", s.data)
	refused(t, 2, []string{"127.0.0.1:1880"}, "webhook", "allow", "example.com", "--data", s.data)
	refused(t, 2, []string{"--remove"}, "webhook", "allow", "--remove", "--data", s.data)
	refused(t, 2, []string{"JSON object"}, "webhook", "create", writeFile(t, `[1]`), "--data", s.data)
	refused(t, 1, []string{"url is missing"}, "webhook", "create", writeFile(t, `{"event":"e"}`), "--data", s.data)

	s = serve(t, s.data)
	if hooks := into[[]struct{ Name, Event string }](t, "webhook", "list", "--data", s.data); len(hooks) != 1 || hooks[0].Name != "one" || hooks[0].Event != "e" {
		t.Errorf("there are %+v", hooks)
	}
	if allowed := into[struct{ Targets []string }](t, "webhook", "allow", "--data", s.data); len(allowed.Targets) != 1 || allowed.Targets[0] != "127.0.0.1:1880" {
		t.Errorf("allowed is %+v", allowed)
	}
}
