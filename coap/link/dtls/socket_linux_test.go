package dtls

import (
	"context"
	"net"
	"testing"
	"time"
)

// A machine has many addresses. Who asks one of them is answered by that one, and by no other, as its socket takes nothing else.
func TestAnswersComeFromTheAddressThatWasAsked(t *testing.T) {
	for _, network := range []string{"udp", "udp4"} {
		conn, err := net.ListenPacket(network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		key := newKey(t)
		boxes := make(chan *inbox, 1)
		l := NewListener(NewSocket(conn.(*net.UDPConn)), Config{Key: key, Open: func(c *Conn) Receiver {
			box := &inbox{conn: c}
			boxes <- box
			return box
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Serve(ctx) }()

		_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
		nc, err := net.Dial("udp", "127.0.0.2:"+port)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(30 * time.Second))
		c := NewClient(time.Now(), ClientConfig{Key: newKey(t), ServerKey: &key.PublicKey})
		buffer := make([]byte, maxDatagram)
		read := func() []byte {
			n, err := nc.Read(buffer)
			if err != nil {
				t.Fatalf("%s: %v", network, err)
			}
			return buffer[:n]
		}
		for c.Session() == nil {
			for _, d := range c.Outbox() {
				nc.Write(d)
			}
			if err := c.Receive(time.Now(), read()); err != nil {
				t.Fatal(err)
			}
		}
		ping, _ := c.Session().Seal(nil, []byte("ping"))
		nc.Write(ping)
		if got, err := c.Session().Open(read()); err != nil || string(got) != "ping" {
			t.Errorf("%s: %q, %v", network, got, err)
		}
		if got := (<-boxes).conn.LocalAddr().String(); got != "127.0.0.2:"+port {
			t.Errorf("%s: our address is %s", network, got)
		}
		nc.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
