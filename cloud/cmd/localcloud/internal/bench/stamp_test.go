package bench

import (
	"strings"
	"testing"
	"time"

	"localcloud/cloud/sse"
)

func TestStampComesBackFromAnEventStream(t *testing.T) {
	want := stamp{phase: 7, device: 99, number: 123456, sent: 98765432109 * time.Nanosecond}
	data := want.append(nil)
	if len(data) != eventSize {
		t.Errorf("%d bytes, want %d", len(data), eventSize)
	}
	frame := sse.AppendParticle(nil, 1, eventName, data, 60, time.Unix(0, 0), "0123456789abcdef01234567")
	if got, ok := findStamp(frame); !ok || got != want {
		t.Errorf("stamp = %+v, %v; want %+v", got, ok, want)
	}
}

func TestWhatIsNoStampIsLeftAlone(t *testing.T) {
	whole := string(stamp{phase: 1, device: 2, number: 3, sent: 4}.append(nil))
	for _, text := range []string{
		"", "lcb", "lcb ", "lcb 1", "lcb 1 2 3", "lcb 1 2 3 4", "lcb  1 2 3 4 ", "lcb -1 2 3 4 ", "lcb 1 2 x 4 ",
		"lcb 1 2 3 123456789012345678901 ", strings.Replace(whole, "lcb", "LCB", 1),
	} {
		if s, ok := findStamp([]byte(text)); ok {
			t.Errorf("%q is %+v", text, s)
		}
	}
	if _, ok := findStamp([]byte(whole)); !ok {
		t.Errorf("%q is none", whole)
	}
}
