package relay

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestANonceIsGoodOnceForItsDeviceFromItsAddressInTime(t *testing.T) {
	here, there := netip.MustParseAddr("192.168.1.9"), netip.MustParseAddr("192.168.1.10")
	now := time.Unix(1e9, 0)
	tests := []struct {
		name  string
		from  netip.Addr
		after time.Duration
		want  refusal
	}{
		{"right", here, 0, ""},
		{"just in time", here, 59 * time.Second, ""},
		{"expired", here, time.Minute, refusedExpired},
		{"foreign", there, 0, refusedAddress},
	}
	for _, test := range tests {
		k := newTickets(time.Minute, false)
		nonce := k.issue(photon, []netip.Addr{here}, now)
		if !isNonce(nonce) {
			t.Fatalf("the nonce is %q", nonce)
		}
		device, no := k.spend(nonce, test.from, now.Add(test.after))
		if no != test.want || device != photon {
			t.Errorf("%s: %q %q", test.name, device, no)
		}
		if _, no := k.spend(nonce, here, now); no != refusedUnknown {
			t.Errorf("%s: used again it is %q", test.name, no)
		}
	}
	k := newTickets(time.Minute, true)
	if _, no := k.spend(k.issue(photon, []netip.Addr{here}, now), there, now); no != "" {
		t.Errorf("from any address: %q", no)
	}
}

func TestOddNoncesAreRefused(t *testing.T) {
	k := newTickets(time.Minute, true)
	now := time.Now()
	good := k.issue(photon, nil, now)
	for _, odd := range []string{"", "undefined", "__proto__", "constructor", strings.ToUpper(good), good + "0", good[:31], " " + good, strings.Repeat("0", 32)} {
		if strings.ToUpper(good) == good && odd == good {
			continue
		}
		if _, no := k.spend(odd, netip.Addr{}, now); no != refusedUnknown {
			t.Errorf("%q: %q", odd, no)
		}
	}
	if _, no := k.spend(good, netip.Addr{}, now); no != "" {
		t.Errorf("the good one: %q", no)
	}
}

func TestNoncesAreBounded(t *testing.T) {
	k := newTickets(time.Minute, true)
	now := time.Now()
	for i := range 3 * maxTickets {
		k.issue(fmt.Sprint("device", i), nil, now)
	}
	for range 1000 {
		k.issue(photon, nil, now)
	}
	if len(k.byHash) > maxTickets || len(k.order) > maxTickets+1000 || len(k.byDevice[photon]) > ticketsPerDevice {
		t.Errorf("held are %d, %d, %d", len(k.byHash), len(k.order), len(k.byDevice[photon]))
	}
	k.issue(core, nil, now.Add(time.Hour))
	if len(k.byHash) != 1 {
		t.Errorf("after an hour %d are held", len(k.byHash))
	}
}

func TestGuessesAreLimitedByAddressWithoutLockingADeviceOut(t *testing.T) {
	g := newGuesses()
	now := time.Unix(1e9, 0)
	one, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	over := 0
	for range 1000 {
		if g.wrong(one, now) {
			over++
		}
	}
	if over != 1000-guessBurst {
		t.Errorf("%d of 1000 were over", over)
	}
	if g.wrong(other, now) {
		t.Error("another address pays for it")
	}
	if g.wrong(one, now.Add(2*time.Second)) {
		t.Error("it never ends")
	}
	a := netip.MustParseAddr("10.1.0.0")
	for range 3 * maxStrangers {
		a = a.Next()
		g.wrong(a, now)
	}
	if len(g.perAddress) > maxStrangers {
		t.Errorf("%d addresses are held", len(g.perAddress))
	}
}
