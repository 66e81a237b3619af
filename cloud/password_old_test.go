package cloud_test

import (
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/cloud/store"
)

// Made with Node 20: crypto.pbkdf2Sync('photon rocks', 'c2FsdA==', 30000, 64, DIGEST).toString('base64').
const (
	sumSHA1   = "ClyLxMglalOz/6IPHJ6iUQWpB9NCigJbv4XrMHYFyYjKlMsr3wv20cAwfiXf50TKcDVqaK/nysAZXmIYxTc3BQ=="
	sumSHA256 = "fmUrPmbdsm/NhKpx+tTDtcNZKbkODShdvAxikcBQTbxHnzNZWCutx+YRHsHzKLswc0EnBrt0RxRwp02mxVJDZQ=="
)

func TestAnOldPasswordIsAcceptedOnceAndReplaced(t *testing.T) {
	for _, sha256 := range []bool{false, true} {
		sum := sumSHA1
		if sha256 {
			sum = sumSHA256
		}
		stored, ok := cloud.OldPassword(sha256, "c2FsdA==", sum)
		if !ok {
			t.Fatal("the hash is not taken")
		}
		if cloud.CheckPassword(stored, "photon rock") || !cloud.CheckPassword(stored, "photon rocks") {
			t.Error("it is not checked right")
		}
		st := store.OpenMemory(store.Options{})
		defer st.Close()
		registry := st.Registry()
		u, err := registry.AddUser(cloud.User{ID: cloud.NewUserID(), Name: "old", Password: stored})
		if err != nil {
			t.Fatal(err)
		}
		accounts := cloud.NewAccounts(registry)
		if _, err := accounts.LogIn(t.Context(), "old", "photon rock"); err == nil {
			t.Error("a wrong password was taken")
		}
		if now, _ := registry.User(u.ID); now.Password != stored {
			t.Error("a wrong password replaced the hash")
		}
		if _, err := accounts.LogIn(t.Context(), "old", "photon rocks"); err != nil {
			t.Errorf("the old password: %v", err)
		}
		now, _ := registry.User(u.ID)
		if !strings.HasPrefix(now.Password, "$argon2id$") || !cloud.CheckPassword(now.Password, "photon rocks") {
			t.Errorf("it is stored as %.20s", now.Password)
		}
	}
}

func TestWhatIsNoOldPasswordIsNotTaken(t *testing.T) {
	for _, sum := range []string{"", "nonsense", "AAAA"} {
		if _, ok := cloud.OldPassword(true, "salt", sum); ok {
			t.Errorf("%q was taken", sum)
		}
	}
	if cloud.CheckPassword("$pbkdf2-sha1$c2FsdA$AAAA", "") || cloud.CheckPassword("$pbkdf2-md5$$", "") {
		t.Error("a damaged hash is right")
	}
}
