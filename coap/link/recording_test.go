package link

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"localcloud/coap/link/recording"
	"localcloud/keys"
)

// The recordings have the last word: they were made with Particle's own firmware. They are played over real sockets.

func eachRecording(t *testing.T, test func(t *testing.T, r recording.Recording)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "recordings", "tcp-*.txt"))
	if err != nil || len(files) != 4 {
		t.Fatalf("recordings: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r, err := recording.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			test(t, r)
		})
	}
}

// sockets returns the two ends of a TCP connection on the loopback interface.
func sockets(t *testing.T) (server, device *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, nc := range []net.Conn{dialled, accepted} {
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(time.Minute)) // only ends a test that would hang
	}
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}

func serverKey(t testing.TB, r recording.Recording) *rsa.PrivateKey {
	t.Helper()
	return privateKey(t, r.ServerKey)
}

func TestRecordedDevicesTalkToTheServer(t *testing.T) {
	for name, split := range map[string]func(chunks [][]byte) [][]byte{
		"a segment for each chunk": func(chunks [][]byte) [][]byte { return chunks },
		"a segment for each byte":  func(chunks [][]byte) [][]byte { return slices.Collect(slices.Chunk(bytes.Join(chunks, nil), 1)) },
		"all in one segment":       func(chunks [][]byte) [][]byte { return [][]byte{bytes.Join(chunks, nil)} },
	} {
		t.Run(name, func(t *testing.T) {
			eachRecording(t, func(t *testing.T, r recording.Recording) {
				accepted, device := sockets(t)
				sent := playDevice(t, device, r, split(r.WireFrom(recording.Device)))

				conn := acceptRecorded(t, accepted, r)
				for _, chunk := range r.Chunks {
					if chunk.Kind != recording.Frame {
						continue
					}
					if chunk.From == recording.Server {
						if err := conn.Write(chunk.Plain); err != nil {
							t.Fatalf("chunk %d: %v", chunk.Number, err)
						}
						continue
					}
					message, err := conn.Read()
					if err != nil || !bytes.Equal(message, chunk.Plain) {
						t.Fatalf("chunk %d: got %x, %v, want %x", chunk.Number, message, err, chunk.Plain)
					}
				}
				if _, err := conn.Read(); err != io.EOF {
					t.Errorf("after the last frame: %v", err)
				}
				conn.Close()
				checkSent(t, r, <-sent)
			})
		})
	}
}

// playDevice sends the pieces once the nonce is there, and returns all that the server sent.
func playDevice(t *testing.T, nc *net.TCPConn, r recording.Recording, pieces [][]byte) <-chan []byte {
	nonce := make([]byte, nonceSize)
	sent := make(chan []byte, 1)
	go func() {
		if _, err := io.ReadFull(nc, nonce); err != nil {
			t.Errorf("nonce: %v", err)
		}
		written := make(chan struct{})
		go func() {
			defer close(written)
			for _, piece := range pieces {
				if _, err := nc.Write(piece); err != nil {
					t.Errorf("device: %v", err)
					return
				}
			}
			nc.CloseWrite()
		}()
		rest, err := io.ReadAll(nc)
		if err != nil {
			t.Errorf("device: %v", err)
		}
		<-written
		sent <- append(nonce, rest...)
	}()
	return sent
}

func acceptRecorded(t *testing.T, nc net.Conn, r recording.Recording) *Conn {
	t.Helper()
	registered, err := keys.NewRSAPublicKey(&privateKey(t, r.DeviceKey).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{
		Key:  serverKey(t, r),
		Rand: io.MultiReader(bytes.NewReader(r.Chunk(recording.Nonce).Wire), bytes.NewReader(r.Session.Credentials)),
		Authorize: func(_ context.Context, a Attempt) (keys.PublicKey, error) {
			if a.ID.String() != r.DeviceID || !a.Offered.Equal(registered) || a.RemoteAddr != nc.RemoteAddr() {
				return keys.PublicKey{}, &Refusal{keys.ReasonOtherKey}
			}
			return registered, nil
		},
	}
	conn, err := server.Handshake(context.Background(), nc)
	if err != nil {
		t.Fatal(err)
	}
	if conn.DeviceID().String() != r.DeviceID || !conn.DeviceKey().Equal(registered) || conn.Salt() != [8]byte(r.Session.Salt) {
		t.Errorf("%v, key %v, salt %x", conn, conn.DeviceKey(), conn.Salt())
	}
	return conn
}

// checkSent compares everything that the server sent with the recording. The padding inside C is random, so C is
// decrypted and S verified; all else must be the same to the byte.
func checkSent(t *testing.T, r recording.Recording, sent []byte) {
	t.Helper()
	var frames []byte
	for _, wire := range r.WireFrom(recording.Server)[2:] {
		frames = append(frames, wire...)
	}
	if len(sent) != nonceSize+answerSize+len(frames) {
		t.Fatalf("%d bytes sent, %d recorded", len(sent), nonceSize+answerSize+len(frames))
	}
	answer := sent[nonceSize:][:answerSize]
	device := &Client{ServerKey: &serverKey(t, r).PublicKey, Key: privateKey(t, r.DeviceKey)}
	creds, err := device.openAnswer(answer[:sealedSize], answer[sealedSize:])
	if err != nil || !bytes.Equal(creds[:], r.Session.Credentials) {
		t.Errorf("answer: %x, %v", creds, err)
	}
	if !bytes.Equal(sent[:nonceSize], r.Chunk(recording.Nonce).Wire) || !bytes.Equal(sent[nonceSize+answerSize:], frames) {
		t.Error("other bytes than recorded")
	}
}

func TestRecordedServersTalkToTheClient(t *testing.T) {
	eachRecording(t, func(t *testing.T, r recording.Recording) {
		serverSide, deviceSide := sockets(t)
		done := make(chan error, 1)
		go func() { done <- playServer(serverSide, r, serverKey(t, r)) }()

		id, err := keys.ParseDeviceID(r.DeviceID)
		if err != nil {
			t.Fatal(err)
		}
		client := &Client{ServerKey: &serverKey(t, r).PublicKey, ID: id, Key: privateKey(t, r.DeviceKey)}
		conn, err := client.Handshake(context.Background(), deviceSide)
		if err != nil {
			t.Fatal(err)
		}
		hello := r.PlainFrom(recording.Device)[0]
		if got, want := conn.FirstMessageID(), binary.BigEndian.Uint16(hello[2:]); got != want {
			t.Errorf("first message id %04x, recorded %04x", got, want)
		}
		for _, chunk := range r.Chunks {
			if chunk.Kind != recording.Frame {
				continue
			}
			if chunk.From == recording.Device {
				if err := conn.Write(chunk.Plain); err != nil {
					t.Fatalf("chunk %d: %v", chunk.Number, err)
				}
				continue
			}
			message, err := conn.Read()
			if err != nil || !bytes.Equal(message, chunk.Plain) {
				t.Fatalf("chunk %d: got %x, %v, want %x", chunk.Number, message, err, chunk.Plain)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// playServer does what the recorded server did and compares what it gets, byte for byte but for the padding of the block.
func playServer(nc net.Conn, r recording.Recording, key *rsa.PrivateKey) error {
	for _, chunk := range r.Chunks {
		if chunk.From == recording.Server {
			if _, err := nc.Write(chunk.Wire); err != nil {
				return err
			}
			continue
		}
		wire := make([]byte, len(chunk.Wire))
		if _, err := io.ReadFull(nc, wire); err != nil {
			return err
		}
		got, want := wire, chunk.Wire
		if chunk.Kind == recording.HandshakeDevice {
			plain, ok := openBlock(key, (*[blockSize]byte)(wire))
			if !ok {
				return errors.New("the block does not decrypt")
			}
			got, want = plain, chunk.Plain
		}
		if !bytes.Equal(got, want) {
			return errors.New("chunk " + chunk.Kind + " differs from the recording")
		}
	}
	return nil
}

// The signature that a real server made and a real device accepted covers the HMAC as we compute it.
func TestRecordedSignaturesCoverOurHMAC(t *testing.T) {
	eachRecording(t, func(t *testing.T, r recording.Recording) {
		creds := credentials(r.Session.Credentials)
		answer := r.Chunk(recording.HandshakeServer).Wire
		mac := creds.mac(answer[:sealedSize])
		if err := verify(&serverKey(t, r).PublicKey, mac, answer[sealedSize:]); err != nil {
			t.Error(err)
		}
		signature, err := sign(serverKey(t, r), mac)
		if err != nil || !bytes.Equal(signature, answer[sealedSize:]) {
			t.Errorf("our signature differs from the recorded one, %v", err)
		}
	})
}
