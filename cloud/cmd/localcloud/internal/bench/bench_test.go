package bench

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func findFigure(t *testing.T, res Result, scenario, name string) Figure {
	t.Helper()
	i := slices.IndexFunc(res.Figures, func(f Figure) bool { return f.Scenario == scenario && strings.HasPrefix(f.Name, name) })
	if i < 0 {
		t.Fatalf("%s has no figure %q: %+v", scenario, name, res.Figures)
	}
	return res.Figures[i]
}

func TestEventsArriveCompleteAndInOrder(t *testing.T) {
	inBubble(t, func(w *world) {
		res := w.bench(Config{Scenarios: []string{"events"}, Devices: 2, Rate: 100, Duration: 500 * time.Millisecond, Clients: 2})
		for name, want := range map[string]float64{
			"events of 2 devices": 100, "lost": 0, "twice": 0, "out of order": 0, "streams that broke": 0, "not taken": 0,
		} {
			if got := w.figure(res, "events", name); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
		w.figure(res, "events", "publish to event stream, p99")
		if taken := w.hub.Totals().Events; taken < 100 {
			t.Errorf("the hub took %d events, of which 50 are warm-up and 50 count", taken)
		}
	})
}

func TestPublishWaitsForTheACKOfEachEvent(t *testing.T) {
	inBubble(t, func(w *world) {
		res := w.bench(Config{Scenarios: []string{"publish"}, Devices: 2, Rate: 100, Duration: 500 * time.Millisecond, Clients: 1})
		for name, want := range map[string]float64{"acknowledged events of 2 devices": 100, "not taken": 0, "lost": 0, "out of order": 0} {
			if got := w.figure(res, "publish", name); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
		w.figure(res, "publish", "publish to ACK, p99")
	})
}

func TestCallsAndVariablesAreAnswered(t *testing.T) {
	inBubble(t, func(w *world) {
		res := w.bench(Config{Scenarios: []string{"calls", "variables"}, Devices: 3, InFlight: 2, Duration: time.Second})
		for _, scenario := range []string{"calls", "variables"} {
			if got := w.figure(res, scenario, scenario+" that failed"); got != 0 {
				t.Errorf("%s: %v failed: %q", scenario, got, res.Notes)
			}
			// Each takes a write of the client, of the server to the device and back, two of the device.
			if got := w.figure(res, scenario, scenario+", p50"); got < 3 || got > 8 {
				t.Errorf("%s: p50 = %v ms, want some milliseconds", scenario, got)
			}
			if got := w.figure(res, scenario, scenario); got < 250 || got > 700 {
				t.Errorf("%s: %v/s, want 2 at a time of some milliseconds each", scenario, got)
			}
		}
	})
}

func TestAWrongAnswerIsAFailure(t *testing.T) {
	inBubble(t, func(w *world) {
		w.faults = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
				if strings.HasSuffix(q.URL.Path, "/"+functionName) {
					io.WriteString(rw, `{"return_value":-1}`)
					return
				}
				h.ServeHTTP(rw, q)
			})
		}
		res := w.bench(Config{Scenarios: []string{"calls"}, Devices: 1, InFlight: 1, Duration: 50 * time.Millisecond})
		if got := w.figure(res, "calls", "calls that failed"); got < 3 {
			t.Errorf("%v failed, want every one", got)
		}
		if got := w.figure(res, "calls", "calls"); got != 0 {
			t.Errorf("calls = %v/s, want 0", got)
		}
	})
}

func TestSubscribersGetEveryEvent(t *testing.T) {
	inBubble(t, func(w *world) {
		res := w.bench(Config{Scenarios: []string{"subscribe"}, Devices: 3, Rate: 100, Duration: 500 * time.Millisecond})
		for name, want := range map[string]float64{"deliveries to 2 devices": 200, "lost": 0, "twice": 0, "out of order": 0} {
			if got := w.figure(res, "subscribe", name); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
	})
}

func TestFanoutReachesEveryClient(t *testing.T) {
	inBubble(t, func(w *world) {
		res := w.bench(Config{Scenarios: []string{"fanout"}, Clients: 3, Rate: 50, Duration: 200 * time.Millisecond})
		for name, want := range map[string]float64{"lost": 0, "twice": 0, "out of order": 0, "streams that broke": 0} {
			if got := w.figure(res, "fanout", name); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
		if got := w.figure(res, "fanout", "deliveries to 3 clients"); got < 2000 || got > 3100 {
			t.Errorf("%v deliveries/s, want one a millisecond to each of 3 clients", got)
		}
	})
}

func TestDevicesConnectIdleAndComeBack(t *testing.T) {
	inBubble(t, func(w *world) {
		res := w.bench(Config{Scenarios: []string{"handshake", "idle", "storm"}, Devices: 3, Duration: 40 * time.Second})
		for _, scenario := range []string{"handshake", "idle", "storm"} {
			for _, name := range []string{"attempts that failed", "connections lost"} {
				if got := w.figure(res, scenario, name); got != 0 {
					t.Errorf("%s: %s = %v: %q", scenario, name, got, res.Notes)
				}
			}
		}
		if got := w.figure(res, "storm", "attempts per device"); got != 1 {
			t.Errorf("storm: %v attempts per device, want 1", got)
		}
		for name, want := range map[string]float64{"missed a Photon's": 0, "would have missed a Core's": 0} {
			if got := w.figure(res, "storm", name); got != want {
				t.Errorf("storm: %s = %v", name, got)
			}
		}
		if why := findFigure(t, res, "idle", "memory per idle device").Why; why != errUnmeasured.Error() {
			t.Errorf("memory of a cloud in memory: %q", why)
		}
	})
}

func TestACloudThatStaysIsLeftAsItWas(t *testing.T) {
	inBubble(t, func(w *world) {
		res := w.bench(Config{Scenarios: []string{"start", "handshake"}, Devices: 2})
		if n := len(w.store.Registry().Devices()); n != 0 {
			t.Errorf("%d devices stay registered: %q", n, res.Notes)
		}
		if n := w.hub.Totals().Online; n != 0 {
			t.Errorf("%d devices stay online", n)
		}
		if !slices.ContainsFunc(res.Notes, func(s string) bool { return strings.HasPrefix(s, "start was left out") }) {
			t.Errorf("notes = %q, want one that start needs a cloud of its own", res.Notes)
		}
	})
}

func TestAnInterruptKeepsWhatWasMeasured(t *testing.T) {
	inBubble(t, func(w *world) {
		ctx, interrupt := context.WithCancel(w.Context())
		began := time.Now()
		w.faults = func(h http.Handler) http.Handler {
			if time.Since(began) > 3*time.Second {
				interrupt()
			}
			return h
		}
		time.AfterFunc(3*time.Second, interrupt)
		res, err := Run(ctx, w.config(Config{Scenarios: []string{"events", "publish"}, Devices: 2, Rate: 100, Duration: time.Hour}))
		if err != nil {
			t.Fatal(err)
		}
		if !res.Interrupted {
			t.Error("the result does not say that it was interrupted")
		}
		if got := w.figure(res, "events", "events of 2 devices"); got < 90 || got > 110 {
			t.Errorf("%v events/s, want about 100", got)
		}
		if got := w.figure(res, "events", "lost"); got != 0 {
			t.Errorf("%v lost", got)
		}
		for _, f := range res.Figures {
			if f.Scenario != "events" {
				t.Errorf("a figure of %s, which came after the interrupt", f.Scenario)
			}
		}
		synctest.Wait()
		if n := len(w.store.Registry().Devices()); n != 0 {
			t.Errorf("%d devices stay registered", n)
		}
	})
}

func TestAScenarioThatFailsDoesNotStopTheOthers(t *testing.T) {
	inBubble(t, func(w *world) {
		failed := false
		w.faults = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
				if q.URL.Path == "/v1/server/key" && !failed {
					failed = true
					http.Error(rw, "broken", http.StatusInternalServerError)
					return
				}
				h.ServeHTTP(rw, q)
			})
		}
		res, err := Run(w.Context(), w.config(Config{Scenarios: []string{"handshake", "idle"}, Devices: 1, Duration: time.Second}))
		if err == nil || len(res.Failed) != 1 || !strings.HasPrefix(res.Failed[0], "handshake: ") {
			t.Errorf("failed = %q, error %v", res.Failed, err)
		}
		w.figure(res, "idle", "connections lost")
	})
}

func TestCeilingsAreMeasured(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bench(Config{Scenarios: []string{"handshake"}, Devices: 1}) // its ceiling needs no clock
	})
	res, err := Run(t.Context(), Config{Scenarios: []string{"ceilings"}, Network: inProcess(), most: 3, InFlight: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"RSA of one handshake, one core", "RSA of one handshake, all cores", "synced write of 4 kB, p50", "64 bytes there and back", "plain HTTP server"} {
		if f := findFigure(t, res, "ceilings", name); f.Value == nil || *f.Value <= 0 {
			t.Errorf("%s = %+v", name, f)
		}
	}
}

func TestAScenarioThatDoesNotExistIsRefused(t *testing.T) {
	_, err := Run(t.Context(), Config{Scenarios: []string{"events", "nonsense"}})
	if err == nil || !strings.Contains(err.Error(), `"nonsense"`) || !strings.Contains(err.Error(), "fanout") {
		t.Errorf("error = %v, want the name and what there is", err)
	}
}
