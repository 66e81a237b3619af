package relay

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestTheOwnerShutsReadingWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *Config) { c.Dir = dir })
	good := strings.Repeat("a1", 20)
	w.cloud.tokens[good] = Access{Read: true, Sees: func(string) bool { return true }}
	d := w.device(photon)
	open, socket := w.watch("/data"), w.socket(upgrade("/data/kitchen"))
	own := w.watch("/data?access_token=" + good)
	w.admin(http.MethodPut, "/public/porch", `{"device":"kitchen"}`, 200, nil)
	public := w.watch("/public/porch")
	d.say("1\n")
	for _, v := range []*viewing{open, own, public} {
		v.wantLines("1")
	}
	socket.wantMessage(opText, "1")

	var set struct {
		Settings
		Changed Settings
	}
	w.admin(http.MethodPut, "/settings", `{"read":"everybody"}`, 400, nil)
	w.admin(http.MethodPut, "/settings", `{"read":"token"}`, 200, &set)
	if set.Read != readToken || set.Changed.Read != readToken || *set.Legacy || set.Changed.Legacy != nil {
		t.Errorf("the settings are %+v", set)
	}
	open.wantEnd()
	socket.wantMessage(opClose, "1008")
	if status, _, _ := w.get("/data"); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	d.say("2\n")
	own.wantLines("2")
	public.wantLines("2") // what is public needs no token whatever the setting says

	w.stop()
	w.start("127.0.0.1:0", func(c *Config) { c.Dir = dir })
	if status, _, _ := w.get("/data"); status != 401 {
		t.Errorf("after a restart: %d", status)
	}
	w.admin(http.MethodPut, "/settings", `{"reset":true}`, 200, &set)
	if set.Read != readOpen {
		t.Errorf("the settings are %+v", set)
	}
	w.watch("/data")
}

func TestTheOwnerLetsOldLibrariesInWhileItRuns(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	s := w.connected(swHead)
	s.say(frame(opText, nil, "1"))
	s.wantMessage(opClose, "1002")
	w.admin(http.MethodPut, "/settings", `{"legacy":true,"by_address":true}`, 200, nil)
	w.nonce(photon)
	s = w.socket(fmt.Sprintf(swHead, "/"))
	s.say(frame(opText, nil, "2"))
	data.wantLines("2")
	w.eventually("it is legacy", func() bool { return w.relay.Status().Legacy && w.relay.Status().ByAddress })
	w.admin(http.MethodPost, "/channels/kitchen/send", `{"data":"`+strings.Repeat("x", legacyText+1)+`"}`, 400, nil)
	rfc := w.socket(upgrade("/?nonce=" + w.nonce(core))) // has no such bound
	w.admin(http.MethodPost, "/channels/garden/send", `{"data":"`+strings.Repeat("x", legacyText+1)+`"}`, 200, nil)
	rfc.wantMessage(opText, strings.Repeat("x", legacyText+1))
}
