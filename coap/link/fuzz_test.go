package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"localcloud/keys"
)

// pieces is a reader that hands out its bytes in pieces of a given size, with a timeout before each.
type pieces struct {
	rest    []byte
	size    int
	waiting bool
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.waiting = !p.waiting; p.waiting {
		return 0, os.ErrDeadlineExceeded
	}
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// FuzzFrame compares Read, fed in pieces and interrupted by a timeout before each, with a decoder that has the whole
// stream at once.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{}, uint8(1))
	f.Add(stream(f, "one", "two", "", "and a longer one that takes several blocks"), uint8(3))
	f.Add(append(stream(f, "one"), 0, 16, 1, 2, 3), uint8(200))
	f.Add(append(stream(f, "one"), make([]byte, 18)...), uint8(16))
	f.Add([]byte{0, 0}, uint8(0))
	f.Add([]byte{0xff, 0xf0, 0}, uint8(7))
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		want, wantErr := decode(testCredentials, bytes.Clone(input), DefaultMaxFrame)
		creds := testCredentials
		c := newConn(&script{in: &pieces{rest: input, size: int(size) + 1}}, &creds, keys.DeviceID{}, keys.PublicKey{}, newBuffers(0))
		for {
			message, err := c.Read()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			if err != nil {
				if err != wantErr || len(want) != 0 {
					t.Fatalf("%v with %d messages to come, want %v", err, len(want), wantErr)
				}
				return
			}
			if len(want) == 0 || !bytes.Equal(message, want[0]) {
				t.Fatalf("read %x, want %x", message, want)
			}
			want = want[1:]
		}
	})
}

// knockScript is a device that has sent everything in advance, which it can when it knows the nonce.
type knockScript struct{ script }

func (*knockScript) RemoteAddr() net.Addr        { return nil }
func (*knockScript) SetDeadline(time.Time) error { return nil }

// FuzzHandshakeBlock plays a device that sends anything at all under the server's key, or instead of it.
func FuzzHandshakeBlock(f *testing.F) {
	c := newCast(f)
	nonce := make([]byte, nonceSize)
	f.Add(append(append(bytes.Clone(nonce), c.id[:]...), c.device.DER()...), true)
	f.Add(append(append(bytes.Clone(nonce), c.id[:]...), "-----BEGIN PUBLIC KEY-----"...), true)
	f.Add(append(append(bytes.Clone(nonce), c.id[:]...), 0x30, 0x81, 0xff), true)
	f.Add(append(bytes.Clone(nonce), c.id[:]...), true)
	f.Add(nonce, true)
	f.Add([]byte{}, true)
	f.Add(bytes.Repeat([]byte{0xff}, blockSize), false)
	f.Fuzz(func(t *testing.T, sent []byte, seal bool) {
		block := make([]byte, blockSize)
		if seal {
			sent = sent[:min(len(sent), blockSize-11)]
			block = c.block(t, nil, sent)
		} else {
			copy(block, sent)
		}
		var asked *Attempt
		s := c.server()
		s.Rand = zeros(nonceSize + len(credentials{}))
		s.once.Do(func() { s.decoy, s.buffers, s.work = &c.otherKey.PublicKey, newBuffers(0), newWork() }) // saves making a decoy
		s.Authorize = func(_ context.Context, a Attempt) (keys.PublicKey, error) {
			asked = &a
			return keys.PublicKey{}, &Refusal{keys.ReasonUnknownDevice}
		}
		nc := &knockScript{script{in: bytes.NewReader(block)}}
		conn, err := s.Handshake(context.Background(), nc)
		failure, ok := errors.AsType[*HandshakeError](err)
		if !ok || conn != nil || nc.out.Len() != nonceSize+answerSize {
			t.Fatalf("%v, %v, %d bytes sent", conn, err, nc.out.Len())
		}
		ours := seal && len(sent) >= nonceSize+idSize && bytes.Equal(sent[:nonceSize], nonce)
		if asked != nil && (!ours || asked.ID != keys.DeviceID(sent[nonceSize:])) {
			t.Fatalf("asked about %+v", asked)
		}
		if k := failure.Knock; ours && k.ID != keys.DeviceID(sent[nonceSize:]) || !seal && !k.ID.IsZero() {
			t.Fatalf("record %+v", k)
		}
		if what, next := failure.Knock.Explain(); what == "" || next == "" {
			t.Fatalf("%s is not explained", failure.Knock.Reason)
		}
	})
}
