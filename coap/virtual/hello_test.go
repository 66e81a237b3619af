package virtual

import (
	"bytes"
	"testing"
	"time"

	"localcloud/coap"
)

// The payloads of Device OS at these versions as they were observed over TCP.
func TestHelloIsThatOfTheRelease(t *testing.T) {
	tests := map[Version]string{
		Core045: "5002 id b168ff 0003ffff00000003",
		OS070:   "5002 id b168ff 0003ffff00000003",
		OS152:   "5002 id b168ff 0003ffff00060003",
		OS231:   "5002 id b168ff 0003ffff00360003",
		OS331:   "5002 id b168ff 0003ffff00360003 0000 0ce6 03c0 00019000 0200",
		OS620:   "5002 id b168ff 0003ffff00360003 0000 1838 0480 00a00000 0200",
	}
	for _, os := range Versions() {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.run(New(w.config(os)))
				w.accept().wantHex(tests[os])
			})
		})
	}
}

func TestHelloSaysTheProduct(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS152)
		cfg.PlatformID, cfg.ProductID, cfg.ProductVersion = 0, 0x1234, 7
		w.run(New(cfg))
		w.accept().wantHex("5002 id b168ff 1234 0007 0006 0006") // platform 6, a Photon, when none is given
	})
}

// The observed order of what is said after Hello; the Core's from its source.
func TestBurstIsThatOfTheRelease(t *testing.T) {
	hardware := []string{
		`NON POST E/spark/hardware/max_binary id=%04x payload="102400"`,
		`NON POST E/spark/hardware/ota_chunk_size id=%04x payload="512"`,
	}
	updates := []string{
		`NON POST E/particle/device/updates/enabled id=%04x payload="true"`,
		`NON POST E/particle/device/updates/forced id=%04x payload="false"`,
	}
	claim := `NON POST E/spark/device/claim/code id=%04x payload=secret(6 bytes)`
	app := `payload="{\"f\":[\"led\"],\"v\":{}}"`
	tests := map[Version][]string{
		Core045: {
			claim, hardware[0], hardware[1],
			`CON GET e/spark id=%04x`, `CON GET e/news id=%04x`,
			`CON GET t id=%04x tok=01`,
		},
		OS070: {
			claim, hardware[0], hardware[1],
			`CON GET e/spark id=%04x`, `CON GET e/news id=%04x`,
			`CON GET t id=%04x tok=01`,
		},
		OS152: {
			claim, hardware[0], hardware[1], updates[0], updates[1],
			`CON GET e/spark "u" id=%04x`, `CON GET e/particle "u" id=%04x`, `CON GET e/news id=%04x`,
			`CON GET t id=%04x tok=01`,
		},
		OS231: {
			`CON POST d "\x01" id=%04x payload="{\"p\":3,\"m\":[]}"`,
			claim, hardware[0], hardware[1], updates[0], updates[1],
			`CON GET t id=%04x tok=01`,
			`CON POST d "\x02" id=%04x ` + app,
			`CON GET e/particle "u" id=%04x`, `CON GET e/spark "u" id=%04x`, `CON GET e/news id=%04x`,
		},
		OS331: {
			`CON POST d "\x01" id=%04x tok=01 payload="{\"p\":3,\"m\":[]}"`,
			claim, updates[0], updates[1],
			`CON GET t id=%04x tok=02`,
			`CON POST d "\x02" id=%04x tok=03 ` + app,
			`CON GET e/particle "u" id=%04x`, `CON GET e/spark "u" id=%04x`, `CON GET e/news id=%04x`,
		},
		OS620: {
			`CON POST d "\x01" id=%04x tok=01 format=42 payload=61:0a19080218e8072880808005351e0000003d1e00000058848080050a20080318...`,
			claim,
			`CON GET t id=%04x tok=02`,
			updates[0], updates[1],
			`CON POST d "\x02" id=%04x tok=03 ` + app,
			`NON GET e/particle id=%04x`, `NON GET e/spark id=%04x`, `NON GET e/news id=%04x`,
		},
	}
	for _, os := range Versions() {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				cfg := w.config(os)
				cfg.ClaimCode = "SECRET"
				d := New(cfg)
				d.Function("led", func(string) int32 { return 0 })
				d.Subscribe("news", SubscribeOptions{}, func(Event) {})
				w.run(d)
				p := w.accept()
				p.get() // Hello, with id 0001
				p.hello()
				p.want(numbered(2, tests[os])...)
				p.silent(time.Second)
			})
		})
	}
}

func TestClaimCodeIsForgottenWhenTheServerHasIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.ClaimCode, cfg.Reconnect = "SECRET", true
		w.run(New(cfg))
		p := w.accept()
		p.get()
		p.hello()
		p.get() // POST d
		p.want(`NON POST E/spark/device/claim/code id=0003 payload=secret(6 bytes)`)
		p.event("spark/device/claim/code/ok", "")
		p.discard()
		p.link.Close()

		p = w.accept()
		p.get()
		p.hello()
		p.get()
		p.want(`NON POST E/particle/device/updates/enabled id=0003 payload="true"`)
	})
}

func TestMessageIDsComeFromTheSalt(t *testing.T) {
	// From the credentials, which follow the nonce.
	credentials := make([]byte, 80)
	copy(credentials[72:], []byte{0x12, 0x34, 0x56})
	for os, want := range map[Version]string{
		OS070:   `NON POST h id=3413 payload=8:0003ffff00000003`, // little-endian, plus one
		Core045: `NON POST h id=1235 payload=8:0003ffff00000003`,
	} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.server.Rand = bytes.NewReader(credentials)
				d := New(w.config(os))
				w.run(d)
				p := w.accept()
				p.want(want)
				p.hello()
				for {
					m := p.get()
					if m.Kind(coap.FromDevice) != coap.KindTime {
						continue
					}
					if want := map[Version]byte{OS070: 0x01, Core045: 0x57}[os]; m.Token[0] != want {
						t.Errorf("first token %02x, want %02x", m.Token[0], want)
					}
					return
				}
			})
		})
	}
}

func TestDeviceGivesUpWithoutHello(t *testing.T) {
	for os, wait := range map[Version]time.Duration{Core045: 2 * time.Second, OS331: 4 * time.Second} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				over := w.run(New(w.config(os)))
				w.accept().get()
				start := time.Now()
				if err := <-over; err != ErrNoHello {
					t.Errorf("Run = %v, want ErrNoHello", err)
				}
				if got := time.Since(start); got != wait {
					t.Errorf("gave up after %v, want %v", got, wait)
				}
			})
		})
	}
}

func TestDeviceIsOnlineFromHelloOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS331))
		met := make(chan struct{})
		d.OnOnline(func() { close(met) })
		w.run(d)
		p := w.accept()
		p.get()
		if d.Online() {
			t.Error("online before the server's Hello")
		}
		if err := d.Publish(t.Context(), Event{Name: "x"}); err != ErrOffline {
			t.Errorf("Publish before Hello = %v, want ErrOffline", err)
		}
		// Not even a request of the server makes it online.
		p.send(coap.VariableMessage(p.newID(), 9, "none"))
		p.want("ACK empty id=7001", "NON 4.04 id=0002 tok=09")
		if d.Online() {
			t.Error("online by a request")
		}
		p.send(coap.HelloMessage(coap.Confirmable, p.newID(), nil))
		p.want("ACK empty id=7002")
		<-met
		if !d.Online() {
			t.Error("not online after the server's Hello")
		}
		p.discard()
		p.hello() // again
		p.silent(time.Second)
	})
}
