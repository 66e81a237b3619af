package main_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/store"
)

// What kill -9 (kill_test.go), a power cut (powercut_test.go) and a bad clock do to the built program. The rounds
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
