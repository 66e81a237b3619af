package sink

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"localcloud/cloud"
)

func TestAddressesThatAreClosedToWebhooks(t *testing.T) {
	tests := map[string]string{
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "::1": "loopback",
		"::ffff:127.0.0.1": "loopback", "64:ff9b::7f00:1": "loopback", "::7f00:1": "loopback", "2002:7f00:1::": "loopback",
		"0.0.0.0": "this host", "::": "this host", "0.1.2.3": "this host",
		"169.254.169.254": "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "::ffff:169.254.0.1": "link-local", "64:ff9b::a9fe:a9fe": "link-local",
		"224.0.0.1": "multicast", "ff02::1": "multicast", "255.255.255.255": "multicast",
		"fd00:ec2::254": "machine metadata",

		"192.168.1.10": "", "10.0.0.1": "", "172.16.0.1": "", "100.64.0.1": "", "8.8.8.8": "", "fd12::1": "", "2001:db8::1": "", "64:ff9b::808:808": "", "::ffff:10.0.0.1": "",
	}
	for text, want := range tests {
		if got := closed(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func TestGuardLetsThroughWhatIsAllowed(t *testing.T) {
	var allowed []cloud.HookTarget
	own := netip.MustParseAddrPort("192.168.1.10:8080")
	g := &guard{allowed: func() []cloud.HookTarget { return allowed }, own: func(a netip.AddrPort) bool { return a == own }}
	check := func(address string, ok bool) {
		t.Helper()
		err := g.control("tcp", address, nil)
		if (err == nil) != ok {
			t.Errorf("%s, allowed %v: %v", address, allowed, err)
		}
		if err != nil && !strings.Contains(err.Error(), "localcloud webhook allow ") {
			t.Errorf("%s: there is no next step in %q", address, err)
		}
	}
	check("192.168.1.10:80", true)
	check("192.168.1.10:8080", false)
	check("[::ffff:192.168.1.10]:8080", false)
	check("127.0.0.1:80", false)
	for _, text := range []string{"127.0.0.1:80", "192.168.1.10:8080", "fe80::/10"} {
		target, err := cloud.ParseHookTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		allowed = append(allowed, target)
	}
	check("127.0.0.1:80", true)
	check("[::ffff:127.0.0.1]:80", true)
	check("127.0.0.1:81", false)
	check("127.0.0.2:80", false)
	check("192.168.1.10:8080", true)
	check("[fe80::1%lo]:80", true)
}

func TestClosedTargetIsRefusedWhenItIsDialled(t *testing.T) {
	tg := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	port := strconv.Itoa(int(tg.address().Port()))
	w := newWorld(t, nil)
	for _, url := range []string{
		tg.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port, "http://2130706433:" + port, "http://0x7f.1:" + port,
	} {
		id := w.hook(url)
		d, err := w.sink.Test(t.Context(), id, "e", "x")
		if err != nil || d.Result != cloud.HookFailed || d.Status != 0 {
			t.Errorf("%s: %+v, %v", url, d, err)
		}
	}
	if got := tg.requests(); len(got) != 0 {
		t.Errorf("requests came through: %v", got)
	}
	said := string(w.heard.want("hook-error/e/0").Data)
	w.hook(tg.URL)
	w.publish(lamp, "e", "x")
	w.eventually("the error is heard", func() bool { return len(w.heard.names()) >= 2 })
	if !strings.Contains(said, "no") {
		t.Errorf("it says %q", said)
	}
	for _, name := range w.heard.names() {
		if strings.HasPrefix(name, "hook-sent") {
			t.Error("it says that it was sent")
		}
	}
}

func TestAllowedTargetIsReachedAndClosedAgain(t *testing.T) {
	tg := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	w := newWorld(t, nil)
	id := w.hook(tg.URL)
	try := func() cloud.HookResult {
		d, err := w.sink.Test(t.Context(), id, "e", "x")
		if err != nil {
			t.Fatal(err)
		}
		return d.Result
	}
	if got := try(); got != cloud.HookFailed {
		t.Errorf("closed: %v", got)
	}
	w.allow(tg.address().String())
	if got := try(); got != cloud.HookDelivered {
		t.Errorf("allowed: %v", got)
	}
	w.allow()
	if got := try(); got != cloud.HookFailed { // although a connection was left open
		t.Errorf("closed again: %v", got)
	}
}

func TestRedirectsStayOnTheHost(t *testing.T) {
	elsewhere := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	var tg *target
	tg = newTarget(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/other":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/port":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "/name":
			http.Redirect(w, r, "http://localhost:"+strconv.Itoa(int(tg.address().Port()))+"/end", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		default:
			w.Write([]byte("at the end"))
		}
	})
	w := newWorld(t, nil)
	w.allow("127.0.0.0/8", "::1")
	tests := []struct {
		path     string
		status   int
		response string
		requests int
	}{
		{"/same", 200, "at the end", 2},
		{"/other", 302, "", 1},
		{"/port", 302, "", 1},
		{"/name", 302, "", 1},
		{"/file", 302, "", 1},
		{"/loop", 307, "", maxRedirects + 1},
	}
	for _, tt := range tests {
		before := len(tg.requests())
		d, err := w.sink.Test(t.Context(), w.hook(tg.URL+tt.path), "e", "data")
		if err != nil || d.Status != tt.status || (d.Result == cloud.HookDelivered) != (tt.status == 200) {
			t.Errorf("%s: %+v, %v", tt.path, d, err)
		}
		if tt.response != "" && d.Response != tt.response {
			t.Errorf("%s: the answer is %q", tt.path, d.Response)
		}
		if got := len(tg.requests()) - before; got != tt.requests {
			t.Errorf("%s: %d requests, want %d", tt.path, got, tt.requests)
		}
	}
	if got := elsewhere.requests(); len(got) != 0 {
		t.Errorf("the other host got %v", got)
	}
	if got := tg.requests(); !strings.Contains(got[1].body, "data=data") || got[1].method != "POST" {
		t.Errorf("the redirected request is %+v", got[1])
	}
}

func TestCertificateCountsUnlessTheHookSaysNot(t *testing.T) {
	tg := newTLSTarget(t)
	w := newWorld(t, nil)
	w.allow("127.0.0.1")
	d, err := w.sink.Test(t.Context(), w.hook(tg.URL), "e", "x")
	if err != nil || d.Result != cloud.HookFailed || !strings.Contains(d.Error, "certificate") {
		t.Errorf("a certificate of nobody: %+v, %v", d, err)
	}
	d, err = w.sink.Test(t.Context(), w.hook(tg.URL, func(h *cloud.Hook) { h.Insecure = true }), "e", "x")
	if err != nil || d.Result != cloud.HookDelivered {
		t.Errorf("rejectUnauthorized false: %+v, %v", d, err)
	}
}
