package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func (w *world) accounts() *cloud.Accounts { return cloud.NewAccounts(w.registry) }

// user adds a user without the cost of a password.
func (w *world) user(name string) cloud.UserID {
	w.t.Helper()
	u, err := w.registry.AddUser(cloud.User{ID: cloud.NewUserID(), Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return u.ID
}

func (w *world) issue(a *cloud.Accounts, g cloud.Grant) cloud.Issued {
	w.t.Helper()
	out, err := a.Issue(g)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestFirstUserIsAdminAndNamesAreUnique(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, ctx := w.accounts(), context.Background()
		first, err := a.AddUser(ctx, "Ann@example.org", "correct horse", false, false)
		if err != nil || !first.Admin || first.ID == "" || !first.Created.Equal(time.Now()) {
			t.Fatalf("first user %+v, %v", first, err)
		}
		second, err := a.AddUser(ctx, "bob", "battery staple", false, false)
		if err != nil || second.Admin {
			t.Errorf("second user %+v, %v", second, err)
		}
		if _, err := a.AddUser(ctx, "ann@EXAMPLE.org", "something else", false, false); cloud.KindOf(err) != cloud.Exist {
			t.Errorf("the same name again: %v", err)
		}
		if got := cloud.Owner(w.registry); got != first.ID {
			t.Errorf("the cloud belongs to %s", got)
		}
	})
}

func TestNamesAndPasswordsThatAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, ctx := w.accounts(), context.Background()
		for _, name := range []string{"", "a b", "a:b", "a\n", "a\x7f", strings.Repeat("n", 129)} {
			if _, err := a.AddUser(ctx, name, "long enough", false, false); cloud.KindOf(err) != cloud.Invalid {
				t.Errorf("name %q: %v", name, err)
			}
		}
		for _, password := range []string{"", "seven77", strings.Repeat("p", 1025)} {
			if _, err := a.AddUser(ctx, "ann", password, false, false); cloud.KindOf(err) != cloud.Invalid {
				t.Errorf("password of %d bytes: %v", len(password), err)
			}
		}
		if users := w.registry.Users(); len(users) != 0 {
			t.Errorf("users %v", users)
		}
	})
}

func TestLogIn(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, ctx := w.accounts(), context.Background()
		u, err := a.AddUser(ctx, "ann", "correct horse", false, false)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.LogIn(ctx, "ANN", "correct horse"); err != nil || got.ID != u.ID {
			t.Errorf("%+v, %v", got, err)
		}
		for _, c := range [][2]string{{"ann", "wrong horse"}, {"bob", "correct horse"}, {"", ""}, {"ann", strings.Repeat("p", 2000)}} {
			if got, err := a.LogIn(ctx, c[0], c[1]); err != cloud.ErrPassword || got.ID != "" {
				t.Errorf("%q: %+v, %v", c[0], got, err)
			}
		}
		if _, err := a.SetPassword(ctx, u.ID, "another horse", false, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := a.LogIn(ctx, "ann", "correct horse"); err != cloud.ErrPassword {
			t.Errorf("the old password: %v", err)
		}
		if _, err := a.LogIn(ctx, "ann", "another horse"); err != nil {
			t.Errorf("the new password: %v", err)
		}
		if _, err := a.SetPassword(ctx, u.ID, "short", false, ""); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("a short one: %v", err)
		}
	})
}

func TestPasswordsThatAreCheckedAtOnceAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.accounts()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		refused := 0
		for range 50 { // select takes either way when both are open
			if _, err := a.LogIn(ctx, "ann", "correct horse"); cloud.KindOf(err) == cloud.Timeout {
				refused++
				break
			}
		}
		if refused == 0 {
			t.Error("a caller who is gone is always served")
		}
	})
}

func TestOnlyTheRightPasswordOfAReadableHashIsRight(t *testing.T) {
	hash := cloud.HashPassword("correct horse")
	if !cloud.CheckPassword(hash, "correct horse") {
		t.Error("the right password is wrong")
	}
	for _, unknown := range []string{
		"", "$argon2id$v=19$m=8,t=1,p=1$x$y", "plain text", strings.Replace(hash, "v=19", "v=16", 1),
	} {
		if cloud.CheckPassword(unknown, "correct horse") || cloud.CheckPassword(unknown, "") {
			t.Errorf("a password is right for the hash %q", unknown)
		}
	}
	if cloud.CheckPassword(hash, "wrong horse") {
		t.Error("a wrong password is right")
	}
	if again := cloud.HashPassword("correct horse"); again == hash {
		t.Error("two hashes of one password are equal: there is no salt")
	}
}

// BenchmarkCheckPassword shows that an unknown user costs as much as a wrong password.
func BenchmarkCheckPassword(b *testing.B) {
	for name, hash := range map[string]string{"wrong": cloud.HashPassword("correct horse"), "unknown user": ""} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if cloud.CheckPassword(hash, "wrong horse") {
					b.Fatal("a wrong password is right")
				}
			}
		})
	}
}

func TestTokenLivesAsLongAsItIsMeantTo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, user := w.accounts(), w.user("ann")
		short := w.issue(a, cloud.Grant{User: user, Client: "particle-cli", Note: "n", Scopes: []cloud.Scope{cloud.ScopeEvents}, Life: time.Hour})
		ever := w.issue(a, cloud.Grant{User: user})
		if short.Refresh != "" || len(short.Secret) != 40 || short.Secret == ever.Secret {
			t.Errorf("issued %+v", short)
		}
		access, err := a.Authenticate(short.Secret)
		if err != nil || access.User.ID != user || len(access.Scopes) != 1 || access.Token != short.Token.ID {
			t.Errorf("%+v, %v", access, err)
		}
		time.Sleep(time.Hour - time.Nanosecond)
		if _, err := a.Authenticate(short.Secret); err != nil {
			t.Errorf("shortly before the end: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := a.Authenticate(short.Secret); err != cloud.ErrTokenExpired {
			t.Errorf("at the end: %v", err)
		}
		time.Sleep(100 * 365 * 24 * time.Hour)
		if _, err := a.Authenticate(ever.Secret); err != nil {
			t.Errorf("a token without end after a century: %v", err)
		}
		for _, s := range []cloud.Secret{"", "nonsense", cloud.NewSecret(), cloud.Secret(ever.Token.ID)} {
			if _, err := a.Authenticate(s); err != cloud.ErrTokenInvalid {
				t.Errorf("a token that is none: %v", err)
			}
		}
	})
}

func TestSecretNeverPrints(t *testing.T) {
	s := cloud.NewSecret()
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %s %#v %+v %q", s, s, s, s, s), fmt.Sprintf("%v", struct{ S cloud.Secret }{s})} {
		if strings.Contains(text, string(s)) {
			t.Errorf("%s shows the secret", text)
		}
		if !strings.Contains(text, string(s.ID())) {
			t.Errorf("%s does not show the id", text)
		}
	}
	if len(s.ID()) != 40 || string(s.ID()) == string(s) {
		t.Errorf("id %s", s.ID())
	}
}

func TestRefreshTokenIsGoodOnceAndForNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, user := w.accounts(), w.user("ann")
		first := w.issue(a, cloud.Grant{User: user, Client: "c", Scopes: []cloud.Scope{cloud.ScopeEvents}, Life: time.Hour, Refresh: true})
		if _, err := a.Authenticate(first.Refresh); err != cloud.ErrTokenInvalid {
			t.Errorf("a refresh token as access token: %v", err)
		}
		if _, err := a.Renew(first.Secret, time.Hour); err != cloud.ErrTokenInvalid {
			t.Errorf("an access token as refresh token: %v", err)
		}
		time.Sleep(2 * time.Hour) // the access token is over
		second, err := a.Renew(first.Refresh, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		access, err := a.Authenticate(second.Secret)
		if err != nil || access.User.ID != user || len(access.Scopes) != 1 || access.Scopes[0] != cloud.ScopeEvents {
			t.Errorf("%+v, %v", access, err)
		}
		if _, err := a.Authenticate(first.Secret); err != cloud.ErrTokenInvalid {
			t.Errorf("the old access token: %v", err)
		}
		if _, err := a.Renew(first.Refresh, time.Hour); err != cloud.ErrTokenInvalid {
			t.Errorf("the old refresh token: %v", err)
		}
		if got := len(w.registry.Tokens(user)); got != 2 {
			t.Errorf("%d tokens are left, want 2", got)
		}
		time.Sleep(15 * 24 * time.Hour) // longer than life and grace
		if _, err := a.Renew(second.Refresh, time.Hour); err != cloud.ErrTokenInvalid {
			t.Errorf("an expired refresh token: %v", err)
		}
	})
}

func TestRefreshTokenSpentTwiceAtOnceIsGoodOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, user := w.accounts(), w.user("ann")
		for range 50 {
			issued := w.issue(a, cloud.Grant{User: user, Life: time.Hour, Refresh: true})
			var all sync.WaitGroup
			good := make(chan cloud.Issued, 8)
			for range cap(good) {
				all.Go(func() {
					if out, err := a.Renew(issued.Refresh, time.Hour); err == nil {
						good <- out
					} else if err != cloud.ErrTokenInvalid {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if len(good) != 1 {
				t.Fatalf("good %d times", len(good))
			}
			if err := a.Revoke((<-good).Token.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRevokeTakesThePairWithIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, user := w.accounts(), w.user("ann")
		for _, byRefresh := range []bool{false, true} {
			issued := w.issue(a, cloud.Grant{User: user, Life: time.Hour, Refresh: true})
			other := w.issue(a, cloud.Grant{User: user})
			id := issued.Token.ID
			if byRefresh {
				id = issued.Token.Pair
			}
			if err := a.Revoke(id); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Authenticate(issued.Secret); err != cloud.ErrTokenInvalid {
				t.Errorf("the access token: %v", err)
			}
			if _, err := a.Renew(issued.Refresh, time.Hour); err != cloud.ErrTokenInvalid {
				t.Errorf("the refresh token: %v", err)
			}
			if _, err := a.Authenticate(other.Secret); err != nil {
				t.Errorf("another token of the user: %v", err)
			}
		}
		if err := a.Revoke("no such token"); err != nil {
			t.Errorf("a token that never was: %v", err)
		}
	})
}

func TestWhatATokenHoldsEndsWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, a *cloud.Accounts, t cloud.Token)
		want error
	}{
		"revoked":           {func(w *world, a *cloud.Accounts, t cloud.Token) { a.Revoke(t.ID) }, cloud.ErrTokenInvalid},
		"refresh revoked":   {func(w *world, a *cloud.Accounts, t cloud.Token) { a.Revoke(t.Pair) }, cloud.ErrTokenInvalid},
		"user removed":      {func(w *world, a *cloud.Accounts, t cloud.Token) { a.RemoveUser(t.User) }, cloud.ErrTokenInvalid},
		"expired":           {func(w *world, a *cloud.Accounts, t cloud.Token) { time.Sleep(time.Hour) }, cloud.ErrTokenExpired},
		"renewed by client": {func(w *world, a *cloud.Accounts, t cloud.Token) { a.Revoke(t.Pair, t.ID) }, cloud.ErrTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				a := w.accounts()
				w.user("owner")
				user := w.user("ann")
				issued := w.issue(a, cloud.Grant{User: user, Life: time.Hour, Refresh: true})
				other := w.issue(a, cloud.Grant{User: w.user("bob")})
				held, release := a.Hold(context.Background(), issued.Token.ID)
				again, releaseAgain := a.Hold(context.Background(), issued.Token.ID)
				others, releaseOthers := a.Hold(context.Background(), other.Token.ID)
				defer releaseOthers()
				if held.Err() != nil {
					t.Fatal(held.Err())
				}
				c.end(w, a, issued.Token)
				synctest.Wait()
				for _, ctx := range []context.Context{held, again} {
					if ctx.Err() == nil || !errors.Is(context.Cause(ctx), c.want) {
						t.Errorf("held ends with %v, want %v", context.Cause(ctx), c.want)
					}
				}
				if others.Err() != nil {
					t.Errorf("another user's stream ended: %v", context.Cause(others))
				}
				release()
				release()
				releaseAgain()
				late, releaseLate := a.Hold(context.Background(), issued.Token.ID)
				defer releaseLate()
				if late.Err() == nil {
					t.Error("a token that is over holds on")
				}
			})
		})
	}
}

func TestReleasedHoldIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.accounts()
		issued := w.issue(a, cloud.Grant{User: w.user("ann"), Life: time.Hour})
		held, release := a.Hold(context.Background(), issued.Token.ID)
		release()
		if held.Err() == nil || errors.Is(context.Cause(held), cloud.ErrTokenInvalid) {
			t.Errorf("after release: %v", context.Cause(held))
		}
		server, done := a.Hold(context.Background(), "") // the server's own commands
		done()
		if server.Err() != nil {
			t.Error(server.Err())
		}
	})
}

func TestHoldAndRevokeAtOnceLeavesNothingOpen(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, user := w.accounts(), w.user("ann")
		for range 100 {
			issued := w.issue(a, cloud.Grant{User: user})
			var all sync.WaitGroup
			var held context.Context
			var release func()
			all.Go(func() { held, release = a.Hold(context.Background(), issued.Token.ID) })
			all.Go(func() { a.Revoke(issued.Token.ID) })
			all.Wait()
			if held.Err() == nil {
				t.Fatal("a stream outlives its token")
			}
			release()
		}
	})
}

func TestTokenOfARemovedUserIsInvalid(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.accounts()
		w.user("owner")
		user := w.user("ann")
		issued := w.issue(a, cloud.Grant{User: user})
		if err := a.RemoveUser(user); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Authenticate(issued.Secret); err != cloud.ErrTokenInvalid {
			t.Errorf("%v", err)
		}
		orphan := w.issue(a, cloud.Grant{User: w.user("bob")})
		if err := w.registry.RemoveUser(orphan.Token.User); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Authenticate(orphan.Secret); err != cloud.ErrTokenInvalid {
			t.Errorf("%v", err)
		}
	})
}
