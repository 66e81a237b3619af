package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"localcloud/keys"
)

// Keys, passwords and tokens take long to make, most of all under the race detector. Tests that are about
// something else begin with a copy of a data directory that has an owner already.

// furnished is a data directory with an owner, ann.
type furnished struct {
	files map[string][]byte // by their path in it
	token string            // the owner's
}

// ownCloud is the cloud of all tests that do not make one of their own.
var ownCloud = sync.OnceValue(func() furnished {
	f, err := furnish()
	if err != nil {
		panic(err)
	}
	return f
})

func furnish() (f furnished, err error) {
	data, err := os.MkdirTemp("", "furnished-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(data)
	var said, made bytes.Buffer
	if err := run(context.Background(), []string{"user", "add", "ann", "--password-stdin", "--data", data}, strings.NewReader("a long password\n"), &said, &said); err != nil {
		return f, err
	}
	if err := run(context.Background(), []string{"token", "create", "--user", "ann", "--json", "--data", data}, nil, &made, &said); err != nil {
		return f, err
	}
	var token struct{ Token string }
	if err := json.Unmarshal(made.Bytes(), &token); err != nil {
		return f, err
	}
	f = furnished{files: map[string][]byte{}, token: token.Token}
	return f, filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "reserve" || entry.Name() == "lock" { // each store makes its own
			return err
		}
		name, err1 := filepath.Rel(data, path)
		content, err2 := os.ReadFile(path)
		f.files[filepath.ToSlash(name)] = content
		return errors.Join(err1, err2)
	})
}

// newCloud returns the data directory of a cloud with an owner, and its identity.
func newCloud(t *testing.T) (data string, identity keys.Identity) {
	t.Helper()
	data = t.TempDir()
	for name, content := range ownCloud().files {
		path := filepath.Join(data, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		putFile(t, path, content)
	}
	return data, identityIn(t, data)
}

// serveOwned starts a cloud with an owner, and returns a token of theirs with it.
func serveOwned(t *testing.T, more ...string) (s *serving, token string) {
	t.Helper()
	data, _ := newCloud(t)
	return serve(t, data, more...), ownCloud().token
}

// keyOfCloud is what boards on TCP hold of a cloud.
func keyOfCloud(t *testing.T, s *serving) *rsa.PublicKey {
	t.Helper()
	return &identityIn(t, s.data).TCP.PublicKey
}

// otherCloud is the identity of the cloud that boards knew before.
var otherCloud = sync.OnceValue(func() keys.Identity {
	id, err := keys.GenerateIdentity()
	if err != nil {
		panic(err)
	}
	return id
})
