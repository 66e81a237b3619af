package firmware_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func source(name string) string { return "sketches/" + name + "/src/" + name + ".ino" }

func TestTheDataPrintersCounterArrives(t *testing.T) {
	w := newWorld(t)
	w.follow()
	w.board(shop.sketch(t, source("dataprinter")), 1)
	if data := w.event("sse-examples-01"); data != `{"counter":0}` {
		t.Errorf("the first event says %s", data)
	}
}

func TestVitalsCarryManyValuesInAnEvent(t *testing.T) {
	w := newWorld(t)
	w.follow()
	w.board(shop.sketch(t, source("vitals")), 1)
	var batch struct {
		T int64
		V [][3]any
	}
	data := w.event("vitals")
	if err := json.Unmarshal([]byte(data), &batch); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if len(batch.V) < 12 || len(data) > 622 || batch.T < 1_700_000_000 {
		t.Errorf("an event of %d bytes has %d values: %s", len(data), len(batch.V), data)
	}
	last := -1.0
	for _, v := range batch.V {
		if v[0].(float64) < last || v[1] != "free" && v[1] != "up" && v[1] != "loop" {
			t.Errorf("value %v after %v ms", v, last)
		}
		last = v[0].(float64)
	}
	cmd := exec.Command("node", "libraries/EventBatch/examples/decode/decode.mjs")
	event, _ := json.Marshal(map[string]string{"coreid": "board", "data": data})
	cmd.Stdin = strings.NewReader("event: vitals\ndata: " + string(event) + "\n\n")
	csv, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(csv), "\n") != len(batch.V) || !strings.Contains(string(csv), "Z,board,free,") {
		t.Errorf("decode.mjs: %v\n%s", err, csv)
	}
}

func TestAButtonOnOneBoardChangesAllTheFirstTimeToo(t *testing.T) {
	w := newWorld(t)
	program := shop.sketch(t, source("sharedvalue"))
	one, two := w.board(program, 1), w.board(program, 2)

	one.pins("2 0")
	two.wantStart("value 1 revision 1")
	one.pins("2 1")

	three := w.board(program, 3) // comes later, and learns what there is
	three.wantStart("value 1 revision 1")

	three.pins("2 0")
	one.wantStart("value 2 revision 2")
	two.wantStart("value 2 revision 2")
}

// A store is the program on the other side: it stores each reading, then confirms it.
type store map[string]int

func (s store) take(w *world, confirm bool) (id string) {
	w.t.Helper()
	var reading struct{ TS json.Number }
	data := w.event("ssetest13")
	if err := json.Unmarshal([]byte(data), &reading); err != nil {
		w.t.Fatalf("%s: %v", data, err)
	}
	id = reading.TS.String()
	s[id]++
	if confirm {
		if _, err := w.cloud.Call(w.t.Context(), deliveryBoard, "deliveryConf", id); err != nil {
			w.t.Fatal(err)
		}
	}
	return id
}

const deliveryBoard = "e00fce680000000000000007"

func TestReadingsOutliveAnOutageAndAReset(t *testing.T) {
	w := newWorld(t)
	w.follow()
	program := shop.sketch(t, source("delivery"))
	b := w.board(program, 7)
	kept := store{}
	made := map[string]bool{} // by the button, and every ten seconds by itself

	press := func() {
		b.pins("2 1")
		b.pins("2 0")
		made[strings.Fields(b.wantStart("reading "))[1]] = true
	}
	press()
	press()
	kept.take(w, true)
	unconfirmed := kept.take(w, false)

	w.stop() // the outage
	press()
	w.serve(w.http, w.tcp, w.relay)
	press()
	w.online(b.id)

	b.unplug() // the power cut
	for line := range b.lines {
		if strings.HasPrefix(line, "reading ") {
			made[strings.Fields(line)[1]] = true
		}
	}

	b = w.board(program, 7)
	if line := b.wantStart("waiting "); line != fmt.Sprintf("waiting %d damaged 0", len(made)-1) {
		t.Errorf("of %d readings one is confirmed; after the power cut the board says %q", len(made), line)
	}
	press()
	for len(kept) < len(made) || kept[unconfirmed] < 2 {
		kept.take(w, true)
	}
	for id := range made {
		if kept[id] == 0 {
			t.Errorf("reading %s is lost", id)
		}
	}
}

func TestAFullMemorySaysWhatItDropped(t *testing.T) {
	w := newWorld(t)
	w.follow()
	b := w.board(shop.sketch(t, source("delivery")), 7)
	var made []string
	dropped := 0
	for dropped == 0 {
		b.pins("2 1")
		b.pins("2 0")
		var waiting int
		var id string
		line := b.wantStart("reading ")
		if _, err := fmt.Sscanf(line, "reading %s waiting %d dropped %d", &id, &waiting, &dropped); err != nil || waiting+dropped != len(made)+1 {
			t.Fatalf("%q after %d readings: %v", line, len(made), err)
		}
		made = append(made, id)
	}
	var said struct {
		Count    int
		From, To json.Number
	}
	if err := json.Unmarshal([]byte(w.event("ssetest13/dropped")), &said); err != nil {
		t.Fatal(err)
	}
	if said.Count != dropped || said.From.String() != made[0] || said.To.String() != made[dropped-1] {
		t.Errorf("it dropped %v and says %+v", made[:dropped], said)
	}
}

func TestTheStoreExampleStoresAndConfirms(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.dir, "readings.ndjson")
	launch(t, exec.Command("node", "libraries/GuaranteedDelivery/examples/store/store.mjs", "http://"+w.http, w.token, file))
	b := w.board(shop.sketch(t, source("delivery")), 7)
	for made, waiting := 0, 0; made < 2 || waiting > 1; { // 1: the one that was just made
		b.pins("2 1")
		b.pins("2 0")
		var id string
		if _, err := fmt.Sscanf(b.wantStart("reading "), "reading %s waiting %d", &id, &waiting); err != nil {
			t.Fatal(err)
		}
		made++
		until(t, id+" is stored", func() bool {
			text, _ := os.ReadFile(file)
			return strings.Count(string(text), `"ts":`+id+",") == 1
		})
	}
}
