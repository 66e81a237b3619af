package session

import (
	"fmt"
	"reflect"
	"testing"
	"unsafe"

	"localcloud/coap"
)

func TestWordsAreReadOnceAndMeanTheSame(t *testing.T) {
	var w words
	for _, c := range []struct {
		flags   byte
		payload []byte
	}{
		{coap.DescribeApplication, theApp.AppendJSON(nil)},
		{coap.DescribeSystem, theSystem.AppendJSON(nil)},
		{coap.DescribeMetrics, coap.AppendMetrics(nil, coap.Metrics{{ID: 6, Value: 2}})},
		{coap.DescribeApplication, []byte("{")},
	} {
		want, wantErr := coap.ParseDescribe(-1, c.flags, c.payload)
		for range 2 {
			got, err := w.parse(-1, c.flags, c.payload)
			if !reflect.DeepEqual(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%s: %+v, %v, want %+v, %v", c.payload, got, err, want, wantErr)
			}
		}
	}
	if len(w.known) != 2 {
		t.Errorf("%d are remembered", len(w.known))
	}
	first, _ := w.parse(-1, coap.DescribeApplication, theApp.AppendJSON(nil))
	second, _ := w.parse(-1, coap.DescribeApplication, theApp.AppendJSON(nil))
	if unsafe.SliceData(first.Functions) != unsafe.SliceData(second.Functions) {
		t.Error("two devices do not share what they said alike")
	}
}

func TestWordsAreBounded(t *testing.T) {
	var w words
	for i := range 3 * wordsKept {
		if _, err := w.parse(-1, coap.DescribeApplication, fmt.Appendf(nil, `{"f":["f%d"],"v":{}}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.known) > wordsKept {
		t.Errorf("%d are remembered", len(w.known))
	}
	long := fmt.Appendf(nil, `{"f":["led"],"v":{}}%*s`, wordsLongest, "")
	if d, err := w.parse(-1, coap.DescribeApplication, long); err != nil || len(d.Functions) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	for as := range w.known {
		if len(as.payload) > wordsLongest {
			t.Errorf("%d bytes are remembered", len(as.payload))
		}
	}
}
