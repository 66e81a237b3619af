package relay

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestChunksAreTakenApart(t *testing.T) {
	for text, want := range map[string]string{
		"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n": "abcde", "a\n0123456789\n0\nTrailer: x\n\n": "0123456789", "0\r\n\r\n": "",
	} {
		for _, in := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			if got, err := io.ReadAll(newChunkedBody(in)); err != nil || string(got) != want {
				t.Errorf("%q is %q, %v", text, got, err)
			}
		}
	}
	for text, want := range map[string]error{
		"": io.ErrUnexpectedEOF, "5\r\nabc": io.ErrUnexpectedEOF, "3\r\nabc": io.ErrUnexpectedEOF, "0\r\n": io.ErrUnexpectedEOF,
		"x\r\n": errChunk, "-1\r\n": errChunk, "10000000000000000\r\n": errChunk, "3\r\nabcd\r\n": errChunk, "\r\n": errChunk,
		strings.Repeat("0", maxChunkLine+1): errChunk, "0\r\n" + strings.Repeat("A: b\r\n", maxTrailers): errChunk,
	} {
		if got, err := io.ReadAll(newChunkedBody(strings.NewReader(text))); !errors.Is(err, want) {
			t.Errorf("%.20q is %q, %v, want %v", text, got, err, want)
		}
	}
}

func TestALineWithinAnEndlessChunkIsSeenAtOnce(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	d := w.dial("POST /devices HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAuthorization: " + w.nonce(photon) + "\r\n\r\nFFFFFFFFFFFFFFFF\r\n1\n")
	data.wantLines("1")
	d.say("2\n")
	data.wantLines("2")
}
