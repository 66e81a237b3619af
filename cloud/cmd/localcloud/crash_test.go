package main_test

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/sse"
	"localcloud/cloud/store"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// What kill -9, a power cut and a bad clock do to the built program. The rounds
// of make check are few; soak_test.go has more of the same.

func TestTheProgramSurvives(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	for name, test := range map[string]func(t *testing.T){
		"kill -9 without loss or repetition":        func(t *testing.T) { killRounds(t, program, 4, 1000) },
		"power cuts with all it acknowledged":       func(t *testing.T) { cutImages(t, program, 10, 50) },
		"power cuts during its very first start":    func(t *testing.T) { cutFirstStarts(t, program, 4) },
		"bad clocks without loss and in good order": func(t *testing.T) { badClocks(t, program) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// home is a data directory with an owner, and the program that serves it.
type home struct {
	program, data string
	token         cloud.Secret // the owner's; it never expires
	serverKey     *rsa.PublicKey
}

func newHome(t *testing.T, program string) *home {
	t.Helper()
	h := &home{program: program, data: filepath.Join(t.TempDir(), "data")}
	output(t, "a long password\n", h.program, "user", "add", "ann", "--password-stdin", "--data", h.data)
	var made struct{ Token cloud.Secret }
	text := output(t, "", h.program, "token", "create", "--user", "ann", "--expires", "never", "--json", "--data", h.data)
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Token == "" {
		t.Fatalf("token create printed %q: %v", text, err)
	}
	h.token = made.Token
	output(t, "", h.program, "policy", "set", "events", "off", "--data", h.data) // the limit is not what is tested
	block, _ := pem.Decode([]byte(output(t, "", h.program, "keys", "export", "--data", h.data)))
	if block == nil {
		t.Fatal("keys export prints no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	h.serverKey = key.(*rsa.PublicKey)
	return h
}

// served is a process that serves a data directory.
type served struct {
	*process
	addresses
	api *client.Client
}

// serve starts the program on a data directory and returns when it is ready.
func (h *home) serve(t *testing.T, data string, more ...string) *served {
	t.Helper()
	args := slices.Concat([]string{"serve", "--data", data, "--log-level", "warn"}, anyPort, more)
	s := &served{process: start(t, exec.Command(h.program, args...))}
	s.addresses = s.ready(t)
	s.api = &client.Client{BaseURL: "http://" + s.HTTP, Token: h.token}
	return s
}

// kill ends the process as a power cut does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	p.wait(t)
}

// stored is an event as the log holds it.
type stored struct {
	id           cloud.EventID
	name, coreID string
	data         string
}

// replay returns all events of the log, which a client gets that has none. It checks that their ids grow.
func (s *served) replay(t *testing.T) []stored {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*soon)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api.BaseURL+"/v1/devices/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(s.api.Token))
	req.Header.Set("Last-Event-ID", "0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	end := cryptorand.Text()
	if err := s.api.Publish(ctx, "end", &end, true); err != nil {
		t.Fatal(err)
	}
	var all []stored
	for in := sse.NewReader(resp.Body); ; {
		frame, err := in.Next()
		if err != nil {
			t.Fatalf("the replay broke off after %d events: %v", len(all), err)
		}
		id, err := cloud.ParseEventID(frame.ID)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Data, CoreID string }
		if err := json.Unmarshal(frame.Data, &body); err != nil {
			t.Fatalf("event %v is %q: %v", id, frame.Data, err)
		}
		if n := len(all); n > 0 && id <= all[n-1].id {
			t.Fatalf("behind id %v comes %v", all[n-1].id, id)
		}
		if frame.Event == "end" && body.Data == end {
			return all
		}
		all = append(all, stored{id, frame.Event, body.CoreID, body.Data})
	}
}

// board publishes numbered events and remembers which were acknowledged.
type board struct {
	id  keys.DeviceID
	key *rsa.PrivateKey

	last  int      // owned by the goroutine that numbers
	acked sync.Map // number → true
}

const publishers = 8 // that have a board publish at the same time

// run publishes until ctx ends or the server is gone. acked is told of each acknowledgement.
func (b *board) run(ctx context.Context, s *served, key *rsa.PublicKey, acked func()) {
	d := virtual.New(virtual.Config{ID: b.id, Key: b.key, ServerKey: key, Dial: dialer(s.TCP)})
	online := make(chan struct{})
	d.OnOnline(sync.OnceFunc(func() { close(online) }))
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() {
		defer cancel()
		d.Run(ctx)
	})
	select {
	case <-online:
	case <-ctx.Done():
		return
	}
	numbers := make(chan int)
	for range publishers {
		all.Go(func() {
			for n := range numbers {
				ev := virtual.Event{Name: "crash", Data: []byte(strconv.Itoa(n)), WithAck: true}
				if d.Publish(ctx, ev) == nil {
					b.acked.Store(n, true)
					acked()
				}
			}
		})
	}
	defer close(numbers)
	for {
		select {
		case numbers <- b.last + 1:
			b.last++
		case <-ctx.Done():
			return
		}
	}
}

func dialer(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) }
}

// newBoards registers boards.
func newBoards(t *testing.T, s *served, n int) []*board {
	t.Helper()
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	var boards []*board
	for i := range n {
		b := &board{id: keys.DeviceID{0xc0, byte(i)}, key: key}
		if _, err := s.api.AddDevice(t.Context(), client.NewDevice{ID: b.id, Key: publicKey(t, key)}); err != nil {
			t.Fatal(err)
		}
		boards = append(boards, b)
	}
	return boards
}

func publicKey(t *testing.T, key *rsa.PrivateKey) keys.PublicKey {
	t.Helper()
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// killRounds kills the program so often, each time at a random moment while boards publish so many events.
func killRounds(t *testing.T, program string, rounds, events int) {
	h := newHome(t, program)
	random := rand.New(rand.NewPCG(2026, uint64(rounds)))
	s := h.serve(t, h.data)
	boards := newBoards(t, s, 4)
	known := map[string]cloud.EventID{} // what the log held: board and number
	for round := range rounds {
		if round%4 == 3 { // a kill at the start as well
			s.kill(t)
			early := start(t, exec.Command(h.program, append([]string{"serve", "--data", h.data}, anyPort...)...))
			<-time.After(time.Duration(random.IntN(300)) * time.Millisecond)
			early.kill(t)
			s = h.serve(t, h.data)
		}
		publishAndKill(t, h, s, boards, 1+random.IntN(events))
		s = h.serve(t, h.data)
		compare(t, round, s.replay(t), boards, known)
	}
	t.Logf("%d kills, %d events in the log", rounds+rounds/4*2, len(known))
	if len(known) < rounds*50 {
		t.Errorf("only %d events: the test tests little", len(known))
	}
}

// publishAndKill kills the program when it has acknowledged so many events and others are on their way.
func publishAndKill(t *testing.T, h *home, s *served, boards []*board, after int) {
	t.Helper()
	var count atomic.Int64
	enough := make(chan struct{})
	acked := func() {
		if count.Add(1) == int64(after) {
			close(enough)
		}
	}
	var all sync.WaitGroup
	for _, b := range boards {
		all.Go(func() { b.run(t.Context(), s, h.serverKey, acked) })
	}
	select {
	case <-enough:
	case <-time.After(soon):
		t.Errorf("only %d of %d events were acknowledged", count.Load(), after)
	}
	s.kill(t)
	all.Wait()
}

// compare checks what the log holds after a kill, and adds it to what is known.
func compare(t *testing.T, round int, log []stored, boards []*board, known map[string]cloud.EventID) {
	t.Helper()
	var newest cloud.EventID
	for _, id := range known {
		newest = max(newest, id)
	}
	now := map[string]cloud.EventID{}
	for _, ev := range log {
		if ev.name != "crash" {
			continue
		}
		what := ev.coreID + " " + ev.data
		before, old := known[what]
		switch {
		case now[what] != 0:
			t.Errorf("round %d: %s is in the log twice, as %v and %v", round, what, now[what], ev.id)
		case old && before != ev.id:
			t.Errorf("round %d: %s was %v and is %v", round, what, before, ev.id)
		case !old && ev.id <= newest:
			t.Errorf("round %d: %s is new, has the id %v, and %v was there before", round, what, ev.id, newest)
		}
		now[what] = ev.id
	}
	for what := range known {
		if now[what] == 0 {
			t.Errorf("round %d: %s was in the log and is gone", round, what)
		}
	}
	for _, b := range boards {
		b.acked.Range(func(n, _ any) bool {
			if what := fmt.Sprint(b.id, " ", n); now[what] == 0 {
				t.Errorf("round %d: %s was acknowledged and is lost", round, what)
			}
			return true
		})
	}
	if t.Failed() {
		t.FailNow()
	}
	maps.Copy(known, now)
}

// written is what a cloud was given and has acknowledged.
type written struct {
	mu      sync.Mutex
	devices map[keys.DeviceID]keys.Fingerprint
	tokens  []cloud.Secret
	users   []string
	events  []string
	steps   chan struct{} // one for each, while somebody counts
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
	for _, secret := range w.tokens {
		if !slices.ContainsFunc(tokens, func(t client.Token) bool { return t.ID == secret.ID() }) {
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

// needsProc skips a test that has to see when a process has stopped, where there is no /proc.
func needsProc(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skipf("%s does not tell whether a process is stopped", runtime.GOOS)
	}
}

// freeze stops the process and returns when none of its threads runs.
func (s *served) freeze(t *testing.T) {
	t.Helper()
	s.signal(t, "STOP")
	until(t, "the process is stopped", func() bool { return s.stopped(t) })
}

// until waits, within bounds, until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(2 * soon)
	often := time.NewTicker(2 * time.Millisecond)
	defer often.Stop()
	for !holds() {
		select {
		case <-often.C:
		case <-late:
			t.Fatalf("not within %v: %s", 2*soon, what)
		}
	}
}

func (s *served) thaw(t *testing.T) {
	t.Helper()
	s.signal(t, "CONT")
}

func (s *served) signal(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("kill", "-"+name, strconv.Itoa(s.PID)).CombinedOutput(); err != nil {
		t.Fatalf("kill -%s: %v %s", name, err, out)
	}
}

func (s *served) stopped(t *testing.T) bool {
	t.Helper()
	states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.PID))
	if err != nil || len(states) == 0 {
		t.Fatalf("the process has ended: %v\n%s", err, s.said.String())
	}
	for _, path := range states {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
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

// badClocks serves data from another time. A clock can be wrong in two ways: the cloud knows a later time than the
// machine shows, or an earlier one. The tests cannot set the machine's clock, so
// they let the cloud's last event be of another time.
func badClocks(t *testing.T, program string) {
	now := time.Now()
	for name, last := range map[string]time.Time{
		"the machine woke up in 1970": now.Add(now.Sub(time.Unix(0, 0))),
		"the machine is a day behind": now.Add(24 * time.Hour),
		"the machine is a day ahead":  now.Add(-24 * time.Hour),
		"the machine is years ahead":  now.Add(-5 * 365 * 24 * time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			h := &home{program: program, data: t.TempDir(), token: cloud.NewSecret()}
			expired := cloud.NewSecret()
			remember(t, h.data, last, h.token, expired)
			want := []string{"0", "1", "2"}
			for round := range 2 {
				s := h.serve(t, h.data)
				var got []string
				for _, ev := range s.replay(t) {
					if ev.name == "clock" {
						got = append(got, ev.data)
					}
					if ev.id < cloud.EventIDAt(last) {
						t.Errorf("event %v is older than it can be", ev.id)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("round %d: the log holds %v, not %v", round, got, want)
				}
				for n := range 3 {
					data := fmt.Sprint(round, ".", n)
					if err := s.api.Publish(t.Context(), "clock", &data, true); err != nil {
						t.Fatal(err)
					}
					want = append(want, data)
				}
				stranger := client.Client{BaseURL: s.api.BaseURL, Token: expired}
				if _, err := stranger.Devices(t.Context()); cloud.KindOf(err) != cloud.Unauthentic {
					t.Errorf("round %d: a token whose time was over: %v", round, err)
				}
				s.kill(t)
			}
		})
	}
}

// remember makes a data directory in which it is that time: three events, a
// token that was made just then, and one that had expired.
func remember(t *testing.T, data string, at time.Time, good, expired cloud.Secret) {
	t.Helper()
	s, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	user, err := s.Registry().AddUser(cloud.User{ID: cloud.NewUserID(), Name: "ann", Admin: true, Created: at})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Registry().PutTokens(
		cloud.Token{ID: good.ID(), User: user.ID, Created: at, Expires: at.Add(cloud.DefaultTokenLife)},
		cloud.Token{ID: expired.ID(), User: user.ID, Created: at.Add(-48 * time.Hour), Expires: at.Add(-time.Hour)},
	); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		id := cloud.EventIDAt(at) + cloud.EventID(n)
		committed := make(chan error, 1)
		s.Events().Append(&cloud.Event{
			ID: id, Name: "clock", Data: []byte(strconv.Itoa(n)), TTL: 60, PublishedAt: id.Time(), Source: cloud.SourceAPI,
			Owner: user.ID, Private: true, Format: cloud.TextFormat,
		}, func(err error) { committed <- err })
		if err := <-committed; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
