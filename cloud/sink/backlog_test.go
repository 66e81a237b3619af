package sink

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

// targets makes a world whose only target is down until it gets another one.
func targets(t *testing.T, first ...answer) (*world, *answers) {
	t.Helper()
	transport := &answers{list: first}
	return newWorld(t, transport), transport
}

func TestWhatWaitsAtAStopIsDeliveredAfterTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &counting{takes: time.Hour}
		down := &answers{list: []answer{{status: 503, header: http.Header{"Retry-After": {"100"}}}, {status: 200}}}
		w := newWorld(t, byHost{"slow.example": hangs, "down.example": down})
		slow, later := w.hook("http://slow.example/{{PARTICLE_EVENT_VALUE}}"), w.hook("http://down.example/")
		w.publish(lamp, "e", "0")
		synctest.Wait() // it is sent to both: one hangs, one is to come back in 100 s
		for i := 1; i < 10; i++ {
			w.publish(lamp, "exact", fmt.Sprint(i))
		}
		w.stop()
		if r := w.sink.Record(slow); r.Counts.Dead != 0 {
			t.Errorf("given up: %+v", r.Dead)
		}
		if !strings.Contains(string(w.backlog.text), "exact") {
			t.Fatalf("it keeps %s", w.backlog.text)
		}

		fast := &answers{list: []answer{{status: 200}}}
		w.transport = byHost{"slow.example": fast, "down.example": down}
		restarted := time.Now()
		w.start()
		synctest.Wait()
		if len(w.backlog.text) != 0 {
			t.Error("what it took up would come a second time")
		}
		time.Sleep(200 * time.Second)
		if r := w.sink.Record(slow); r.Counts.Delivered != 10 || r.Counts.Waiting != 0 {
			t.Errorf("the one that hung: %+v", r.Counts)
		}
		var values []string
		for _, d := range w.sink.Record(slow).Latest {
			values = append(values, d.Data)
		}
		slices.Sort(values)
		if got := strings.Join(values, ""); got != "0123456789" {
			t.Errorf("delivered %s", got)
		}
		r := w.sink.Record(later)
		if i := slices.IndexFunc(r.Latest, func(d cloud.HookDelivery) bool { return d.Event == "e" }); i < 0 || r.Latest[i].Attempt != 2 || r.Latest[i].Time.Sub(restarted) < 95*time.Second {
			t.Errorf("the second try of the other: %+v", r.Latest)
		}
		if n := len(slices.DeleteFunc(w.heard.names(), func(name string) bool { return name != "hook-error/e/0" })); n != 1 {
			t.Errorf("the error is said %d times", n)
		}
	})
}

func TestDeadLettersOutliveAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, transport := targets(t, answer{status: 404})
		id, gone := w.hook("http://target.example/"), w.hook("http://target.example/")
		w.publish(lamp, "e", "x")
		synctest.Wait()
		transport.mu.Lock()
		transport.list = []answer{{status: 500}}
		transport.mu.Unlock()
		w.publish(lamp, "e", "old")
		synctest.Wait()
		w.stop()
		if err := w.store.Registry().RemoveHook(gone); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maxKept + time.Hour)
		requests := transport.count()
		w.start()
		synctest.Wait()
		r := w.sink.Record(id)
		if len(r.Dead) != 2 || r.Counts.Dead != 2 || r.Dead[1].Data != "x" || r.Dead[1].Status != 404 {
			t.Fatalf("dead letters: %+v", r)
		}
		if r.Dead[0].Data != "old" || r.Dead[0].Result != cloud.HookDropped || !strings.Contains(r.Dead[0].Error, "24h") {
			t.Errorf("what is too old: %+v", r.Dead[0])
		}
		if transport.count() != requests {
			t.Error("it is sent all the same")
		}
		if r := w.sink.Record(gone); len(r.Dead) != 0 {
			t.Errorf("of a hook that is gone: %+v", r.Dead)
		}
	})
}

func TestWhatCannotBeKeptOrReadIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := targets(t, answer{status: 500})
		id := w.hook("http://target.example/")
		w.publish(lamp, "e", "x")
		synctest.Wait()
		w.backlog.err = errors.New("the disk is full")
		w.stop()
		if r := w.sink.Record(id); len(r.Dead) != 1 || !strings.Contains(r.Dead[0].Error, "the disk is full") {
			t.Errorf("dead letters: %+v", r.Dead)
		}
		w.backlog = memory{text: []byte(`{"jobs":[{`)}
		w.start() // it runs all the same
		synctest.Wait()
		w.publish(lamp, "e", "x")
		synctest.Wait()
		if r := w.sink.Record(id); r.Counts.Failed != 1 {
			t.Errorf("after a file that nobody can read: %+v", r.Counts)
		}
	})
}
