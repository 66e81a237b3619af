package cloud_test

import (
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestClockFollowsTheMachineUnlessThatCannotBeRight(t *testing.T) {
	const day = 24 * time.Hour
	tests := map[string]struct {
		known time.Duration // from the machine's clock at the start
		doubt string
		want  time.Duration // an hour later, from the machine's clock at the start
	}{
		"a new cloud":               {0, "", time.Hour},
		"restarted after a minute":  {-time.Minute, "", time.Hour},
		"switched off for a winter": {-200 * day, "", time.Hour},
		"woke up in 1970":           {30 * 365 * day, cloud.ClockBehind, 30*365*day + time.Hour},
		"a day behind":              {day, cloud.ClockBehind, day + time.Hour},
		"years ahead":               {-10 * 365 * day, cloud.ClockAhead, -10*365*day + time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				machine := time.Now()
				known := machine.Add(tt.known)
				if name == "a new cloud" {
					known = time.Time{}
				}
				c := cloud.NewClock(known)
				if got := c.Doubt(); got != tt.doubt {
					t.Errorf("doubt %q, want %q", got, tt.doubt)
				}
				time.Sleep(time.Hour)
				if got := c.Now(); !got.Equal(machine.Add(tt.want)) {
					t.Errorf("an hour later it is %v, want %v", got, machine.Add(tt.want))
				}
			})
		})
	}
}

func TestAMachineThatCatchesUpIsFollowedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cloud.NewClock(time.Now().Add(time.Hour))
		last := c.Now()
		for range 10 {
			time.Sleep(13 * time.Minute)
			now := c.Now()
			if now.Before(last) {
				t.Errorf("went back from %v to %v", last, now)
			}
			last = now
		}
	})
}

func TestTheOwnerSetsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cloud.NewClock(time.Now().AddDate(30, 0, 0))
		set := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		c.Set(set)
		time.Sleep(90 * time.Second)
		if got := c.Now(); !got.Equal(set.Add(90 * time.Second)) {
			t.Errorf("90 s after it was set it is %v", got)
		}
		if c.Doubt() != "" {
			t.Error("a clock that was set is still in doubt")
		}
	})
}
