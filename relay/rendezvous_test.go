package relay

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestADeviceThatAsksIsCalledWithAddressPortAndNonce(t *testing.T) {
	w := newWorld(t)
	began := time.Now()
	w.cloud.event(photon, "devicesRequest", "127.0.0.1")
	c := w.called()
	t.Logf("called after %v", time.Since(began))
	_, port, _ := strings.Cut(w.address, ":")
	if want := regexp.MustCompile(`^127\.0\.0\.1,` + port + `,[0-9a-f]{32}$`); c.device != photon || c.function != "devices" || !want.MatchString(c.argument) {
		t.Errorf("the call is %+v", c)
	}
	if len(c.argument) > 63 {
		t.Errorf("the argument has %d bytes", len(c.argument))
	}
}

func TestOnlyTheExactEventOfADeviceCounts(t *testing.T) {
	w := newWorld(t)
	w.cloud.event(photon, "devicesRequests", "127.0.0.1")
	w.cloud.event("", "devicesRequest", "127.0.0.1")
	w.nonce(core) // the next call is the one for this
}

func TestTheLineOfASketchReachesTheBrowser(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	d := w.device(photon)
	d.say("1234\n")
	data.want("data:1234")
	d.say("1\n2\r\n\n3\r")
	data.want("data:1", "data:2", "data:3")
	d.say("45")
	d.say("67")
	d.say("\n")
	data.want("data:4567")
}

func TestADeviceThatStreamsIsNotCalledAgain(t *testing.T) {
	w := newWorld(t)
	d := w.device(photon)
	d.say("1\n")
	w.cloud.event(photon, "devicesRequest", "127.0.0.1")
	w.nonce(core)
	w.notCalled()
	if rec := w.relay.Status().Devices[photon]; rec.Streaming != 1 {
		t.Errorf("the request is not counted: %+v", rec)
	}
}

func TestADeviceWhoseStreamIsDeadIsCalledAgain(t *testing.T) {
	w := newWorld(t)
	w.device(photon)
	w.stream(photon).heard.Store(time.Now().Add(-aliveFor).UnixNano())
	w.nonce(photon)
}

func TestARequestDuringASilenceIsAnsweredWhenNothingComes(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeCloud()
			r, err := New(Config{Cloud: fake, Advertise: netip.MustParseAddrPort("192.168.1.5:8070")})
			if err != nil {
				t.Fatal(err)
			}
			s := r.begin(admission{device: photon}, "", "post", netip.MustParseAddr("127.0.0.1"), nil, func(error) {})
			r.requested(photon, "127.0.0.1") // a restarted board: nobody closed its old connection
			time.Sleep(aliveFor / 2)
			if speaks {
				s.heard.Store(time.Now().UnixNano())
			}
			time.Sleep(aliveFor)
			synctest.Wait()
			want := 1
			if speaks {
				want = 0
			}
			if got := len(fake.calls); got != want {
				t.Errorf("speaks %v: %d calls, want %d", speaks, got, want)
			}
			r.end(errStopping)
			r.work.Wait()
		})
	}
}

func TestWhileACallIsUnderWayThereIsNoSecondOne(t *testing.T) {
	w := newWorld(t)
	proceed := make(chan struct{})
	w.cloud.answer = func(call) (int32, error) { <-proceed; return 0, nil }
	w.cloud.event(photon, "devicesRequest", "127.0.0.1")
	w.called()
	for range 10 {
		w.cloud.event(photon, "devicesRequest", "127.0.0.1")
	}
	w.notCalled()
	proceed <- struct{}{}
	w.called() // for the ten together
	close(proceed)
	w.eventually("the call is over", func() bool {
		w.relay.mu.Lock()
		defer w.relay.mu.Unlock()
		return len(w.relay.calls) == 0
	})
	w.notCalled()
}

func TestADeviceThatAsksDoesNotWaitForAnInvitation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeCloud()
		r, err := New(Config{Cloud: fake, Advertise: netip.MustParseAddrPort("192.168.1.5:8070")})
		if err != nil {
			t.Fatal(err)
		}
		r.invite(photon, "", inviteDelay) // it has just come online
		r.requested(photon, "192.168.1.9")
		synctest.Wait()
		if got := len(fake.calls); got != 1 {
			t.Errorf("%d calls at once", got)
		}
		time.Sleep(time.Minute)
		if got := len(fake.calls); got != 1 {
			t.Errorf("%d calls in the end", got)
		}
		r.end(errStopping)
		r.work.Wait()
	})
}

func TestWhatIsWrongWithACallIsSaid(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{cloud.E("call", cloud.NotExist, nil), `it has no function "devices"`},
		{cloud.E("call", cloud.Offline, nil), "it went offline"},
		{cloud.E("call", cloud.Timeout, nil), "did not answer"},
		{errors.New("odd"), "odd"},
	}
	for _, test := range tests {
		w := newWorld(t)
		w.cloud.answer = func(call) (int32, error) { return 0, test.err }
		w.cloud.event(photon, "devicesRequest", "127.0.0.1")
		w.called()
		w.eventually("the reason is shown", func() bool {
			return strings.Contains(w.relay.Status().Devices[photon].Problem, test.want)
		})
		w.eventually("it is in the log", func() bool { return strings.Contains(w.log.String(), "device not called") })
		w.stop()
	}
}

func TestADeviceThatTookTheCallAndDoesNotConnectIsExplained(t *testing.T) {
	tests := []struct{ announced, want string }{
		{"10.9.9.9", "wrong subnet"},
		{"192.168.1.77", "client isolation"},
		{"192.168.1.78", "look whether --relay-advertise leads here"}, // which is set to an address of another machine
	}
	for i, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeCloud()
			r, err := New(Config{
				Cloud: fake, Advertise: netip.MustParseAddrPort("192.168.1.5:8070"),
				Addresses: func() ([]netip.Prefix, error) {
					return []netip.Prefix{netip.MustParsePrefix([]string{"192.168.1.5/24", "192.168.1.6/24"}[i/2])}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			r.requested(photon, test.announced)
			time.Sleep(connectTime + time.Second)
			if got := r.Status().Devices[photon].Problem; !strings.Contains(got, test.want) {
				t.Errorf("%s: the problem is %q", test.announced, got)
			}
			r.end(errStopping)
			r.work.Wait()
		})
	}
}

func TestTheAddressIsTheOneThatTheDeviceCanReach(t *testing.T) {
	own := func() ([]netip.Prefix, error) {
		return []netip.Prefix{netip.MustParsePrefix("192.168.1.5/24"), netip.MustParsePrefix("10.0.0.5/8")}, nil
	}
	address := netip.MustParseAddr
	tests := []struct {
		name      string
		advertise string
		bound     string
		ours      string
		want      string
	}{
		{"the one that its cloud connection reached", "", "0.0.0.0", "10.0.0.5", "10.0.0.5,8070"},
		{"of two interfaces the other", "", "::", "192.168.1.5", "192.168.1.5,8070"},
		{"the one we listen on", "", "192.168.1.5", "10.0.0.5", "192.168.1.5,8070"},
		{"the one the owner set", "172.16.0.9:0", "0.0.0.0", "10.0.0.5", "172.16.0.9,8070"},
		{"with the port the owner set", "172.16.0.9:9000", "0.0.0.0", "10.0.0.5", "172.16.0.9,9000"},
		{"not one that this machine has lost", "", "0.0.0.0", "192.168.1.4", "127.0.0.1,8070"},
		{"the route where nothing else is known", "", "0.0.0.0", "", "127.0.0.1,8070"},
	}
	for _, test := range tests {
		c := Config{Cloud: newFakeCloud(), Addresses: own}
		if test.advertise != "" {
			c.Advertise = netip.MustParseAddrPort(test.advertise)
		}
		r, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		r.port.Store(8070)
		r.bound.Store(address(test.bound))
		d := Device{ID: photon, Address: address("127.0.0.1")}
		if test.ours != "" {
			d.Ours = address(test.ours)
		}
		if got, err := r.addressFor(d, ""); err != nil || got.String() != test.want {
			t.Errorf("%s: %v, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestAfterARestartKnownDevicesAreCalledAtOnce(t *testing.T) {
	dir := t.TempDir()
	in := func(c *Config) { c.Dir = dir }
	w := newWorld(t, in)
	w.device(photon)
	w.stop()
	w.start("127.0.0.1:0", in)
	if c := w.called(); c.device != photon {
		t.Errorf("called is %+v", c)
	}
	w.cloud.event(photon, "spark/status", "online")
	w.cloud.event(core, "spark/status", "online") // was never here
	if c := w.called(); c.device != photon {
		t.Errorf("called is %+v", c)
	}
	w.notCalled()

	w.stop()
	w.cloud.address = netip.Addr{} // a cloud elsewhere does not tell where its devices are
	w.start("127.0.0.1:0", in)
	if c := w.called(); c.device != photon || !strings.HasPrefix(c.argument, "127.0.0.1,") {
		t.Errorf("called is %+v", c)
	}
}

func TestADeviceThatIsNotAllowedIsNotCalled(t *testing.T) {
	w := newWorld(t)
	if err := w.relay.Allow(photon, false); err != nil {
		t.Fatal(err)
	}
	w.cloud.event(photon, "devicesRequest", "127.0.0.1")
	w.nonce(core)
	w.notCalled()
	if got := w.relay.Status().Devices[photon].Problem; !strings.Contains(got, "localcloud relay allow") {
		t.Errorf("the problem is %q", got)
	}
}

func TestWhatTheDeviceAnnouncesIsAnAddressOrNothing(t *testing.T) {
	session := Device{Address: netip.MustParseAddr("192.168.2.17")}
	for announced, want := range map[string]int{
		"": 1, "0.0.1": 1, "2.168.2.17": 2, "192.168.2.17": 1, "0.0.0.0": 1, "::1": 1, "1.2.3.4\r\nx": 1, "10.0.0.9": 2,
	} {
		if got := expected(session, announced); len(got) != want || got[0] != session.Address {
			t.Errorf("%q: may come from %v", announced, got)
		}
	}
}

func TestAnotherServerThatAnswersTheDeviceGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeCloud()
		r, err := New(Config{Cloud: fake, Advertise: netip.MustParseAddrPort("192.168.1.5:8070")})
		if err != nil {
			t.Fatal(err)
		}
		calls := func(want int, when string) {
			t.Helper()
			time.Sleep(deferTime + time.Second)
			synctest.Wait()
			if got := len(fake.calls); got != want {
				t.Errorf("%s: %d calls, want %d", when, got, want)
			}
			for len(fake.calls) > 0 {
				<-fake.calls
			}
		}
		r.requested(photon, "192.168.1.9")
		r.CalledByOther(photon, "192.168.1.4,8070,0123")
		calls(1, "at first both answer")
		r.requested(photon, "192.168.1.9")
		time.Sleep(time.Second)
		r.CalledByOther(photon, "192.168.1.4,8070,4567")
		calls(0, "then the other one does")
		r.invite(photon, "", 0)
		calls(0, "nobody asked")
		if got := r.Status().Devices[photon]; got.OtherIs != "192.168.1.4:8070" || got.Problem != "" {
			t.Errorf("shown is %+v", got)
		}
		r.requested(photon, "192.168.1.9")
		calls(1, "the other one is silent")
		time.Sleep(otherTime)
		r.requested(photon, "192.168.1.9")
		synctest.Wait()
		calls(1, "and forgotten")
		r.end(errStopping)
		r.work.Wait()
	})
}
