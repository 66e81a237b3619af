package main

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"localcloud/keys"
)

func oldSum(t *testing.T, digest func() hash.Hash, password string) string {
	t.Helper()
	sum, err := pbkdf2.Key(digest, password, []byte("c2FsdA=="), 30000, 64)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sum)
}

// oldServer writes the files of an old server.
func oldServer(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		putFile(t, path, []byte(text))
	}
	return dir
}

// A board that knew the old server comes online untouched, and its owner logs in as before: in all layouts.
func TestAnOldServerIsTakenOver(t *testing.T) {
	t.Parallel()
	id, key := randomID(), newKey(t)
	public, err := keys.ParsePublicKey(spkiOf(t, key))
	if err != nil {
		t.Fatal(err)
	}
	pem, line := string(public.PEM()), strings.ReplaceAll(string(public.PEM()), "\n", `\n`)
	serverKey := string(ownCloud().files["keys/server-rsa.pem"])
	sha1Sum, sha256Sum := oldSum(t, sha1.New, "photon rocks"), oldSum(t, sha256.New, "photon rocks")
	hook := `"event":"temp","url":"http://example.invalid/x","requestType":"POST","json":{"t":"{{PARTICLE_EVENT_VALUE}}"}`
	layouts := map[string]map[string]string{
		"the original": {
			"default_key.pem":                       serverKey,
			"core_keys/" + id.String() + ".pub.pem": pem,
			"core_keys/" + id.String() + ".json":    `{"coreID":"` + id.String() + `","name":"kitchen","registrar":"u1"}`,
			"users/ann@example.com.json":            `{"_id":"u1","username":"ann@example.com","password_hash":"` + sha1Sum + `","salt":"c2FsdA==","access_tokens":[{"token":"x"}]}`,
			"core_keys/notes.txt":                   "hello",
		},
		"Brewskey's, files": {
			"data/default_key.pem":                        serverKey,
			"data/deviceKeys/" + id.String() + ".pub.pem": pem,
			"data/deviceKeys/" + id.String() + ".json":    `{"deviceID":"` + id.String() + `","name":"kitchen","ownerID":"u1"}`,
			"data/users/u1.json":                          `{"id":"u1","username":"ann@example.com","passwordHash":"` + sha256Sum + `","salt":"c2FsdA==","role":null,"accessTokens":[{"accessToken":"x"}]}`,
			"data/webhooks/w1.json":                       `{"id":"w1","ownerID":"u1",` + hook + `}`,
			"data/deviceKeys/broken.pub.pem":              "nonsense",
		},
		"Brewskey's, database": {
			"data/default_key.pem": serverKey,
			"data/db/users.db": `{"$$indexCreated":{"fieldName":"x"}}` + "\n" +
				`{"_id":"u1","username":"old name","passwordHash":"","salt":""}` + "\n" +
				`{"_id":"u1","username":"ann@example.com","passwordHash":"` + sha256Sum + `","salt":"c2FsdA==","created_at":{"$$date":1},"accessTokens":[{}]}` + "\n" +
				`{"_id":"u2","username":"gone"}` + "\n" + `{"$$deleted":true,"_id":"u2"}` + "\n",
			"data/db/deviceKeys.db":       `{"_id":"k1","deviceID":"` + id.String() + `","algorithm":"rsa","key":"` + line + `"}` + "\n",
			"data/db/deviceAttributes.db": `{"_id":"d1","deviceID":"` + id.String() + `","name":"kitchen","ownerID":"u1"}` + "\n" + `{"_id":"half`,
			"data/db/webhooks.db":         `{"_id":"w1","ownerID":"u1",` + hook + `}` + "\n" + `{"_id":"w2","ownerID":"u1","productIdOrSlug":"7",` + hook + `}` + "\n",
		},
	}
	for name, files := range layouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, data := oldServer(t, files), filepath.Join(t.TempDir(), "cloud")
			out := command(t, "import", "spark-server", old, "--dry-run", "--data", data)
			for _, want := range []string{"1 devices, 1 users", "would be taken: the server's private key", "would be taken: user ann@example.com", id.String() + " kitchen", "not taken: ", "log in again", "Nothing was changed"} {
				if !strings.Contains(out, want) {
					t.Errorf("--dry-run did not say %q but\n%s", want, out)
				}
			}
			if _, err := os.Stat(data); err == nil {
				t.Error("--dry-run made the data directory")
			}
			out = command(t, "import", "spark-server", old, "--data", data)
			hooks := strings.Count(out, "taken: webhook of temp to http://example.invalid/x")
			if want := map[bool]int{true: 0, false: 1}[name == "the original"]; hooks != want {
				t.Errorf("%d webhooks were taken, want %d:\n%s", hooks, want, out)
			}

			s := serve(t, data)
			d := photon(t, s, id, key)
			eventually(t, "the board comes online untouched", d.Online)
			token := logIn(t, s, "ann@example.com", "photon rocks")
			if out := command(t, "device", "list", "--cloud", s.url, "--token", token); !strings.Contains(out, id.String()+"  kitchen  ann@example.com") {
				t.Errorf("the owner sees %s", out)
			}
			s.stop()
			if out := command(t, "import", "spark-server", old, "--data", data); !strings.Contains(out, "registered here already") {
				t.Errorf("once more: %s", out)
			}
			if _, err := try(t, "", "import", "spark-server", old, "--data", otherData(t)); err == nil || !strings.Contains(err.Error(), "key of its own already") {
				t.Errorf("into a cloud with another key: %v", err)
			}
		})
	}
	refused(t, 2, []string{"core_keys"}, "import", "spark-server", t.TempDir(), "--data", t.TempDir())
}

// otherData is the data directory of a cloud with another key.
func otherData(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	if _, _, err := keys.OpenIdentity(keysDir(data)); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheAdminThatEverybodyKnowsIsNotTaken(t *testing.T) {
	t.Parallel()
	old := oldServer(t, map[string]string{
		"data/deviceKeys/.keep": "",
		"data/users/a.json": fmt.Sprintf(`{"id":"a","username":"__admin__","role":"administrator","passwordHash":%q,"salt":"c2FsdA=="}`,
			oldSum(t, sha256.New, "adminPassword")),
	})
	if out := command(t, "import", "spark-server", old, "--dry-run", "--data", t.TempDir()); !strings.Contains(out, "not taken: user __admin__") {
		t.Errorf("it says %s", out)
	}
}

// logIn logs in as particle-cli does and returns the token.
func logIn(t *testing.T, s *serving, name, password string) string {
	t.Helper()
	resp, err := http.PostForm(s.url+"/oauth/token", url.Values{
		"grant_type": {"password"}, "username": {name}, "password": {password}, "client_id": {"particle-cli"}, "client_secret": {"particle-cli"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Token == "" {
		t.Fatalf("%s cannot log in: %s, %v", name, resp.Status, err)
	}
	return body.Token
}
