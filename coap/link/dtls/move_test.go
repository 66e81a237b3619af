package dtls

import (
	"net/netip"
	"testing"

	"localcloud/keys"
)

func TestASessionMovesInAllForms(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shape Shape
		form  Form
	}{
		{"3.1 to 3.3: ordinary CID record", ShapeCID, FormPlain},
		{"4.0 and later: type 253", ShapeCID, FormMovedCID},
		{"0.5 to 3.0: type 254", ShapeOld, FormMoved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				d := w.connect("10.0.0.2:1000", tt.shape)
				d.id = keys.DeviceID{1, 2, 3}
				d.box.conn.Bind(d.id, d.box.conn.PeerKey())
				d.say("before")
				d.want("before")

				d.socket = w.net.listen(netip.MustParseAddrPort("10.9.9.9:77"))
				d.form = tt.form
				for _, m := range []string{"ping", "event", "event 2"} { // all in that form before the first answer
					d.say(m)
				}
				for _, m := range []string{"ping", "event", "event 2"} {
					d.want(m)
				}
				d.form = FormPlain
				d.say("after")
				d.want("after")
				if got := d.box.conn.RemoteAddr().String(); got != "10.9.9.9:77" {
					t.Errorf("address %s", got)
				}
			})
		})
	}
}

func TestAnOldSessionWithoutMoveIsNotFoundFromAnotherAddress(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect("10.0.0.2:1000", ShapeOld)
		d.socket = w.net.listen(netip.MustParseAddrPort("10.0.0.2:1001"))
		d.say("lost")
		d.silence()
		if stats := w.listener.Stats(); stats.Unknown != 1 {
			t.Errorf("%+v", stats)
		}
	})
}
