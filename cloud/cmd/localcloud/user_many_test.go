package main

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/cloud/client"
)

func TestReadPeople(t *testing.T) {
	for text, want := range map[string][]person{
		"ann\nbob\n":                              {{"ann", false}, {"bob", false}},
		"Name,Role\r\nann@example.com,admin\r\n":  {{"ann@example.com", true}},
		"# class 5b\n\nann , user\n\"b,ob\",no\n": {{"ann", false}, {"b,ob", false}},
		"\ufeffann;x\n":                           {{"ann;x", false}},
		"":                                        nil,
	} {
		if got, err := readPeople(strings.NewReader(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"ann\n,admin\n": "line 2 has no name", "ann,king\n": "king", "\"ann\n": "line 1", strings.Repeat("a\n", 10_001): "10000"} {
		if got, err := readPeople(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q is %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestManyUsersGetOneTimePasswords(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	file := filepath.Join(t.TempDir(), "class.csv")
	if err := os.WriteFile(file, []byte("name\nbob\ncleo,admin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, data)
	made := into[[]client.User](t, "user", "add", "--from", file, "--data", data)
	if len(made) != 2 || made[0].Name != "bob" || made[0].Admin || !made[1].Admin || len(made[0].Password) != 14 || made[0].Password == made[1].Password {
		t.Fatalf("made are %+v", made)
	}
	logIn := func(more string) int {
		return post(t, s.url+"/v1/localcloud/session", "", `{"username":"bob","password":"`+made[0].Password+`"`+more+`}`).StatusCode
	}
	if got := logIn(""); got != http.StatusForbidden {
		t.Errorf("with the one-time password alone: %d", got)
	}
	if got := logIn(`,"new_password":"my very own"`); got != http.StatusOK {
		t.Errorf("with a password of his own: %d", got)
	}
	out, err := try(t, "", "user", "add", "--from", file, "--data", data)
	if err == nil || !strings.Contains(err.Error(), "2 of 2 accounts were not made") {
		t.Errorf("a second time: %v %s", err, out)
	}
	if out, err := try(t, "dora\n", "user", "add", "--from", "-", "--data", data); err != nil || !strings.Contains(out, "dora") || !strings.Contains(out, "ONE-TIME PASSWORD") {
		t.Errorf("from standard input: %v %s", err, out)
	}
	refused(t, 2, []string{"not both"}, "user", "add", "eve", "--from", file, "--data", data)
	refused(t, 2, []string{"--from"}, "user", "add", "--data", data)

	if out := command(t, "user", "passwd", "bob", "--one-time", "--revoke-tokens", "--data", data); !strings.Contains(out, "for the next log-in") {
		t.Errorf("user passwd prints %s", out)
	}
	if out := command(t, "user", "role", "bob", "admin", "--data", data); !strings.Contains(out, "events of everybody") {
		t.Errorf("user role prints %s", out)
	}
	command(t, "user", "role", "bob", "user", "--data", data)
	command(t, "user", "role", "cleo", "user", "--data", data)
	refused(t, 1, []string{"only administrator"}, "user", "role", "ann", "user", "--data", data)
}

func TestSignUpHasASwitch(t *testing.T) {
	t.Parallel()
	s, _ := serveOwned(t)
	signUp := func() int {
		return post(t, s.url+"/v1/users", "", `{"username":"eve","password":"a long password"}`).StatusCode
	}
	if out := command(t, "user", "sign-up", "--data", s.data); !strings.Contains(out, "nobody can sign up") {
		t.Errorf("it says %s", out)
	}
	if got := signUp(); got != http.StatusForbidden {
		t.Errorf("while it is off: %d", got)
	}
	if out := command(t, "user", "sign-up", "on", "--data", s.data); !strings.Contains(out, "anyone") {
		t.Errorf("it says %s", out)
	}
	if got := signUp(); got != http.StatusOK {
		t.Errorf("while it is on: %d", got)
	}
}

func TestLimitsAreShownAndSet(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	if l := into[cloud.Limits](t, "limits", "show", "--data", data); l != cloud.DefaultLimits() {
		t.Errorf("limits are %+v", l)
	}
	if l := into[cloud.Limits](t, "limits", "set", "log-ins", "3", "--data", data); l.LogIns != 3 || l.Streams != 100 {
		t.Errorf("limits are %+v", l)
	}
	if out := command(t, "limits", "set", "streams", "off", "--data", data); !strings.Contains(out, "streams         off") {
		t.Errorf("it prints %s", out)
	}
	refused(t, 2, []string{"a number, or off"}, "limits", "set", "streams", "many", "--data", data)
	refused(t, 2, []string{"log-ins"}, "limits", "set", "magic", "1", "--data", data)
	s := serve(t, data)
	for i, want := range []int{400, 400, 400, 429} {
		resp := post(t, s.url+"/v1/localcloud/session", "", `{"username":"ann","password":"wrong"}`)
		if resp.StatusCode != want || (want == 429) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("try %d: %s", i, resp.Status)
		}
	}
}
