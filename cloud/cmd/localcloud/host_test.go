package main

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"localcloud/cloud/client"
)

// post sends JSON as a page of the cloud does and returns the answer.
func post(t *testing.T, url, host, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Localcloud-Csrf", "1")
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestSetupCodeOfTheFirstRunMakesTheOwner(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, data)
	status := into[struct {
		Code string `json:"setup_code"`
	}](t, "status", "--data", data)
	if !regexp.MustCompile(`^\w{4}-\w{4}-\w{4}$`).MatchString(status.Code) {
		t.Fatalf("the set-up code is %q", status.Code)
	}
	if out := command(t, "status", "--data", data); !strings.Contains(out, "set-up code:       "+status.Code) {
		t.Errorf("status shows no set-up code:\n%s", out)
	}
	if said := s.said.String(); !strings.Contains(said, status.Code) {
		t.Errorf("serve does not show the code: %s", said)
	}
	owner := `{"code":"` + status.Code + `","username":"ann","password":"a long password"}`
	if resp := post(t, s.url+"/v1/localcloud/setup", "", owner); resp.StatusCode != 201 || resp.Header.Get("Set-Cookie") == "" {
		t.Fatalf("set-up answers %s", resp.Status)
	}
	if out := command(t, "status", "--data", data); strings.Contains(out, "set-up code") {
		t.Errorf("the code is still shown:\n%s", out)
	}
	users := into[[]client.User](t, "user", "list", "--data", data)
	if len(users) != 1 || users[0].Name != "ann" || !users[0].Admin {
		t.Errorf("users are %+v", users)
	}
	s.stop()
	again := serve(t, data)
	if said := again.said.String(); strings.Contains(said, "set-up code") {
		t.Errorf("with an owner it speaks of a set-up code: %s", said)
	}
}

func TestHostsAreAddedByCommand(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	hosts := into[client.Hosts](t, "host", "list", "--data", data)
	for _, want := range []string{"localhost", "127.0.0.1", "api.particle.io"} {
		if !slices.Contains(hosts.Own, want) {
			t.Errorf("own hosts lack %s: %v", want, hosts.Own)
		}
	}
	refused(t, 1, []string{"not a name or an address"}, "host", "add", "http://cloud.example", "--data", data)
	refused(t, 1, []string{"not added"}, "host", "remove", "cloud.example", "--data", data)

	s := serve(t, data)
	logIn := func() *http.Response {
		return post(t, s.url+"/v1/localcloud/session", "cloud.example", `{"username":"ann","password":"a long password"}`)
	}
	if resp := logIn(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("by a name that nobody added: %s", resp.Status)
	}
	if hosts := into[client.Hosts](t, "host", "add", "Cloud.Example:8080", "--data", data); !slices.Equal(hosts.Added, []string{"cloud.example"}) {
		t.Errorf("added are %v", hosts.Added)
	}
	if resp := logIn(); resp.StatusCode != http.StatusOK {
		t.Errorf("by the added name: %s", resp.Status)
	}
	if out := command(t, "host", "remove", "cloud.example", "--data", data); strings.Contains(out, "cloud.example") || !strings.Contains(out, "localhost") {
		t.Errorf("host remove prints %s", out)
	}
	if resp := logIn(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("by the removed name: %s", resp.Status)
	}
}

func TestWelcomeShowsTheSetupCode(t *testing.T) {
	ctx := t.Context()
	s, err := start(ctx, settings{Data: t.TempDir(), HTTP: "127.0.0.1:0", TCP: "127.0.0.1:0", UDP: "127.0.0.1:0"}, quietLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	var out bytes.Buffer
	s.welcome(&out)
	if text := out.String(); !strings.Contains(text, "      "+string(s.setupCode)+"\n") || !strings.Contains(text, "Open "+loopback(s.httpSocket.Addr())) {
		t.Errorf("it says:\n%s", text)
	}
}
