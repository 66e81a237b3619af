package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// faults is a commit function that tests steer.
type faults struct {
	commits atomic.Int64
	inside  chan struct{}         // if not nil, told when a commit begins
	gate    chan struct{}         // if not nil, a commit waits for it
	fail    atomic.Pointer[error] // what a commit returns
	after   atomic.Bool           // fail only when the database has taken the commit
}

func (f *faults) commit(db kv, ops []op) error {
	f.commits.Add(1)
	if f.inside != nil {
		f.inside <- struct{}{}
		<-f.gate
	}
	err := f.fail.Load()
	if err != nil && !f.after.Load() {
		return *err
	}
	if err := db.commit(ops); err != nil {
		return err
	}
	if err != nil {
		return *err
	}
	return nil
}

func (f *faults) set(err error) {
	if err == nil {
		f.fail.Store(nil)
		return
	}
	f.fail.Store(&err)
}

// holding makes commits wait: each sends on inside and goes on after a receive from gate.
func holding() *faults {
	return &faults{inside: make(chan struct{}, 1000), gate: make(chan struct{})}
}

func TestReadersDoNotWaitForACommitAndSeeCommittedRowsOnly(t *testing.T) {
	f := holding()
	w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
	var all sync.WaitGroup
	all.Go(func() { w.update(1, func(d *cloud.Device) { d.Name = "first" }) })
	<-f.inside // its commit has begun and waits
	r := w.Registry()
	if _, ok := r.Device(id(1)); ok || len(r.Devices()) > 0 || len(r.Users()) > 0 {
		t.Error("a device is seen before its commit")
	}
	// The second update begins where the first one left the device.
	changed := make(chan struct{})
	all.Go(func() {
		w.update(1, func(d *cloud.Device) {
			if d.Name != "first" {
				t.Errorf("the second update begins with %q", d.Name)
			}
			if _, ok := r.Device(id(1)); ok {
				t.Error("a change sees what is not committed")
			}
			d.Notes = "second"
			close(changed)
		})
	})
	<-changed
	close(f.gate)
	all.Wait()
	if d := must2(r.Device(id(1))); d.Name != "first" || d.Notes != "second" {
		t.Errorf("after both the device is %+v", d)
	}
	w.close()
}

func TestChangesThatWaitShareACommit(t *testing.T) {
	f := holding()
	w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
	var all sync.WaitGroup
	all.Go(func() { w.update(1, func(*cloud.Device) {}) })
	<-f.inside
	const n = 200
	var prepared sync.WaitGroup
	prepared.Add(n)
	for range n {
		all.Go(func() {
			w.update(2, func(d *cloud.Device) { d.ProductVersion++; prepared.Done() })
		})
	}
	prepared.Wait()
	r := w.Registry()
	r.turn <- struct{}{} // the last one has let go of it, so all of them wait for their commit
	<-r.turn
	close(f.gate)
	all.Wait()
	if got := f.commits.Load(); got != 2 {
		t.Errorf("%d commits for 1 + %d changes, want 2", got, n)
	}
	if d := must2(r.Device(id(2))); d.ProductVersion != n {
		t.Errorf("%d of %d changes count", d.ProductVersion, n)
	}
	w.close()
}

func TestCommitsOfChangesAreBounded(t *testing.T) {
	f := holding()
	var largest, commits atomic.Int64
	w := &world{t: t, Store: OpenMemory(Options{commit: func(db kv, ops []op) error {
		size := 0
		for _, o := range ops {
			size += o.size()
		}
		largest.Store(max(largest.Load(), int64(size)))
		commits.Add(1)
		return f.commit(db, ops)
	}})}
	var all, prepared sync.WaitGroup
	all.Go(func() { w.update(200, func(*cloud.Device) {}) })
	<-f.inside
	prepared.Add(100)
	for n := range byte(100) {
		all.Go(func() {
			w.update(n, func(d *cloud.Device) { d.Notes = strings.Repeat("n", 10_000); prepared.Done() })
		})
	}
	prepared.Wait()
	close(f.gate)
	all.Wait()
	if got := largest.Load(); got > maxCommitBytes || got < maxCommitBytes/2 {
		t.Errorf("the largest commit has %d bytes, want at most %d and not much less", got, maxCommitBytes)
	}
	if got := commits.Load(); got < 4 || got > 8 {
		t.Errorf("%d commits for 100 changes of 10 kB, want 5", got)
	}
	w.close()
}

func TestBadgerTakesTheLargestCommits(t *testing.T) {
	d, err := openDisk(t.TempDir(), tuning{noSync: true, logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	small := make([]op, maxCommitOps)
	for i := range small {
		small[i] = op{appendEventKey(nil, 0, cloud.EventID(i)), make([]byte, maxCommitBytes/maxCommitOps-opOverhead-13)}
	}
	var large []op
	for key := byte('a'); key < 'a'+maxCommitBytes/maxValue; key++ {
		large = append(large, op{[]byte{key}, make([]byte, maxValue-1-opOverhead)})
	}
	for _, ops := range [][]op{small, large} {
		if fitting(ops) != len(ops) {
			t.Fatalf("%d ops are not one commit by our own count", len(ops))
		}
		if err := d.commit(ops); err != nil {
			t.Errorf("%d ops: %v", len(ops), err)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFailedCommitChangesNothingAndTheNextOneWorks(t *testing.T) {
	for _, test := range []struct {
		err  error
		kind cloud.Kind
	}{
		{fmt.Errorf("write: %w", syscall.ENOSPC), cloud.NoSpace},
		{syscall.EDQUOT, cloud.NoSpace},
	} {
		f := &faults{}
		w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
		want := w.update(1, func(d *cloud.Device) { d.Name = "before" })
		w.user("a", "ada", noon)
		f.set(test.err)
		r := w.Registry()
		_, err := r.UpdateDevice(id(1), func(d *cloud.Device, _ bool) error { d.Name = "lost"; return nil })
		_, userErr := r.AddUser(cloud.User{ID: "b", Name: "ben"})
		for _, err := range []error{err, userErr, r.RemoveDevice(id(1)), r.RemoveUser("a")} {
			wantKind2(t, err, test.kind)
			if !errors.Is(err, test.err) {
				t.Errorf("error %v hides its cause %v", err, test.err)
			}
		}
		f.set(nil)
		wantSame(t, r.Devices(), []cloud.Device{want})
		wantSame(t, len(r.Users()), 1)
		w.update(1, func(d *cloud.Device) {
			wantSame(t, *d, want)
			d.Name = "after"
		})
		if d := must2(r.Device(id(1))); d.Name != "after" {
			t.Errorf("the device is %+v", d)
		}
		w.close()
	}
}

// wantKind2 is wantKind where Other is a kind to want as well.
func wantKind2(t *testing.T, err error, kind cloud.Kind) {
	t.Helper()
	var e *cloud.Error
	if !errors.As(err, &e) || cloud.KindOf(err) != kind {
		t.Errorf("error %v has kind %v, want %v", err, cloud.KindOf(err), kind)
	}
}

func TestAnErrorOfTheDiskMakesTheRegistryReadOnly(t *testing.T) {
	f := &faults{}
	var logged strings.Builder
	var mu sync.Mutex
	w := diskWorld(t)
	w.open(Options{commit: f.commit, Logger: textLogger(&mu, &logged)})
	want := w.update(1, func(d *cloud.Device) { d.Name = "before" })
	w.user("a", "ada", noon)
	r := w.Registry()
	rename := func() error {
		_, err := r.UpdateDevice(id(1), func(d *cloud.Device, _ bool) error { d.Name = "lost"; return nil })
		return err
	}
	f.set(syscall.EIO)
	wantKind2(t, rename(), cloud.Other)
	f.set(nil) // the next sync would succeed, and say nothing of what the one before left behind
	before := f.commits.Load()
	_, userErr := r.AddUser(cloud.User{ID: "b", Name: "ben"})
	for _, err := range []error{rename(), userErr, r.RemoveDevice(id(1)), r.RemoveUser("a")} {
		if wantKind2(t, err, cloud.Other); !errors.Is(err, syscall.EIO) {
			t.Errorf("error %v hides its cause", err)
		}
	}
	if got := f.commits.Load(); got != before {
		t.Errorf("%d commits are tried after the error", got-before)
	}
	wantSame(t, r.Devices(), []cloud.Device{want})
	st := w.Status()
	if !strings.Contains(st.RegistryReadOnly, syscall.EIO.Error()) || st.ReadOnly != "" || len(st.Warnings()) != 1 {
		t.Errorf("status is %+v", st)
	}
	w.fill(10, 10, time.Second) // events are another database
	w.open(Options{})
	if st := w.Status(); st.RegistryReadOnly != "" || len(w.ids()) != 10 {
		t.Errorf("after a restart status is %+v", st)
	}
	wantSame(t, w.Registry().Devices(), []cloud.Device{want})
	w.update(1, func(d *cloud.Device) { d.Name = "after" })
	w.close()
	if got := strings.Count(logged.String(), "level=ERROR"); got != 1 {
		t.Errorf("%d errors are logged, want one:\n%s", got, logged.String())
	}
}

// A commit can fail when the data is on its way: then memory says what a restart would say.
func TestAFailedCommitThatTheDatabaseTookIsSeen(t *testing.T) {
	f := &faults{}
	w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
	w.update(1, func(d *cloud.Device) { d.Name = "before" })
	w.update(2, func(*cloud.Device) {})
	f.after.Store(true)
	f.set(syscall.ENOSPC)
	r := w.Registry()
	_, err := r.UpdateDevice(id(1), func(d *cloud.Device, _ bool) error { d.Name = "after"; return nil })
	if !errors.Is(err, syscall.ENOSPC) || !errors.Is(r.RemoveDevice(id(2)), syscall.ENOSPC) {
		t.Errorf("UpdateDevice: %v", err)
	}
	if d := must2(r.Device(id(1))); d.Name != "after" {
		t.Errorf("memory says %q, the database %q", d.Name, "after")
	}
	if _, ok := r.Device(id(2)); ok {
		t.Error("memory has a device that the database has not")
	}
	f.set(nil)
	w.close()
}

func TestAFailedCommitTakesWhatWasBuiltOnItAlong(t *testing.T) {
	f := holding()
	w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
	f.set(syscall.ENOSPC)
	update := func(name string) error {
		_, err := w.Registry().UpdateDevice(id(1), func(d *cloud.Device, _ bool) error { d.Name += name; return nil })
		return err
	}
	errs := make([]error, 2)
	var all sync.WaitGroup
	all.Go(func() { errs[0] = update("a") })
	<-f.inside
	changed := make(chan struct{})
	all.Go(func() {
		_, errs[1] = w.Registry().UpdateDevice(id(1), func(d *cloud.Device, exists bool) error {
			if !exists || d.Name != "a" {
				t.Errorf("it begins with %+v", *d)
			}
			close(changed)
			return nil
		})
	})
	<-changed
	r := w.Registry()
	r.turn <- struct{}{}
	<-r.turn
	close(f.gate)
	all.Wait()
	for _, err := range errs {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("error %v, want %v", err, syscall.ENOSPC)
		}
	}
	f.set(nil)
	if err := update("c"); err != nil {
		t.Fatal(err)
	}
	if d := must2(r.Device(id(1))); d.Name != "c" {
		t.Errorf("the device is called %q, want c", d.Name)
	}
	if got := f.commits.Load(); got != 2 {
		t.Errorf("%d commits, want 2: the one that failed, and the last", got)
	}
	w.close()
}

func TestAPanicInAChangeIsItsCallersOnly(t *testing.T) {
	w := &world{t: t, Store: OpenMemory(Options{})}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic does not reach the caller")
			}
		}()
		w.update(1, func(d *cloud.Device) { d.Name = "lost"; panic("our bug") })
	}()
	w.update(1, func(d *cloud.Device) {
		if d.Name != "" {
			t.Errorf("the panicking change left %q", d.Name)
		}
	})
	w.close()
}

func TestARemovalThatWasCutOffIsCompletedAtTheNextOpen(t *testing.T) {
	for _, decided := range []bool{false, true} {
		f := &faults{}
		w := memoryWorld(t)
		w.open(Options{})
		ownMuch(w)
		if err := w.Registry().PutTokens(cloud.Token{ID: "ben's", User: "b"}); err != nil {
			t.Fatal(err)
		}
		w.open(Options{commit: func(db kv, ops []op) error {
			if f.commits.Add(1) > 1 || !decided {
				return syscall.EIO
			}
			return db.commit(ops)
		}})
		err := w.Registry().RemoveUser("a")
		if decided != (err == nil) {
			t.Fatalf("RemoveUser: %v", err)
		}
		for range 3 {
			_, there := w.Registry().User("a")
			if there == decided {
				t.Errorf("the removal was committed: %v, the user is there: %v", decided, there)
			}
			if decided {
				wantAdaGone(t, w.Registry())
			} else if got := len(w.Registry().Tokens("a")); got != 50 {
				t.Errorf("the user stayed with %d tokens, want 50", got)
			}
			if len(w.Registry().Tokens("b")) != 1 || len(w.Registry().Devices()) != 50 {
				t.Error("more is gone than was the user's")
			}
			w.open(Options{})
		}
		if got := rawKeys(t, w.Registry().db, prefixRemoval); got != 0 {
			t.Errorf("%d notes of removals are left", got)
		}
		if got := rawKeys(t, w.Registry().db, prefixToken); decided && got != 1 {
			t.Errorf("%d tokens are left in the database, want ben's", got)
		}
		w.close()
	}
}

func rawKeys(t *testing.T, db kv, prefix byte) (n int) {
	t.Helper()
	if err := db.scan([]byte{prefix}, nil, func(_, _ []byte) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestADamagedRegistryIsNotOpened(t *testing.T) {
	for name, value := range map[string][]byte{
		"no JSON":     {recordVersion, '{'},
		"empty":       {},
		"newer":       append([]byte{recordVersion + 1}, "{}"...),
		"other id":    append([]byte{recordVersion}, `{"id":"e00fce680000000000000002"}`...),
		"bad removal": nil,
	} {
		db := &memory{}
		ops := []op{{append([]byte{prefixDevice}, make([]byte, 12)...), value}}
		if value == nil {
			ops = []op{{[]byte{prefixRemoval, 'a'}, []byte{}}} // and the commit that would complete it fails
		}
		if err := db.commit(ops); err != nil {
			t.Fatal(err)
		}
		_, err := newRegistry(db, func([]op) error { return syscall.EIO }, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s: it opens", name)
		}
	}
}

func TestANewerRecordsUnknownFieldsDoNotMatter(t *testing.T) {
	db := &memory{}
	text := `{"id":"e00fce680000000000000001","name":"heron","wings":2,"nest":{"eggs":[1,2]}}`
	key := append([]byte{prefixDevice}, must(cloudID("e00fce680000000000000001"))...)
	err := db.commit([]op{{key, append([]byte{recordVersion}, text...)}, {[]byte{prefixSettings}, append([]byte{recordVersion}, `{"x":1}`...)}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRegistry(db, db.commit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if devices := r.Devices(); len(devices) != 1 || devices[0].Name != "heron" {
		t.Errorf("devices are %+v", devices)
	}
	wantSame(t, r.Settings(), cloud.DefaultSettings())
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestFailureFindsTheKind(t *testing.T) {
	for _, test := range []struct {
		err  error
		kind cloud.Kind
	}{
		{fmt.Errorf("a: %w", syscall.ENOSPC), cloud.NoSpace},
		{fmt.Errorf("a: %w", syscall.EDQUOT), cloud.NoSpace},
		{context.Canceled, cloud.Other},
		{cloud.E("b", cloud.Invalid, nil), cloud.Invalid},
	} {
		err := failure("store", test.err)
		if cloud.KindOf(err) != test.kind || !errors.Is(err, test.err) {
			t.Errorf("failure(%v) = %v with kind %v, want %v", test.err, err, cloud.KindOf(err), test.kind)
		}
	}
	if err := failure("store", nil); err != nil {
		t.Errorf("failure(nil) = %v", err)
	}
}

func cloudID(text string) ([]byte, error) {
	id, err := keys.ParseDeviceID(text)
	return id[:], err
}
