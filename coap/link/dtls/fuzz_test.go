package dtls

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// seeds are all datagrams of the recordings, and the handshake messages in them.
func seeds(f *testing.F, add func(datagram, message []byte)) {
	for _, name := range udpRecordings {
		for _, d := range openRecording(f, name).Datagrams {
			add(d.Wire, nil)
			for wire := d.Wire; len(wire) > 0; {
				r, rest, err := parseRecord(wire)
				if err != nil {
					break
				}
				if wire = rest; r.epoch == 0 && r.kind == typeHandshake {
					add(d.Wire, r.body)
				}
			}
		}
	}
}

// Whatever comes, a Listener and a session drop it or take it, and what a record parses to is what was there.
func FuzzDatagram(f *testing.F) {
	seeds(f, func(datagram, _ []byte) { f.Add(datagram) })
	l := NewListener(newNetwork().listen(server), Config{Key: newKey(f), Open: func(c *Conn) Receiver { return &inbox{conn: c} }})
	from := netip.MustParseAddrPort("10.0.0.9:9")
	known := sessionOf(openRecording(f, "udp-v6.2.0.txt"), true)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, rest, err := parseRecord(b); err == nil && len(b) > 3 && b[1] == 0xfe && b[2] == 0xfd {
			if again := append(r.appendTo(nil), rest...); !bytes.Equal(again, b) {
				t.Errorf("%x is written as %x", b, again)
			}
		}
		session := *known
		_, _ = session.Open(bytes.Clone(b))
		l.receive(bytes.Clone(b), from)
		for _, h := range l.handshakes {
			for len(h.waiting) > 0 {
				h.receive(time.Now(), <-h.waiting)
			}
		}
	})
}

// Every parser of handshake messages takes any bytes; a server and a device in a handshake too.
func FuzzHandshakeMessage(f *testing.F) {
	seeds(f, func(_, message []byte) {
		if message != nil {
			f.Add(message)
		}
	})
	key := newKey(f)
	shapes := openRecording(f, "udp-v6.2.0.txt").Datagrams[2]
	r, _, _ := parseRecord(shapes.Wire)
	hello, first, _ := readClientHello(&r)
	f.Fuzz(func(t *testing.T, b []byte) {
		if fr, _, err := parseFragment(b); err == nil && len(fr.bytes) == fr.length {
			if again := appendMessage(nil, fr.kind, fr.sequence, fr.bytes); !bytes.HasPrefix(b, again) {
				t.Errorf("%x is written as %x", b, again)
			}
			body := fr.bytes
			_, _ = parseClientHello(body)
			if h, err := parseServerHello(body); err == nil && len(h.sessionID) > 255 {
				t.Error("session id")
			}
			_, _ = parseHelloVerifyRequest(body)
			_, _, _ = parseServerKeyExchange(body)
			_ = parseCertificateRequest(body)
			_, _ = deviceKey(body)
			_, _ = parseClientKeyExchange(body)
			_, _ = parseSignature(body)
		}
		datagram := (&record{kind: typeHandshake, body: b}).appendTo(nil)
		if hs, err := beginServerHandshake(key, CID{}, 1, first, &hello); err == nil {
			_, _ = hs.receive(day, datagram)
			if hs.done {
				t.Error("done without any proof")
			}
		}
		c := NewClient(day, ClientConfig{Key: key, ServerKey: &key.PublicKey})
		if err := c.Receive(day, datagram); err == nil && c.Session() != nil {
			t.Error("a session without a key exchange")
		}
	})
}

func FuzzStoredSession(f *testing.F) {
	s := sessionOf(openRecording(f, "udp-v6.2.0.txt"), true)
	s.peer, s.limit = testPeer(f), 9
	counters, _ := s.Counters(nil)
	f.Add(s.Secrets(), counters)
	f.Fuzz(func(t *testing.T, secrets, counters []byte) {
		s, err := RestoreSession(secrets, counters)
		if err != nil {
			return
		}
		if again := s.Secrets(); !bytes.Equal(again[:secretsSize], append([]byte{1, secrets[1] & 1}, secrets[2:secretsSize]...)) {
			t.Errorf("%x is stored as %x", secrets, again)
		}
		if _, err := s.Seal(nil, nil); err == nil {
			t.Error("sent before it was stored again")
		}
	})
}
