package cloud_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func guard(change func(*cloud.Limits)) *cloud.Guard {
	l := cloud.DefaultLimits()
	if change != nil {
		change(&l)
	}
	return cloud.NewGuard(func() cloud.Limits { return l })
}

// fails tries to log in n times with a wrong password, as far as the guard lets it.
func fails(g *cloud.Guard, n int, address, user string) (tried int) {
	for range n {
		if g.MayLogIn(address, user) == nil {
			tried++
			g.LoggedIn(address, user, false)
		}
	}
	return tried
}

func after(t *testing.T, err error) time.Duration {
	t.Helper()
	var limited *cloud.LimitedError
	if cloud.KindOf(err) != cloud.Limited || !errors.As(err, &limited) {
		t.Fatalf("the error is %v, want that it is too much", err)
	}
	return limited.After
}

func TestTenFailedLogInsLockAnAddressForHalfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(nil)
		if n := fails(g, 20, "10.0.0.9", "ann"); n != 10 {
			t.Errorf("%d tries, want 10", n)
		}
		time.Sleep(10 * time.Minute)
		if left := after(t, g.MayLogIn("10.0.0.9", "bob")); left != 20*time.Minute { // whoever it wants to be
			t.Errorf("%v are left", left)
		}
		if err := g.MayLogIn("10.0.0.2", "ann"); err != nil { // she has never logged in from there
			t.Errorf("the owner elsewhere: %v", err)
		}
		time.Sleep(20 * time.Minute)
		if n := fails(g, 20, "10.0.0.9", "ann"); n != 10 {
			t.Errorf("after half an hour %d tries, want 10", n)
		}
	})
}

func TestManyNamesFromOneAddressCountTogether(t *testing.T) {
	g := guard(nil)
	tried := 0
	for i := range 20 {
		tried += fails(g, 1, "10.0.0.9", fmt.Sprint("user", i))
	}
	if tried != 10 {
		t.Errorf("%d tries, want 10", tried)
	}
}

func TestManyAddressesLockAUserOutButNotWhereTheyLoggedIn(t *testing.T) {
	g := guard(nil)
	g.LoggedIn("10.0.0.2", "Ann", true)
	tried := 0
	for i := range 20 {
		tried += fails(g, 1, fmt.Sprint("10.0.1.", i), "ann")
	}
	if tried != 10 {
		t.Errorf("%d tries, want 10", tried)
	}
	after(t, g.MayLogIn("10.0.9.9", "ANN"))
	if err := g.MayLogIn("10.0.0.2", "ann"); err != nil {
		t.Errorf("where she logged in: %v", err)
	}
	if err := g.MayLogIn("10.0.9.9", "bob"); err != nil {
		t.Errorf("another user: %v", err)
	}
}

func TestALogInDoesNotWipeOutFailures(t *testing.T) {
	g := guard(nil)
	fails(g, 9, "10.0.0.9", "ann")
	g.LoggedIn("10.0.0.9", "bob", true) // an account of one's own does not help to guess others'
	if n := fails(g, 5, "10.0.0.9", "ann"); n != 1 {
		t.Errorf("%d more tries, want 1", n)
	}
}

func TestTokenRequestsAndStreamsAreBoundedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(func(l *cloud.Limits) { l.Streams = 3; l.StreamOpens = 5 })
		for i := range 100 {
			if err := g.MayAskForToken("10.0.0.9"); err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
		}
		if left := after(t, g.MayAskForToken("10.0.0.9")); left != 3*time.Second {
			t.Errorf("%v are left, want 3 s", left)
		}
		if err := g.MayAskForToken("10.0.0.8"); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Second)
		if err := g.MayAskForToken("10.0.0.9"); err != nil {
			t.Error(err)
		}

		open := func() error { return g.OpenStream("10.0.0.9") }
		for range 3 {
			if err := open(); err != nil {
				t.Fatal(err)
			}
		}
		after(t, open())
		g.CloseStream("10.0.0.9")
		if err := open(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			g.CloseStream("10.0.0.9")
		}
		if err := open(); err != nil {
			t.Fatal(err)
		}
		if left := after(t, open()); left != time.Minute { // the sixth within 5 minutes
			t.Errorf("%v are left, want a minute", left)
		}
	})
}

func TestLimitsCanBeSwitchedOffAndChanged(t *testing.T) {
	l := cloud.Limits{}
	g := cloud.NewGuard(func() cloud.Limits { return l })
	if n := fails(g, 50, "10.0.0.9", "ann"); n != 50 {
		t.Errorf("%d tries", n)
	}
	for range 500 {
		if err := errors.Join(g.MayAskForToken("10.0.0.9"), g.OpenStream("10.0.0.9")); err != nil {
			t.Fatal(err)
		}
	}
	l = cloud.Limits{LogIns: 3, LockMinutes: 1, TokenRequests: 2, Streams: 500, StreamOpens: 1}
	if n := fails(g, 50, "10.0.0.9", "ann"); n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
	after(t, g.OpenStream("10.0.0.9"))
	l.TokenRequests = 1
	g.MayAskForToken("10.0.0.9")
	after(t, g.MayAskForToken("10.0.0.9"))
}

func TestGuardForgetsWhatIsTooMuch(t *testing.T) {
	g := guard(nil)
	for i := range 25_000 {
		name := fmt.Sprint(i)
		g.LoggedIn(name, name, false)
		g.MayAskForToken(name)
	}
	if n := fails(g, 20, "10.0.0.9", "ann"); n != 10 {
		t.Errorf("with full lists: %d tries, want 10", n)
	}
}
