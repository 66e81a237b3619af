package main

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/sse"
	"localcloud/cloud/store"
)

// storeStatus is what the cloud says about its store.
func storeStatus(t *testing.T, data string) store.Status {
	t.Helper()
	return into[struct{ Store store.Status }](t, "status", "--data", data).Store
}

// kept returns the names of the events that a listener gets who has none yet.
func kept(t *testing.T, s *serving, token string) (names []string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/devices/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Last-Event-ID", "0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	end := "end/" + rand.Text()
	publish(t, s, token, end)
	for in := sse.NewReader(resp.Body); ; {
		frame, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if frame.Event == end {
			return names
		}
		if !strings.HasPrefix(frame.Event, "end/") {
			names = append(names, frame.Event)
		}
	}
}

func publish(t *testing.T, s *serving, token, name string) {
	t.Helper()
	api := client.Client{BaseURL: s.url, Token: cloud.Secret(token)}
	if err := api.Publish(t.Context(), name, nil, true); err != nil {
		t.Fatal(err)
	}
}

func TestTheOwnerChoosesHowEventsAreKept(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode, acknowledged string
		here, later        []string // what a listener gets before and after a restart
		words              []string
	}{
		{"disk", "synced", []string{"a", "b"}, []string{"a", "b", "c"}, []string{"of at most 5.0 MB, for 3 days", "when it is on the disk (--events disk)"}},
		{"interval=1h", "accepted", []string{"a", "b"}, []string{"a", "b", "c"}, []string{"before it is on a disk (--events interval=1h0m0s)"}},
		{"memory", "accepted", []string{"a", "b"}, []string{"c"}, []string{"before it is on a disk (--events memory)"}},
		{"off", "accepted", nil, nil, []string{"none (--events off)", "before it is on a disk (--events off)"}},
	} {
		t.Run(test.mode, func(t *testing.T) {
			t.Parallel()
			data, _ := newCloud(t)
			token := ownCloud().token
			options := []string{"--events", test.mode, "--events-max-age", "3d", "--events-max-size", "5MB"}
			s := serve(t, data, options...)
			publish(t, s, token, "a")
			publish(t, s, token, "b")
			if got := kept(t, s, token); !slices.Equal(got, test.here) {
				t.Errorf("kept are %q, not %q", got, test.here)
			}
			st := storeStatus(t, data)
			if mode, _, _ := strings.Cut(st.Mode, "="); !strings.HasPrefix(test.mode, mode) || st.Acknowledged != test.acknowledged ||
				st.MaxBytes != 5e6 || st.MaxAge != 3*24*3600 || st.Boots == 0 || st.ReadOnly != "" || len(st.SetAside) > 0 {
				t.Errorf("status is %+v", st)
			}
			out := command(t, "status", "--data", data)
			for _, want := range test.words {
				if !strings.Contains(out, want) {
					t.Errorf("status lacks %q:\n%s", want, out)
				}
			}
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			s = serve(t, data, options...)
			publish(t, s, token, "c")
			if got := kept(t, s, token); !slices.Equal(got, test.later) {
				t.Errorf("after a restart kept are %q, not %q", got, test.later)
			}
			if st := storeStatus(t, data); len(st.Snapshots) == 0 {
				t.Errorf("nobody sees the snapshots: %+v", st)
			}
		})
	}
}

func TestAnUnknownWayToKeepEventsIsRefusedWithThoseThereAre(t *testing.T) {
	data := t.TempDir()
	for _, mode := range []string{"ram", "interval", "interval=1ms", ""} {
		refused(t, 2, []string{"disk, interval=30s (1s to 1h), memory or off"}, "serve", "--data", data, "--events="+mode)
	}
	t.Setenv("LOCALCLOUD_EVENTS", "disc")
	refused(t, 2, []string{`"disc"`}, "serve", "--data", data)
}

// What is wrong with a store has words of its own, beside the warnings.
func TestStatusSaysWhatIsReadOnlyAndWhatIsSetAside(t *testing.T) {
	var out strings.Builder
	showStore(&terminal{out: &out}, store.Status{
		Usage: store.Usage{Events: 12, Bytes: 34e6, ReadOnly: "input/output error"}, Mode: "disk", Acknowledged: "synced",
		RegistryReadOnly: "input/output error", SetAside: []string{"events.damaged-1"}, Snapshots: []string{"registry-1", "registry-2"},
		Free: 20e6, Reserve: 30e6,
	})
	for _, want := range []string{
		"12, 34 MB\n", "2 snapshots, the newest registry-2\n", "events.damaged-1\n", "20 MB free, with less than 30 MB",
		"the log of events and devices, users, tokens and settings\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, out.String())
		}
	}
}
