package sse

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var published = time.Date(2015, 7, 18, 0, 12, 18, 174_900_000, time.UTC)

const core = "0123456789abcdef01234567"

func TestParticleFrameIsToTheByteWhatTheOfficialCloudSends(t *testing.T) {
	tests := []struct {
		what string
		id   uint64
		name string
		data []byte
		want string
	}{
		{"the example of the reference", 0, "temperature", []byte("25.34"),
			"event: temperature\n" + `data: {"data":"25.34","ttl":60,"published_at":"2015-07-18T00:12:18.174Z","coreid":"0123456789abcdef01234567"}` + "\n\n"},
		{"an id stands before the event", 1437178338174000, "t", []byte("1"),
			"id: 1437178338174000\nevent: t\n" + `data: {"data":"1","ttl":60,"published_at":"2015-07-18T00:12:18.174Z","coreid":"0123456789abcdef01234567"}` + "\n\n"},
		{"no data", 0, "t", nil,
			"event: t\n" + `data: {"data":null,"ttl":60,"published_at":"2015-07-18T00:12:18.174Z","coreid":"0123456789abcdef01234567"}` + "\n\n"},
		{"empty data", 0, "t", []byte{},
			"event: t\n" + `data: {"data":"","ttl":60,"published_at":"2015-07-18T00:12:18.174Z","coreid":"0123456789abcdef01234567"}` + "\n\n"},
	}
	for _, tt := range tests {
		got := AppendParticle(nil, tt.id, tt.name, tt.data, 60, published, core)
		if string(got) != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.what, got, tt.want)
		}
	}
}

func TestDataIsASCIIAndMeansTheSame(t *testing.T) {
	tests := []struct{ data, want string }{
		{`a "quoted" \ text`, `"a \"quoted\" \\ text"`},
		{"line\nline\r\ttab", `"line\nline\r\ttab"`},
		{"\x00\x1f\x7f", `"\u0000\u001f\u007f"`},
		{"grün", `"gr\u00fcn"`},
		{"\u2028\u2029", `"\u2028\u2029"`},
		{"😀", `"\ud83d\ude00"`},
		{"\U00010000\U0010ffff", `"\ud800\udc00\udbff\udfff"`},
		{"a\xffb\xc3", `"a\ufffdb\ufffd"`},
		{"\xed\xa0\x80", `"\ufffd\ufffd\ufffd"`}, // a surrogate in UTF-8
		{"</script>&", `"</script>&"`},
	}
	for _, tt := range tests {
		got := string(appendJSON(nil, []byte(tt.data)))
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.data, got, tt.want)
		}
		var back string
		if err := json.Unmarshal([]byte(got), &back); err != nil || back != each(tt.data) {
			t.Errorf("%q reads as %q, %v", tt.data, back, err)
		}
	}
}

func TestNameCannotForgeAField(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n", "\x00", "\x0b", "\x0c", "\x1c", "\x1e", "\x7f", "\u0085", "\u2028", "\u2029", "\xff"} {
		name := "x" + end + "data: {}" + end + end + "event: y"
		got := string(AppendParticle(nil, 7, name, []byte("1"), 60, published, core))
		if strings.Contains(got, end) && end != "\n" {
			t.Errorf("%q is still in the frame %q", end, got)
		}
		if n := strings.Count(got, "\n"); n != 4 {
			t.Errorf("%q: the frame has %d lines, want 4: %q", end, n, got)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q: the frame is not UTF-8: %q", end, got)
		}
		if !strings.Contains(got, "event: x\ufffd") {
			t.Errorf("%q: want U+FFFD in its place: %q", end, got)
		}
	}
}

func TestAppendEvent(t *testing.T) {
	tests := []struct {
		f    Frame
		want string
	}{
		{Frame{Data: []byte("x")}, "data: x\n\n"},
		{Frame{}, "data: \n\n"},
		{Frame{ID: "5", Event: "e", Data: []byte("x")}, "id: 5\nevent: e\ndata: x\n\n"},
		{Frame{Event: "e", Data: []byte("a\nb\r\nc\rd\n")}, "event: e\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{Frame{ID: "5\nevent: z", Event: "e\rdata: z", Data: []byte("x")}, "id: 5\ufffdevent: z\nevent: e\ufffddata: z\ndata: x\n\n"},
	}
	for _, tt := range tests {
		if got := string(AppendEvent(nil, tt.f)); got != tt.want {
			t.Errorf("%+v:\n got %q\nwant %q", tt.f, got, tt.want)
		}
	}
}

func TestFramesAreAppended(t *testing.T) {
	b := AppendEvent([]byte(Preamble), Frame{Data: []byte("1")})
	b = AppendParticle(b, 0, "e", nil, 1, published, "001")
	want := ":ok\n\ndata: 1\n\nevent: e\n" + `data: {"data":null,"ttl":1,"published_at":"2015-07-18T00:12:18.174Z","coreid":"001"}` + "\n\n"
	if string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 4096)
	data := []byte("grün 😀 \xff \"quoted\"\n")
	at := published.In(time.FixedZone("CET", 3600))
	if n := testing.AllocsPerRun(100, func() { b = AppendParticle(b[:0], 5, "näme\n", data, 60, at, core) }); n != 0 {
		t.Errorf("AppendParticle allocates %v times", n)
	}
	f := Frame{ID: "5", Event: "näme\n", Data: data}
	if n := testing.AllocsPerRun(100, func() { b = AppendEvent(b[:0], f) }); n != 0 {
		t.Errorf("AppendEvent allocates %v times", n)
	}
}

// FuzzRoundTrip: whatever the name and the data are, a reader finds exactly
// one event, with this data.
func FuzzRoundTrip(f *testing.F) {
	f.Add(uint64(1), "temperature", []byte("25.34"))
	f.Add(uint64(0), "x\ndata: {}\n\nevent: y", []byte("a\r\nb\rc\n"))
	f.Add(uint64(9), "\r\x00\u2028\xff", []byte("\xed\xa0\x80😀\x00"))
	f.Add(uint64(9), " : leading", []byte(" : leading"))
	f.Add(uint64(9), "", []byte(""))
	f.Fuzz(func(t *testing.T, id uint64, name string, data []byte) {
		if len(data) > MaxLine/8 || len(name) > MaxLine/8 {
			t.Skip("longer than the Reader takes")
		}
		ev := one(t, AppendParticle(nil, id, name, data, 60, published, core))
		var payload struct{ Data *string }
		if err := json.Unmarshal(ev.Data, &payload); err != nil {
			t.Fatalf("data %q is not JSON: %v", ev.Data, err)
		}
		if data != nil && *payload.Data != each(string(data)) {
			t.Errorf("data is %q, want %q", *payload.Data, each(string(data)))
		}
		ev = one(t, AppendEvent(nil, Frame{Event: name, Data: data}))
		lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
		if string(ev.Data) != lines {
			t.Errorf("data is %q, want %q", ev.Data, lines)
		}
		if clean := utf8.ValidString(name) && !strings.ContainsFunc(name, endsLine); clean && ev.Event != name {
			t.Errorf("event is %q, want %q", ev.Event, name)
		}
	})
}

// one returns the one event that is in b.
func one(t *testing.T, b []byte) Frame {
	t.Helper()
	r := NewReader(bytes.NewReader(b))
	ev, err := r.Next()
	if err != nil {
		t.Fatalf("no event in %q: %v", b, err)
	}
	if more, err := r.Next(); err != io.EOF {
		t.Fatalf("a second event in %q: %+v, %v", b, more, err)
	}
	return ev
}

// each replaces every byte that is not UTF-8 by U+FFFD, as a range over a string does.
func each(s string) string { return string([]rune(s)) }
