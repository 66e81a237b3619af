package session

import (
	"strings"
	"testing"
	"testing/synctest"

	"localcloud/cloud"
	"localcloud/coap"
)

// showClaim lets the device show a claim code and returns whether it was told to forget it.
func (p *peer) showClaim(code cloud.ClaimCode) bool {
	p.t.Helper()
	p.received()
	p.send(eventFrom(p.nextID(), coap.NonConfirmable, "spark/device/claim/code", string(code)))
	for _, m := range p.received() {
		if ev, err := coap.ParseEvent(m); err == nil && strings.HasPrefix(ev.Name, "spark/device/claim/") {
			return true
		}
	}
	return false
}

func TestClaimCodeGivesTheDeviceToItsUser(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		change := func(f func(*cloud.Device)) {
			if _, err := s.registry.UpdateDevice(theID, func(d *cloud.Device, _ bool) error { f(d); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		code := func() cloud.ClaimCode {
			c, err := cloud.NewClaim(s.registry, s.owner, 0, s.hub.Clock().Now())
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		owner := func() cloud.UserID { d, _ := s.registry.Device(theID); return d.Owner }

		change(func(d *cloud.Device) { d.Owner = "" })
		p := s.connect(theID).listen()
		p.hello()
		synctest.Wait()
		s.happened()
		if p.showClaim("not good") || owner() != "" {
			t.Error("a code that is not good: forgotten, or claimed")
		}
		good := code()
		if !p.showClaim(good) || owner() != s.owner {
			t.Errorf("a good code: still shown, or the owner is %q", owner())
		}
		s.wantHappened() // no event carried the code
		p.send(eventFrom(p.nextID(), coap.NonConfirmable, "x", "1"))
		synctest.Wait()
		if ev := <-s.events.C; ev.Owner != s.owner {
			t.Errorf("its next event belongs to %q", ev.Owner)
		}
		if !p.showClaim(good) || owner() != s.owner {
			t.Error("the spent code of a claimed device is shown for ever")
		}

		change(func(d *cloud.Device) { d.Owner = "somebody else" })
		if p.showClaim(code()) || owner() != "somebody else" {
			t.Error("a device of somebody else was claimed, or told so")
		}
		if strings.Contains(s.log.String(), string(good)) {
			t.Error("the log holds the code")
		}
	})
}
