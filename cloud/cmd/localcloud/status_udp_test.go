package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"localcloud/coap/link/dtls"
)

func TestStatusCountsWhatIsDroppedOverUDP(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	s := serve(t, data)
	if out := command(t, "status", "--data", data); !strings.Contains(out, s.UDP+" (UDP)") || strings.Contains(out, "dropped there") {
		t.Errorf("before anything came:\n%s", out)
	}
	nc, err := net.Dial("udp", s.UDP)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	unknown := append([]byte{25, 0xfe, 0xfd, 0, 1}, make([]byte, 60)...) // a record of a session that nobody has
	for _, datagram := range [][]byte{[]byte("this is no DTLS at all"), unknown, unknown} {
		if _, err := nc.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
	want := "dropped there:     2 of no session that is known here, 1 no DTLS"
	for end := time.Now().Add(10 * time.Second); ; {
		out := command(t, "status", "--data", data)
		if strings.Contains(out, want) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("status lacks %q:\n%s", want, out)
		}
	}
}

func TestEachReasonForDroppingHasAWord(t *testing.T) {
	got := droppedUDP(&dtls.Stats{Unknown: 1, Replayed: 2, Forged: 3, Malformed: 4, Busy: 5, Crowded: 6, Datagrams: 99, Sessions: 7})
	if n := strings.Count(got, ", "); n != 6 || !strings.HasPrefix(got, "1 of no session") || !strings.Contains(got, "6 handshakes") {
		t.Errorf("%q", got)
	}
}
