package store

import (
	"bytes"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestIDsThatAreNotReservedAreToldOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var text bytes.Buffer
		ids, failing := cloud.EventID(1), true
		place := logPlace{raise: func(id cloud.EventID) (cloud.EventID, error) {
			if failing {
				return id, syscall.EIO
			}
			return id, nil
		}}
		db := &memory{}
		l, err := newLogAt(place, db, db.commit, Options{Logger: textLogger(&mu, &text)}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		publish := func(d time.Duration) {
			for range d / time.Minute {
				if err := l.Admit(background); err != nil {
					t.Fatal(err)
				}
				ids++
				l.Append(sampleEvent(ids), func(error) {})
				time.Sleep(time.Minute)
			}
			synctest.Wait()
		}
		want := func(lines int, last string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			told := strings.Count(text.String(), "ids of events are not reserved")
			if told != lines || !strings.Contains(text.String(), last) {
				t.Errorf("told %d times, want %d, the last %q:\n%s", told, lines, last, &text)
			}
			text.Reset()
		}
		publish(59 * time.Minute)
		want(1, "times=1 ")
		publish(2 * time.Minute)
		want(1, "times=60 ")
		failing = false
		publish(2 * time.Hour)
		failing = true
		publish(time.Minute)
		want(1, "times=1 ")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
