package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// site is a running cloud whose owner is none of those who are tested.
type site struct {
	program, data string
	cloud         *process
	http, tcp     string
	https, ca     string // address, and a file with the certificate to trust
	key           string // file with the server's key
	owner         string // a token
	foreign       string // a device of the owner
}

func startSite(t *testing.T, more ...string) *site {
	t.Helper()
	s := &site{program: buildProgram(t), data: t.TempDir(), foreign: "e00fce6800000000000000ff"}
	s.start(t, more...)
	s.key = filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(s.key, []byte(output(t, "", s.program, "keys", "export", "--data", s.data)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	output(t, "", s.program, "https", "ca", "--out", s.ca, "--data", s.data)
	s.addUser(t, "owner@example.com", "owner's password")
	s.owner = s.token(t, "owner@example.com")
	if status, text := s.request(t, s.owner, "POST", "/v1/localcloud/devices", `{"id":"`+s.foreign+`"}`); status != 201 {
		t.Fatalf("device of the owner: %d %s", status, text)
	}
	return s
}

// start starts the cloud on free ports, but where more says otherwise.
func (s *site) start(t *testing.T, more ...string) {
	t.Helper()
	s.cloud = start(t, exec.Command(s.program, append(append([]string{"serve", "--data", s.data, "--https", "127.0.0.1:0"}, anyPort...), more...)...))
	a := s.cloud.ready(t)
	s.http, s.https, s.tcp = "http://"+a.HTTP, "https://"+a.HTTPS, a.TCP
}

func (s *site) addUser(t *testing.T, name, password string) {
	t.Helper()
	output(t, password+"\n", s.program, "user", "add", name, "--password-stdin", "--data", s.data)
}

func (s *site) token(t *testing.T, user string, more ...string) string {
	t.Helper()
	var made struct{ Token string }
	text := output(t, "", s.program, append([]string{"token", "create", "--user", user, "--data", s.data, "--json"}, more...)...)
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Token == "" {
		t.Fatalf("token create printed %q: %v", text, err)
	}
	return made.Token
}

// device starts a virtual device with what equip gives it.
func (s *site) device(t *testing.T, token string) (device *process, id string) {
	t.Helper()
	device = start(t, exec.Command(s.program, "virtual", "--stdio", "--http", s.http, "--tcp", s.tcp, "--token", token, "--server-key", s.key))
	return device, equip(t, device)
}

// request sends one request of ours.
func (s *site) request(t *testing.T, token, method, path, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.http+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
