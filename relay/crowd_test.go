package relay

import (
	"net/netip"
	"testing"
)

func TestOneAddressNeverTakesAllPlaces(t *testing.T) {
	c := newCrowd(4, 2)
	greedy, other, third := netip.MustParseAddr("192.168.1.66"), netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("192.168.1.8")
	for i, test := range []struct {
		from netip.Addr
		want bool
	}{{greedy, true}, {greedy, true}, {greedy, false}, {other, true}, {third, true}, {third, false}} {
		if got := c.enter(test.from); got != test.want {
			t.Errorf("%d: %v enters: %v", i, test.from, got)
		}
	}
	if in, refused := c.count(); in != 4 || refused != 2 {
		t.Errorf("%d are in, %d were kept out", in, refused)
	}
	c.leave(greedy)
	if !c.enter(third) || len(c.each) != 3 {
		t.Errorf("a place that is free again is not given away: %v", c.each)
	}
}
