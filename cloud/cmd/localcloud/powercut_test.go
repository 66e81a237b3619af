package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/keys"
)

// What a power cut costs: images of a data directory, torn as a disk may leave them, on which the program starts again.

// written is what a cloud was given and has acknowledged.
type written struct {
	mu      sync.Mutex
	devices map[keys.DeviceID]keys.Fingerprint
	tokens  []cloud.Secret
	users   []string
	events  []string
	steps   chan struct{} // one for each, while somebody counts
	pause   sync.Mutex    // held while nothing more is to be written
}

func (w *written) note(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	select {
	case w.steps <- struct{}{}:
	default:
	}
}

// awaitTurn blocks while nothing more is to be written.
func (w *written) awaitTurn() {
	w.pause.Lock()
	defer w.pause.Unlock()
}

// now returns a copy.
func (w *written) now() *written {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &written{
		devices: maps.Clone(w.devices), tokens: slices.Clone(w.tokens), users: slices.Clone(w.users), events: slices.Clone(w.events),
	}
}

// write gives the cloud all kinds of things until ctx ends. Events are large, so that tables are written as well.
func (w *written) write(ctx context.Context, t *testing.T, s *served, key keys.PublicKey) {
	filler := strings.Repeat("x", 9000)
	for i := 0; ctx.Err() == nil; i++ {
		w.awaitTurn()
		var err error
		switch {
		case i%50 == 0:
			name := fmt.Sprint("user", i)
			if _, err = s.api.AddUser(ctx, name, "a long password", false); err == nil {
				w.note(func() { w.users = append(w.users, name) })
			}
		case i%4 == 0:
			id := keys.DeviceID{0xde, byte(i >> 16), byte(i >> 8), byte(i)}
			if _, err = s.api.AddDevice(ctx, client.NewDevice{ID: id, Key: key, Name: fmt.Sprint("device", i)}); err == nil {
				w.note(func() { w.devices[id] = key.Fingerprint() })
			}
		case i%4 == 1:
			var token client.NewToken
			if token, err = s.api.CreateToken(ctx, client.Grant{User: "ann"}); err == nil {
				w.note(func() { w.tokens = append(w.tokens, token.Secret) })
			}
		default:
			data := fmt.Sprint(i, " ", filler)
			if err = s.api.Publish(ctx, "cut", &data, true); err == nil {
				w.note(func() { w.events = append(w.events, data) })
			}
		}
		if err != nil && ctx.Err() == nil {
			t.Errorf("step %d: %v", i, err)
			return
		}
	}
}

// check compares a cloud that was started on an image with what had been acknowledged.
func (w *written) check(t *testing.T, s *served) {
	t.Helper()
	devices, err := s.api.AllDevices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[keys.DeviceID]string{}
	for _, d := range devices {
		found[d.ID] = d.KeyFingerprint
	}
	for id, fingerprint := range w.devices {
		if found[id] != string(fingerprint) {
			t.Errorf("device %v has the key %q, not %q", id, found[id], fingerprint)
		}
	}
	tokens, err := s.api.Tokens(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	kept := map[cloud.TokenID]bool{}
	for _, t := range tokens {
		kept[t.ID] = true
	}
	for _, secret := range w.tokens {
		if !kept[secret.ID()] {
			t.Errorf("%v is gone", secret)
		}
	}
	if n := len(w.tokens); n > 0 {
		last := client.Client{BaseURL: s.api.BaseURL, Token: w.tokens[n-1]}
		if _, err := last.Devices(t.Context()); err != nil {
			t.Errorf("the newest token opens nothing: %v", err)
		}
	}
	users, err := s.api.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range w.users {
		if !slices.ContainsFunc(users, func(u client.User) bool { return u.Name == name }) {
			t.Errorf("user %s is gone", name)
		}
	}
	var events []string
	for _, ev := range s.replay(t) {
		if ev.name == "cut" {
			events = append(events, ev.data)
		}
	}
	for i, data := range w.events { // the log holds these, in order, and perhaps later ones
		if i >= len(events) || events[i] != data {
			number, _, _ := strings.Cut(data, " ")
			t.Fatalf("event %d, from step %s, is not in its place; the log holds %d", i, number, len(events))
		}
	}
}

// cutImages starts the program on images of a data directory as power cuts at so many moments would leave them,
// with up to so many steps of writing from each to the next.
//
// The process is stopped for each, so that the files fit together. What had
// been acknowledged at an earlier stop is certainly synced; what was written
// between the two may have reached the disk or not, file by file and page by page.
func cutImages(t *testing.T, program string, points, steps int) {
	needsProc(t)
	h := newHome(t, program)
	random := rand.New(rand.NewPCG(1970, uint64(points)))
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	s := h.serve(t, h.data)
	w := &written{devices: map[keys.DeviceID]keys.Fingerprint{}, steps: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() { w.write(ctx, t, s, publicKey(t, key)) })
	defer writing.Wait()
	defer cancel()

	torn := 0
	for point := range points {
		w.await(t, 1+random.IntN(steps))
		s.freeze(t)
		then, before := w.now(), survey(t, h.data)
		s.thaw(t)
		w.await(t, random.IntN(12))
		s.freeze(t)
		image := filepath.Join(t.TempDir(), "image")
		after := copyImage(t, h.data, image)
		s.thaw(t)
		how := tear(t, random, image, before, after)
		torn += len(how)
		t.Run(strconv.Itoa(point), func(t *testing.T) {
			t.Logf("%d devices, %d tokens, %d users, %d events; %s", len(then.devices), len(then.tokens), len(then.users), len(then.events), strings.Join(how, ", "))
			w.pause.Lock() // or the images grow with the time that a look at one takes
			defer w.pause.Unlock()
			cut := h.serve(t, image)
			then.check(t, cut)
			cut.kill(t)
		})
		if err := os.RemoveAll(image); err != nil {
			t.Error(err)
		}
	}
	if torn == 0 {
		t.Error("no file was torn: the test tests little")
	}
}

// cutFirstStarts kills the program so often while it makes a data directory.
func cutFirstStarts(t *testing.T, program string, times int) {
	h := &home{program: program}
	random := rand.New(rand.NewPCG(1970, 1))
	for range times {
		dir := t.TempDir()
		first := start(t, exec.Command(h.program, append([]string{"serve", "--data", dir}, anyPort...)...))
		<-time.After(time.Duration(random.IntN(250)) * time.Millisecond)
		first.kill(t)
		var names []string
		for name := range survey(t, dir) {
			names = append(names, name)
		}
		s := h.serve(t, dir)
		t.Logf("it started on %v", names)
		s.kill(t)
	}
}

// await waits for so many acknowledgements.
func (w *written) await(t *testing.T, n int) {
	t.Helper()
	late := time.After(soon)
	for range n {
		select {
		case <-w.steps:
		case <-late:
			t.Fatal("nothing is acknowledged any more")
		}
	}
}

// files tells of each file, by its path in a directory, how much of it is written: Badger makes them larger at once.
type files map[string]int64

func survey(t *testing.T, dir string) files {
	t.Helper()
	all := files{}
	walk(t, dir, func(name string, content []byte) { all[name] = writtenOf(content) })
	return all
}

func writtenOf(content []byte) int64 { return int64(len(bytes.TrimRight(content, "\x00"))) }

// copyImage copies a directory, sparse as it is, without what belongs to the process.
func copyImage(t *testing.T, from, to string) files {
	t.Helper()
	all := files{}
	walk(t, from, func(name string, content []byte) {
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		all[name] = writtenOf(content)
		if err := os.WriteFile(path, content[:all[name]], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(len(content))); err != nil {
			t.Fatal(err)
		}
	})
	return all
}

func walk(t *testing.T, dir string, f func(name string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil {
			f(strings.TrimPrefix(path, dir+string(filepath.Separator)), content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tear takes from the files of an image what was written between two surveys,
// some of it or all, in one of the ways in which a disk can miss it. It says
// what it did. When files came or went, their order on the disk was kept by
// syncs, and the image stays as it is.
func tear(t *testing.T, random *rand.Rand, image string, before, after files) (how []string) {
	t.Helper()
	if !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		grown := after[name] - before[name]
		if grown <= 0 {
			continue
		}
		at := before[name] + random.Int64N(grown+1)
		path := filepath.Join(image, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		var way string
		switch random.IntN(3) {
		case 0:
			way = "cut"
			err = os.Truncate(path, at)
		case 1:
			way = "empty behind"
			if err = os.Truncate(path, at); err == nil {
				err = os.Truncate(path, info.Size())
			}
		case 2:
			way = "a hole behind"
			err = punch(path, at, min(after[name], at+4096))
		}
		if err != nil {
			t.Fatal(err)
		}
		how = append(how, fmt.Sprintf("%s: %s %d of %d to %d", name, way, at, before[name], after[name]))
	}
	return how
}

// punch writes zeros over a part of a file.
func punch(path string, from, to int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(make([]byte, to-from), from)
	return err
}
