package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"localcloud/cloud"
)

func claim(id, user string, created time.Time) cloud.Claim {
	return cloud.Claim{ID: cloud.ClaimID(id), User: cloud.UserID(user), Created: created, Expires: created.Add(cloud.ClaimLife)}
}

func claimRedeemedOnce(t *testing.T, w *world) {
	w.update(1, func(*cloud.Device) {})
	want := claim("k", "ada", noon)
	if err := w.Registry().AddClaim(want); err != nil {
		t.Fatal(err)
	}
	w.open(Options{})
	no := errors.New("no")
	_, err := w.Registry().RedeemClaim("k", id(1), func(d *cloud.Device, _ cloud.Claim) error { d.Owner = "x"; return no })
	if d := must2(w.Registry().Device(id(1))); !errors.Is(err, no) || d.Owner != "" {
		t.Errorf("refused by the change: %v, %+v", err, d)
	}
	d, err := w.Registry().RedeemClaim("k", id(1), func(d *cloud.Device, c cloud.Claim) error {
		wantSame(t, c, want)
		d.ID, d.Owner = id(2), c.User
		return nil
	})
	if err != nil || d.ID != id(1) || d.Owner != "ada" {
		t.Errorf("RedeemClaim = %+v, %v", d, err)
	}
	for range 2 {
		wantSame(t, must2(w.Registry().Device(id(1))), d)
		_, err = w.Registry().RedeemClaim("k", id(1), func(*cloud.Device, cloud.Claim) error { t.Error("change is called"); return nil })
		wantKind(t, err, cloud.NotExist)
		w.open(Options{})
	}
}

func claimsBounded(t *testing.T, w *world) {
	r := w.Registry()
	add := func(c cloud.Claim) {
		t.Helper()
		if err := r.AddClaim(c); err != nil {
			t.Fatal(err)
		}
	}
	add(claim("ben's", "ben", noon))
	for i := range cloud.MaxClaims + 2 {
		add(claim(fmt.Sprint(i), "ada", noon.Add(time.Duration(i)*time.Second)))
	}
	there := func(id cloud.ClaimID) bool { _, ok := r.claims.rows[id]; return ok }
	if len(r.claims.rows) != cloud.MaxClaims+1 || there("0") || there("1") || !there("2") || !there("ben's") {
		t.Errorf("%d codes are left, not the newest", len(r.claims.rows))
	}
	add(claim("late", "ben", noon.Add(cloud.ClaimLife+10*time.Second)))
	if there("ben's") || there("10") || !there("11") || !there("late") {
		t.Error("codes that are over are kept, or others are not")
	}
	wantKind(t, r.AddClaim(cloud.Claim{User: "ada"}), cloud.Invalid)
	w.update(1, func(*cloud.Device) {})
	_, err := r.RedeemClaim("late", id(2), func(*cloud.Device, cloud.Claim) error { return nil })
	wantKind(t, err, cloud.NotExist)
	if !there("late") {
		t.Error("a device that is not registered spends the code")
	}
}

func claimsGoWithTheirUser(t *testing.T, w *world) {
	w.user("a", "ada", noon)
	w.user("b", "ben", noon)
	for _, c := range []cloud.Claim{claim("ka", "a", noon), claim("kb", "b", noon)} {
		if err := w.Registry().AddClaim(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Registry().RemoveUser("a"); err != nil {
		t.Fatal(err)
	}
	w.open(Options{})
	if rows := w.Registry().claims.rows; len(rows) != 1 || rows["kb"] == nil {
		t.Errorf("claim codes are %v", rows)
	}
}
