package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/cloud/store"
)

func TestCommandsWorkWithoutARunningCloud(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	addUser(t, data, "bob", "--scope", "read-only")
	users := into[[]struct {
		Name  string
		Admin bool
	}](t, "user", "list", "--data", data)
	if len(users) != 2 || users[0].Name != "ann" || !users[0].Admin || users[1].Admin {
		t.Errorf("users are %+v", users)
	}
	command(t, "policy", "set", "events", "off", "--data", data)
	pem := command(t, "keys", "export", "--data", data)

	// What was done is there when the cloud runs, and the same commands go through it.
	s := serve(t, data)
	if out := command(t, "user", "list", "--data", data); !strings.Contains(out, "bob") {
		t.Errorf("users beside the running cloud: %s", out)
	}
	if policy := into[map[string]string](t, "policy", "show", "--data", data); policy["device"] != "off" {
		t.Errorf("the policy is %v", policy)
	}
	if again := command(t, "keys", "export", "--data", data); again != pem {
		t.Error("the server's key is another one")
	}
	s.stop()
	command(t, "user", "remove", "bob", "--data", data)
}

func TestALockedStoreWhoseOwnerDoesNotAnswerIsExplained(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	held, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	refused(t, 1, []string{"is in use by another process", "--data"}, "user", "list", "--data", data)
}

func TestAControlFileThatACrashLeftBehindIsPassedOver(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	other := httptest.NewServer(http.NotFoundHandler()) // somebody else got the port meanwhile
	defer other.Close()
	for name, content := range map[string]string{
		"nobody there":  `{"url":"` + gone.URL + `","secret":"0123456789012345678901234567890123456789","pid":1}`,
		"somebody else": `{"url":"` + other.URL + `","secret":"0123456789012345678901234567890123456789","pid":1}`,
		"cut off":       `{"url":"http`,
		"empty":         ``,
		"nonsense":      `{"url":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			data, _ := newCloud(t)
			if err := os.WriteFile(controlPath(data), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := command(t, "user", "list", "--data", data); !strings.Contains(out, "ann") {
				t.Errorf("got %q", out)
			}
			serve(t, data).stop()
		})
	}
}

func TestLookingDoesNotMakeADataDirectory(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "typo")
	for _, args := range [][]string{{"user", "list"}, {"device", "list"}, {"status"}, {"token", "list"}, {"policy", "show"}, {"keys", "show"}} {
		refused(t, 1, []string{"there is no data in " + nowhere, "localcloud serve --data " + nowhere}, append(args, "--data", nowhere)...)
	}
	if _, err := os.Stat(nowhere); !os.IsNotExist(err) {
		t.Errorf("it was made: %v", err)
	}
}

func TestWhatNeedsARunningCloudSaysHowToStartIt(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, args := range [][]string{{"events"}, {"publish", "x"}, {"device", "call", "d", "f"}, {"device", "get", "d", "v"}} {
		refused(t, 1, []string{"no localcloud runs on the data in " + data, "localcloud serve --data " + data}, append(args, "--data", data)...)
	}
}

func TestACloudElsewhereIsReachedWithATokenAlone(t *testing.T) {
	s, admin := serveOwned(t)
	user := addUser(t, s.data, "bob")

	refused(t, 2, []string{"--cloud needs a token"}, "user", "list", "--cloud", s.url)
	refused(t, 2, []string{"is not the address of a cloud"}, "user", "list", "--cloud", s.HTTP, "--token", admin)
	refused(t, 2, []string{"give one of them"}, "user", "list", "--cloud", s.url, "--data", s.data)
	if out := command(t, "user", "list", "--cloud", s.url, "--token", admin); !strings.Contains(out, "bob") {
		t.Errorf("got %q", out)
	}
	refused(t, 1, []string{"Only an administrator"}, "user", "list", "--cloud", s.url, "--token", user)
	if devices := into[[]any](t, "device", "list", "--cloud", s.url, "--token", user); len(devices) != 0 {
		t.Errorf("bob's devices are %v", devices)
	}

	t.Setenv("LOCALCLOUD_CLOUD", "http://192.0.2.1:1")
	t.Setenv("LOCALCLOUD_TOKEN", admin)
	command(t, "user", "list", "--data", s.data) // what was typed wins over the environment
	t.Setenv("LOCALCLOUD_CLOUD", s.url)
	command(t, "user", "list")
}

func TestTheControlSecretIsNotShownByAccident(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--log-level", "debug")
	file, err := readControl(s.data)
	if err != nil {
		t.Fatal(err)
	}
	token := addUser(t, s.data, "ann")
	command(t, "status", "--data", s.data)
	openStream(t, s.url+"/v1/devices/events?access_token="+token, "")
	s.stop()
	for _, secret := range []string{file.Secret, token, "a long password"} {
		if strings.Contains(s.said.String(), secret) {
			t.Errorf("a secret is in the log:\n%s", s.said)
		}
	}
	if text := cloud.Secret(file.Secret).String(); strings.Contains(text, file.Secret) {
		t.Errorf("it prints as %s", text)
	}
}
