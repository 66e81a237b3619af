package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
)

func firstUserAdmin(t *testing.T, w *world) {
	if !w.user("a", "ada", noon).Admin {
		t.Error("the first user is no admin")
	}
	if w.user("b", "ben", noon).Admin {
		t.Error("the second user is an admin")
	}
	u, err := w.Registry().AddUser(cloud.User{ID: "c", Name: "cleo", Admin: true})
	if err != nil || !u.Admin || u.Created.IsZero() {
		t.Errorf("AddUser = %+v, %v", u, err)
	}
	wantSame(t, must2(w.Registry().User("c")), u)
	for _, bad := range []cloud.User{{Name: "noid"}, {ID: "noname"}} {
		_, err := w.Registry().AddUser(bad)
		wantKind(t, err, cloud.Invalid)
	}
}

func namesIgnoreCase(t *testing.T, w *world) {
	w.user("a", "Ada@Example.com", noon)
	w.user("b", "ben", noon)
	r := w.Registry()
	_, err := r.AddUser(cloud.User{ID: "c", Name: "ADA@example.COM"})
	wantKind(t, err, cloud.Exist)
	_, err = r.AddUser(cloud.User{ID: "a", Name: "other"})
	wantKind(t, err, cloud.Exist)
	_, err = r.UpdateUser("b", func(u *cloud.User) error { u.Name = "ada@example.com"; return nil })
	wantKind(t, err, cloud.Exist)
	if u, ok := r.UserByName("aDa@example.com"); !ok || u.ID != "a" {
		t.Errorf("UserByName = %+v, %v", u, ok)
	}
	if u, ok := r.UserByName("nobody"); ok {
		t.Errorf("UserByName finds %+v", u)
	}
	u, err := r.UpdateUser("a", func(u *cloud.User) error { u.ID, u.Name = "z", "ada@example.com"; return nil })
	if err != nil || u.ID != "a" || must2(r.User("a")).Name != "ada@example.com" {
		t.Errorf("a user cannot change the case of their name: %+v, %v", u, err)
	}
	if len(r.Users()) != 2 {
		t.Errorf("users are %+v", r.Users())
	}
}

func oneNameOneUser(t *testing.T, w *world) {
	const n = 20
	got := make(chan error, n)
	for i := range n {
		go func() {
			_, err := w.Registry().AddUser(cloud.User{ID: cloud.UserID(fmt.Sprint(i)), Name: "ada"})
			got <- err
		}()
	}
	added := 0
	for range n {
		if err := <-got; err == nil {
			added++
		} else {
			wantKind(t, err, cloud.Exist)
		}
	}
	if users := w.Registry().Users(); added != 1 || len(users) != 1 || !users[0].Admin {
		t.Errorf("%d were added, users are %+v", added, users)
	}
}

func usersOldestFirst(t *testing.T, w *world) {
	w.user("a", "third", noon.Add(2*time.Second))
	w.user("b", "first", noon)
	w.user("c", "second", noon.Add(time.Second))
	w.user("d", "second too", noon.Add(time.Second))
	for range 2 {
		var got []cloud.UserID
		for _, u := range w.Registry().Users() {
			got = append(got, u.ID)
		}
		wantSame(t, got, []cloud.UserID{"b", "c", "d", "a"})
		w.open(Options{})
	}
}

func unknownUser(t *testing.T, w *world) {
	_, err := w.Registry().UpdateUser("x", func(*cloud.User) error { t.Error("change is called"); return nil })
	wantKind(t, err, cloud.NotExist)
	wantKind(t, w.Registry().RemoveUser("x"), cloud.NotExist)
	w.user("a", "ada", noon)
	no := errors.New("no")
	_, err = w.Registry().UpdateUser("a", func(u *cloud.User) error { u.Name = "changed"; return no })
	if !errors.Is(err, no) || must2(w.Registry().User("a")).Name != "ada" {
		t.Errorf("UpdateUser: %v, user is %+v", err, must2(w.Registry().User("a")))
	}
}

func userRemoved(t *testing.T, w *world) {
	w.user("a", "ada", noon)
	w.user("b", "ben", noon)
	w.update(1, func(d *cloud.Device) { d.Owner, d.Name = "a", "heron" })
	w.update(2, func(d *cloud.Device) { d.Owner = "b" })
	if err := w.Registry().PutTokens(cloud.Token{ID: "ta", User: "a"}, cloud.Token{ID: "tb", User: "b"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Registry().RemoveUser("a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantAdaGone(t, w.Registry())
		if d := must2(w.Registry().Device(id(1))); d.Name != "heron" {
			t.Errorf("device is %+v", d)
		}
		if d := must2(w.Registry().Device(id(2))); d.Owner != "b" {
			t.Errorf("ben's device is %+v", d)
		}
		if _, ok := w.Registry().Token("tb"); !ok || len(w.Registry().Tokens("")) != 1 {
			t.Errorf("tokens are %+v", w.Registry().Tokens(""))
		}
		w.open(Options{})
	}
	w.user("c", "ADA", noon) // the name is free
}

// wantAdaGone checks that user "a" left nothing.
func wantAdaGone(t *testing.T, r *Registry) {
	t.Helper()
	if _, ok := r.User("a"); ok || len(r.Tokens("a")) > 0 {
		t.Errorf("user a is there: %v, their tokens are %+v", ok, r.Tokens("a"))
	}
	for _, d := range r.Devices() {
		if d.Owner == "a" {
			t.Errorf("device %v belongs to user a", d.ID)
			return
		}
	}
}

// ownMuch gives user "a" some 500 kB of devices and tokens.
func ownMuch(w *world) {
	w.user("a", "ada", noon)
	w.user("b", "ben", noon)
	var all sync.WaitGroup
	for n := range byte(50) {
		all.Go(func() {
			w.update(n+1, func(d *cloud.Device) { d.Owner, d.Notes = "a", strings.Repeat("n", 10_000) })
			err := w.Registry().PutTokens(cloud.Token{ID: cloud.TokenID(fmt.Sprint(n)), User: "a"})
			if err != nil {
				w.t.Error(err)
			}
		})
	}
	all.Wait()
}

func largeUserRemoved(t *testing.T, w *world) {
	ownMuch(w)
	if err := w.Registry().RemoveUser("a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantAdaGone(t, w.Registry())
		if got := len(w.Registry().Devices()); got != 50 {
			t.Errorf("%d devices are left, want 50", got)
		}
		w.open(Options{})
	}
}

func tokensOldestFirst(t *testing.T, w *world) {
	r := w.Registry()
	later := noon.Add(time.Hour)
	if err := r.PutTokens(cloud.Token{ID: "3", User: "a", Created: later}, cloud.Token{ID: "2", User: "b", Created: noon},
		cloud.Token{ID: "1", User: "a", Created: noon}); err != nil {
		t.Fatal(err)
	}
	if err := r.PutTokens(cloud.Token{ID: "2", User: "b", Created: noon, Note: "again"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for user, want := range map[cloud.UserID]string{"": "1 2 3", "a": "1 3", "b": "2", "c": ""} {
			var got []string
			for _, token := range w.Registry().Tokens(user) {
				got = append(got, string(token.ID))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("tokens of %q are %v, want %v", user, got, want)
			}
		}
		if must2(w.Registry().Token("2")).Note != "again" {
			t.Error("the token was not replaced")
		}
		w.open(Options{})
	}
}

func tokensAllOrNone(t *testing.T, w *world) {
	err := w.Registry().PutTokens(cloud.Token{ID: "a"}, cloud.Token{ID: "b", Note: strings.Repeat("n", maxValue)})
	wantKind(t, err, cloud.Invalid)
	wantKind(t, w.Registry().PutTokens(cloud.Token{ID: "a"}, cloud.Token{}), cloud.Invalid)
	var much []cloud.Token
	for n := range 5 {
		much = append(much, cloud.Token{ID: cloud.TokenID(fmt.Sprint(n)), Note: strings.Repeat("n", maxValue-1000)})
	}
	wantKind(t, w.Registry().PutTokens(much...), cloud.Invalid)
	if got := w.Registry().Tokens(""); len(got) > 0 {
		t.Errorf("%d tokens were stored", len(got))
	}
}

func tokensRemoved(t *testing.T, w *world) {
	const n = maxCommitOps + 100
	ids := []cloud.TokenID{"unknown"}
	var all sync.WaitGroup
	for i := range n {
		id := cloud.TokenID(fmt.Sprint(i))
		ids = append(ids, id)
		all.Go(func() {
			if err := w.Registry().PutTokens(cloud.Token{ID: id}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := len(w.Registry().Tokens("")); got != n {
		t.Fatalf("%d tokens are stored, want %d", got, n)
	}
	for range 2 { // the second time none of them is known
		if err := w.Registry().RemoveTokens(ids...); err != nil {
			t.Fatal(err)
		}
		if got := len(w.Registry().Tokens("")); got > 0 {
			t.Errorf("%d tokens are left", got)
		}
		w.open(Options{})
	}
	if err := w.Registry().RemoveTokens(); err != nil {
		t.Error(err)
	}
}
