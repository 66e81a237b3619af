package keys

import (
	"encoding/json"
	"strings"
	"testing"
)

const exampleID = "54e1c888f6d9492bebee1ee9"

func TestDeviceIDIsReadInAnyCaseAndPrintedLower(t *testing.T) {
	for _, text := range []string{exampleID, strings.ToUpper(exampleID), "54E1c888F6d9492bEbee1ee9"} {
		id, err := ParseDeviceID(text)
		if err != nil || id.String() != exampleID {
			t.Errorf("%s: got %v, %v", text, id, err)
		}
	}
}

func TestDeviceIDRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{"", exampleID[1:], exampleID + "0", exampleID[:23] + "g", " " + exampleID[1:],
		"0x" + exampleID[2:], strings.Repeat("é", 12)} {
		if id, err := ParseDeviceID(text); err == nil || !id.IsZero() {
			t.Errorf("%q: got %v, %v", text, id, err)
		}
	}
	for _, n := range []int{0, 11, 13} {
		if _, err := DeviceIDFromBytes(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
}

func TestDeviceIDFromBytesCopies(t *testing.T) {
	raw := []byte("twelve bytes")
	id, err := DeviceIDFromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] = 'x'
	if id != DeviceID([]byte("twelve bytes")) {
		t.Errorf("the id changed with the caller's slice: %s", id)
	}
}

func TestDeviceIDGoesThroughJSON(t *testing.T) {
	type record struct {
		ID     DeviceID            `json:"id"`
		Absent DeviceID            `json:"absent,omitzero"`
		ByID   map[DeviceID]string `json:"by_id"`
	}
	id, _ := ParseDeviceID(exampleID)
	encoded, err := json.Marshal(record{ID: id, ByID: map[DeviceID]string{id: "x"}})
	if want := `{"id":"` + exampleID + `","by_id":{"` + exampleID + `":"x"}}`; err != nil || string(encoded) != want {
		t.Fatalf("got %s, %v, want %s", encoded, err, want)
	}
	var back record
	if err := json.Unmarshal(encoded, &back); err != nil || back.ID != id || back.ByID[id] != "x" {
		t.Errorf("got %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"short"}`), &back); err == nil {
		t.Error("a short id was taken")
	}
}

func FuzzParseDeviceID(f *testing.F) {
	for _, seed := range []string{exampleID, strings.ToUpper(exampleID), "", "3a", exampleID[:23] + "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseDeviceID(text)
		if err != nil {
			if !id.IsZero() {
				t.Fatalf("an id together with an error: %s", id)
			}
			return
		}
		if !strings.EqualFold(id.String(), text) {
			t.Fatalf("%q was read as %s", text, id)
		}
	})
}
