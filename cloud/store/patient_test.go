package store

import (
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestPatientEventsShareASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faults{}
		w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
		last, began := cloud.EventID(0), time.Now()
		committed := make(chan time.Time, 100)
		publish := func(patient bool) {
			if err := w.Events().Admit(background); err != nil {
				t.Fatal(err)
			}
			last++
			ev := sampleEvent(last)
			ev.Patient = patient
			w.Events().Append(ev, func(err error) {
				if err != nil {
					t.Error(err)
				}
				committed <- time.Now()
			})
			synctest.Wait()
		}
		want := func(what string, events int, after time.Duration, commits int64) {
			t.Helper()
			synctest.Wait()
			if len(committed) != events || f.commits.Swap(0) != commits {
				t.Errorf("%s: %d events are committed", what, len(committed))
			}
			for len(committed) > 0 {
				if at := (<-committed).Sub(began); at != after {
					t.Errorf("%s: an event was committed after %v", what, at)
				}
			}
			began = time.Now()
		}
		for range 4 {
			publish(true)
			time.Sleep(companyWait / 5)
		}
		if len(committed) > 0 {
			t.Error("the first were not kept back")
		}
		time.Sleep(companyWait / 5)
		want("alone", 4, companyWait, 1)

		publish(true)
		publish(true)
		publish(false)
		want("one is waited for", 3, 0, 1)
		time.Sleep(2 * companyWait)
		want("nothing is left", 0, 0, 0)

		for range companyMost {
			publish(true)
		}
		want("many", companyMost, 0, 1)
		w.close()
	})
}
