package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"localcloud/keys"
)

func TestTheServersPublicKeyIsExported(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	identity, _, err := keys.OpenIdentity(keysDir(data))
	if err != nil {
		t.Fatal(err)
	}
	tcp := command(t, "keys", "export", "--data", data)
	if tcp != string(identity.TCPPublicPEM()) {
		t.Errorf("without a running cloud: %q", tcp)
	}
	s := serve(t, data)
	if command(t, "keys", "export", "--data", data) != tcp {
		t.Error("beside the running cloud it is another one")
	}
	if der := command(t, "keys", "export", "--der", "--data", data); !bytes.Equal([]byte(der), identity.TCPPublicDER()) {
		t.Errorf("as DER: %x", der)
	}
	block, _ := pem.Decode([]byte(command(t, "keys", "export", "--udp", "--data", data)))
	if key, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !identity.UDP.PublicKey.Equal(key.(*ecdsa.PublicKey)) {
		t.Errorf("for UDP: %v", err)
	}
	file := filepath.Join(t.TempDir(), "server.der")
	if out := command(t, "keys", "export", "--der", "--out", file, "--data", data); out != "" {
		t.Errorf("with --out it printed %q", out)
	}
	if der, err := os.ReadFile(file); err != nil || !bytes.Equal(der, identity.TCPPublicDER()) {
		t.Errorf("the file: %v", err)
	}
	key, err := readServerKey(t.Context(), file, nil) // DER is read, too
	if err != nil || !identity.TCP.PublicKey.Equal(any(key).(*rsa.PublicKey)) {
		t.Errorf("read again: %v", err)
	}
	refused(t, 1, []string{"--out"}, "keys", "export", "--out", filepath.Join(file, "x"), "--data", data)

	out := command(t, "keys", "show", "--data", s.data)
	for _, want := range []string{
		string(identity.TCPFingerprint()), string(identity.UDPFingerprint()), filepath.Join(data, "keys", "server-rsa.pem"),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("keys show lacks %s:\n%s", want, out)
		}
	}
	for _, line := range into[[]keyFile](t, "keys", "show", "--data", data) {
		if _, err := os.Stat(line.File); err != nil {
			t.Errorf("%s: %v", line.Transport, err)
		}
	}
}
