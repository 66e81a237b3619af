package main

import (
	"strings"
	"testing"
	"time"
)

func TestUsersAreAddedChangedAndRemoved(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	if out := command(t, "user", "list", "--data", s.data); !strings.Contains(out, "localcloud user add") {
		t.Errorf("without users: %s", out)
	}
	add := func(name, password string, more ...string) error {
		_, err := try(t, password, append([]string{"user", "add", name, "--password-stdin", "--data", s.data}, more...)...)
		return err
	}
	if err := add("ann@example.com", "a long password\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := add("bob", "another one", "--admin"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, password, want string }{
		{"ANN@example.com", "a long password", "taken"},
		{"eve", "short", "at least 8"},
		{"eve", "", "no password on standard input"},
		{"eve", "\n", "no password on standard input"},
		{"two words", "a long password", "blanks"},
		{"eve", strings.Repeat("x", 2000), "at most 1024"},
	} {
		if err := add(test.name, test.password); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("user add %q with %.20q: %v, want %q", test.name, test.password, err, test.want)
		}
	}
	users := into[[]struct {
		Name  string
		Admin bool
	}](t, "user", "list", "--data", s.data)
	if len(users) != 2 || !users[0].Admin || !users[1].Admin {
		t.Errorf("users are %+v", users)
	}
	if _, err := try(t, "a new password", "user", "passwd", "bob", "--password-stdin", "--data", s.data); err != nil {
		t.Error(err)
	}
	refused(t, 2, []string{"no terminal", "--password-stdin"}, "user", "add", "eve", "--data", s.data)
	command(t, "user", "remove", "bob", "--data", s.data)
	refused(t, 1, []string{"localcloud user list"}, "user", "remove", "bob", "--data", s.data)
	refused(t, 1, []string{"only administrator"}, "user", "remove", "ann@example.com", "--data", s.data)
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	addUser(t, s.data, "ann")
	type token struct {
		Token, ID, User, Note string
		Scopes                []string
		Expires               *time.Time
	}
	create := func(args ...string) token {
		return into[token](t, append([]string{"token", "create", "--user", "ann", "--data", s.data}, args...)...)
	}
	ends := func(k token) time.Duration {
		if k.Expires == nil {
			return 0
		}
		return time.Until(*k.Expires).Round(time.Hour)
	}
	if k := create(); ends(k) != 90*24*time.Hour || len(k.Scopes) != 0 {
		t.Errorf("without more: %+v", k)
	}
	if k := create("--expires", "never"); ends(k) != 0 {
		t.Errorf("for ever: %+v", k)
	}
	if k := create("--expires", "12h", "--note", "for the hall"); ends(k) != 12*time.Hour || k.Note != "for the hall" {
		t.Errorf("for 12 hours: %+v", k)
	}
	page := create("--scope", "read-only", "--scope", "device:0123456789ABCDEF01234567")
	if ends(page) != 0 || strings.Join(page.Scopes, " ") != "read-only device:0123456789abcdef01234567" {
		t.Errorf("for a page: %+v", page)
	}
	refused(t, 2, []string{"unknown scope"}, "token", "create", "--user", "ann", "--scope", "fly", "--data", s.data)
	refused(t, 1, []string{"no user", "localcloud user list"}, "token", "create", "--user", "eve", "--data", s.data)

	out := strings.Split(command(t, "token", "create", "--user", "ann", "--data", s.data), "\n")
	if len(out) != 3 || len(out[0]) != 40 || !strings.Contains(out[1], "curl -H 'Authorization: Bearer "+out[0]+"' "+s.url) {
		t.Errorf("for people: %q", out)
	}

	tokens := into[[]token](t, "token", "list", "--user", "ann", "--data", s.data)
	if len(tokens) != 6 {
		t.Errorf("there are %d tokens", len(tokens))
	}
	for _, k := range tokens {
		if k.Token != "" {
			t.Error("the list shows a secret")
		}
	}
	stream := openStream(t, s.url+"/v1/devices/events", page.Token)
	command(t, "token", "revoke", page.ID, "--data", s.data)
	if _, err := stream.ReadString('!'); err == nil {
		t.Error("the stream of a revoked token goes on")
	}
	command(t, "token", "revoke", out[0], "--data", s.data) // by the token itself
	refused(t, 1, []string{"localcloud token list"}, "token", "revoke", out[0], "--data", s.data)
	if out := command(t, "token", "list", "--data", s.data); strings.Contains(out, page.ID) || !strings.Contains(out, "for the hall") {
		t.Errorf("the list is\n%s", out)
	}
}
