package coap

import (
	"strings"
	"testing"
	"unicode"
)

func TestStringIsOneReadableLine(t *testing.T) {
	for bytes, want := range map[string]string{
		`41 02 6e09 10 b1 66 03 "led" 42 "on"`:                             `CON POST f/led "on" id=6e09 tok=10`,
		`41 02 6e0c 13 b1 66 06 "length" 40`:                               `CON POST f/length "" id=6e0c tok=13`,
		`50 02 f97a b1 45 09 "vdev/tick" 33 000e10 ff "{" 22 "n" 22 ":0}"`: `NON POST E/vdev/tick id=f97a max-age=3600 payload="{\"n\":0}"`,
		`50 02 6e13 b1 65 08 "particle" 06 "device" 04 "name"`:             `NON POST e/particle/device/name id=6e13`,
		`60 00 f96f`:                `ACK empty id=f96f`,
		`40 00 f995`:                `CON empty id=f995`,
		`70 00 f995`:                `RST empty id=f995`,
		`61 45 f972 3d ff 6b00fea1`: `ACK 2.05 id=f972 tok=3d payload=4:6b00fea1`,
		`51 84 f987 0f`:             `NON 4.04 id=f987 tok=0f`,
		`41 01 6dfc 03 b1 64 41 02`: `CON GET d "\x02" id=6dfc tok=03`,
		`41 02 757f d4 b1 64 11 2a 31 01 c1 1e ff 0a19`:                            `CON POST d "\x01" id=757f tok=d4 format=42 block1=1/1/1024 payload=2:0a19`,
		`41 45 1234 07 41 09 81 2a b1 06 ff 0a`:                                    `CON 2.05 id=1234 tok=07 etag=09 format=42 block2=0/0/1024 payload="\n"`,
		`50 02 1234 b1 78 d0 ea ff 00`:                                             `NON POST x id=1234 no-response payload=1:00`,
		`41 41 1234 07 e2 06f8 0100 40`:                                            `CON 2.01 id=1234 tok=07 opt2053=256 opt2057=0`,
		`40 01 1234 c5 0000000001 25 0000000002 91 07`:                             `CON GET id=1234 format=0x0000000001 max-age=0x0000000002 block2=0x07`,
		`50 02 1234 b1 65 01 "x" ff "a b" 0d0a 09 "c"`:                             `NON POST e/x id=1234 payload="a b\r\n\tc"`,
		`50 02 1234 b1 65 01 "x" ff "a" 1f`:                                        `NON POST e/x id=1234 payload=2:611f`,
		`50 02 1234 b1 45 05 "spark" 06 "device" 05 "claim" 04 "code" ff "s3cret"`: `NON POST E/spark/device/claim/code id=1234 payload=secret(6 bytes)`,
		`40 04 1234`:                       `CON DELETE id=1234`,
		`40 01 1234 b1 65 05 "a b" 0a "c"`: `CON GET "e/a b\nc" id=1234`,
		`40 01 1234 b1 65 07 "x id=99"`:    `CON GET "e/x id=99" id=1234`,
		`40 01 1234 b1 65 02 ff41`:         `CON GET "e/\xffA" id=1234`,
	} {
		if got := parse(t, bytes).String(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestStringOfHostileMessageStaysOneLineAndShort(t *testing.T) {
	evil := "\r\ndata: x\x1b[2J\u2028\x00\xff\u202e"
	m := FunctionMessage(1, 2, strings.Repeat(evil, 90), strings.Repeat(evil, 90))
	m.Payload = []byte(strings.Repeat(evil, 900))
	m = m.With(2061, []byte(strings.Repeat(evil, 90))).With(23, []byte(evil)).With(4, []byte(evil))
	many := Message{}
	for range 256 {
		many = many.With(15, []byte(evil))
	}
	for _, m := range []Message{m, many} {
		line := m.String()
		if len(line) > 1003 {
			t.Errorf("%d bytes", len(line))
		}
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Errorf("%U in %s", r, line)
			}
		}
	}
}

func TestLongTextIsCutBetweenCharacters(t *testing.T) {
	for n := range 8 {
		s := strings.Repeat("x", n) + strings.Repeat("é€😀", 20)
		line := Message{Payload: []byte(s)}.String()
		if strings.Contains(line, `\x`) || !strings.Contains(line, "bytes)") {
			t.Error(line)
		}
	}
}

func TestLongPathAndBrokenTextAreCut(t *testing.T) {
	long := strings.Repeat("n", 100)
	for want, m := range map[string]Message{
		`CON GET "v/` + long[:62] + `"...(102 bytes) id=0001 tok=02`:                     VariableMessage(1, 2, long),
		`CON POST f/x "` + strings.Repeat(`\x80`, 64) + `"...(100 bytes) id=0001 tok=02`: FunctionMessage(1, 2, "x", strings.Repeat("\x80", 100)),
		`ACK 2.05 id=0001 tok=02 payload=100:` + strings.Repeat("80", 32) + `...`:        VariableReturn(Acknowledgement, 1, 2, []byte(strings.Repeat("\x80", 100))),
	} {
		if got := m.String(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestTypeNames(t *testing.T) {
	if got := Confirmable.String() + NonConfirmable.String() + Acknowledgement.String() + Reset.String() + Type(7).String(); got != "CONNONACKRSTType(7)" {
		t.Error(got)
	}
}
