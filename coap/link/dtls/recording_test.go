package dtls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"localcloud/coap/link/recording"
	"localcloud/keys"
)

var udpRecordings = []string{"udp-v3.3.1.txt", "udp-v3.3.1-resume.txt", "udp-v6.2.0.txt"}

func openRecording(t testing.TB, name string) recording.Recording {
	t.Helper()
	r, err := recording.Open("../testdata/recordings/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sessionOf is one side of a recorded session, as it was after the handshake.
func sessionOf(r recording.Recording, server bool) *Session {
	s := &Session{server: server, useCID: true, cid: CID(r.Session.CIDDeviceToServer), limit: noLimit}
	copy(s.keys[:], bytes.Join([][]byte{
		r.Session.ClientWriteKey, r.Session.ServerWriteKey, r.Session.ClientWriteIV, r.Session.ServerWriteIV,
	}, nil))
	return s
}

func TestKeysOfRecordedSessionsFollowFromTheMasterSecret(t *testing.T) {
	for _, name := range udpRecordings {
		r := openRecording(t, name)
		s := r.Session
		if got := newKeyBlock(s.MasterSecret, s.ClientRandom, s.ServerRandom); got != sessionOf(r, true).keys {
			t.Errorf("%s: key block %x", name, got)
		}
	}
}

func TestRecordedRecordsOpenAndSealToTheSameBytes(t *testing.T) {
	for _, name := range udpRecordings {
		r := openRecording(t, name)
		server, device := sessionOf(r, true), sessionOf(r, false)
		opened := 0
		for _, d := range r.Datagrams {
			wire, _ := normalize(bytes.Clone(d.Wire))
			for i := 0; len(wire) > 0; i++ {
				rec, rest, err := parseRecord(wire)
				if err != nil {
					t.Fatalf("%s: datagram %d: %v", name, d.Number, err)
				}
				wire = rest
				if rec.epoch == 0 {
					continue
				}
				opened++
				from, to := device, server
				if d.From == recording.Server {
					from, to = server, device
				}
				was := d.Wire[d.Records[i].Offset:][:d.Records[i].Length]
				kind, content, _, err := to.open(&rec)
				if err != nil || !bytes.Equal(content, d.Records[i].Plain) {
					t.Fatalf("%s: datagram %d: %x, %v, want %x", name, d.Number, content, err, d.Records[i].Plain)
				}
				from.next = rec.number
				again, err := from.seal(nil, kind, content)
				if was[0] == typeMovedCID {
					FormMovedCID.Resumed(again, keys.DeviceID{})
				}
				if err != nil || !bytes.Equal(again, was) {
					t.Errorf("%s: datagram %d: sealed %x, %v, want %x", name, d.Number, again, err, was)
				}
			}
		}
		if opened < 30 {
			t.Errorf("%s: only %d records were protected", name, opened)
		}
	}
}

func TestRecordedRecordsAreRefusedTheSecondTime(t *testing.T) {
	r := openRecording(t, "udp-v6.2.0.txt")
	server := sessionOf(r, true)
	for _, want := range []error{nil, errReplayed} {
		for _, d := range r.Datagrams {
			wire, _ := normalize(bytes.Clone(d.Wire))
			rec, _, err := parseRecord(wire)
			if d.From != recording.Device || err != nil || rec.epoch == 0 {
				continue
			}
			if _, _, _, err := server.open(&rec); err != want {
				t.Errorf("datagram %d: %v, want %v", d.Number, err, want)
			}
		}
	}
}

func TestClientHellosOfAllReleasesAreRecognised(t *testing.T) {
	r := openRecording(t, "clienthello.txt")
	hellos := 0
	for _, s := range r.Sections {
		if s.Name != "clienthello" {
			continue
		}
		hellos++
		wire, err := hex.DecodeString(s.Values["wire"])
		if err != nil {
			t.Fatal(err)
		}
		rec, rest, err := parseRecord(wire)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%s: %v", s.Argument, err)
		}
		h, _, ok := readClientHello(&rec)
		if !ok || !h.suits() || !h.isParticle() {
			t.Errorf("%s: whole %v, suits %v, a device's %v", s.Argument, ok, h.suits(), h.isParticle())
		}
		if withCID := s.Argument >= "3.1"; withCID != (h.cid != nil) {
			t.Errorf("%s: connection id %v", s.Argument, h.cid)
		}
		shape := ShapeOld
		switch {
		case s.Argument == "0.7.0":
			shape = Shape070
		case s.Argument >= "3.1":
			shape = ShapeCID
		}
		c := &Client{cfg: ClientConfig{Shape: shape}, clientRandom: h.random}
		c.hello(day)
		if ours := c.Outbox()[0]; !bytes.Equal(ours, wire) {
			t.Errorf("%s: our client says\n%x, the device\n%x", s.Argument, ours, wire)
		}
	}
	if hellos != 5 {
		t.Errorf("%d ClientHellos", hellos)
	}
}

// What the recorded server said parses by our rules, its proofs hold, and ours has the same form.
func TestRecordedFlightsHoldTogether(t *testing.T) {
	for _, name := range udpRecordings {
		r := openRecording(t, name)
		serverKey, err := keys.ParseDevicePrivateKey(r.ServerKey)
		if err != nil {
			t.Fatal(err)
		}
		var transcript []byte
		var hello serverHello
		for _, d := range r.Datagrams[2:6] {
			for wire := bytes.Clone(d.Wire); len(wire) > 0; {
				rec, rest, err := parseRecord(wire)
				if err != nil {
					t.Fatal(err)
				}
				wire = rest
				if rec.kind == typeChangeCipherSpec {
					continue
				}
				body := rec.body
				if rec.epoch == 1 {
					s := sessionOf(r, d.From == recording.Device)
					if _, body, _, err = s.open(&rec); err != nil {
						t.Fatal(err)
					}
				}
				f, _, err := parseFragment(body)
				if err != nil {
					t.Fatal(err)
				}
				switch f.kind {
				case msgServerHello:
					if hello, err = parseServerHello(f.bytes); err != nil {
						t.Fatal(err)
					}
					ours := serverHello{random: hello.random, sessionID: hello.sessionID, cid: hello.cid, pointFormats: true, renegotiate: true}
					if got := ours.append(nil); !bytes.Equal(got, f.bytes) {
						t.Errorf("%s: ServerHello: ours %x, theirs %x", name, got, f.bytes)
					}
				case msgServerKeyExchange:
					point, signature, err := parseServerKeyExchange(f.bytes)
					digest := sha256.Sum256(signedParams(r.Session.ClientRandom, hello.random[:], point))
					if err != nil || !ecdsa.VerifyASN1(&serverKey.(*ecdsa.PrivateKey).PublicKey, digest[:], signature) {
						t.Errorf("%s: ServerKeyExchange: %v", name, err)
					}
				case msgCertificateRequest:
					if err := parseCertificateRequest(f.bytes); err != nil {
						t.Error(err)
					}
				case msgCertificate:
					if key, err := deviceKey(f.bytes); err != nil || key.IsZero() {
						t.Errorf("%s: Certificate: %v", name, err)
					}
				case msgFinished:
					label := clientFinished
					if d.From == recording.Server {
						label = serverFinished
					}
					if want := verifyData(r.Session.MasterSecret, label, transcript); !bytes.Equal(want[:], f.bytes) {
						t.Errorf("%s: %s: %x, want %x", name, label, f.bytes, want)
					}
				}
				transcript = append(transcript, body...)
			}
		}
	}
}
