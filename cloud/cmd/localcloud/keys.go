package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"path/filepath"
)

// keysCmd is "localcloud keys".
type keysCmd struct {
	Show   keysShowCmd   `cmd:"" help:"Show the fingerprints of this server's keys, and where they lie."`
	Export keysExportCmd `cmd:"" help:"Write the key that boards need to connect here (server public key)."`
}

type keysShowCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// keyFile is one key of the server, as keys show prints it.
type keyFile struct {
	Transport   string `json:"transport"`
	Fingerprint string `json:"fingerprint"`
	Kind        string `json:"kind"`
	File        string `json:"file,omitempty"` // the private key; empty when the cloud is elsewhere
}

// Run shows the keys.
func (c *keysShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		var keys []keyFile
		for _, k := range []keyFile{
			{Transport: "tcp", Kind: "RSA-2048, for Core, Photon, P1", File: "server-rsa.pem"},
			{Transport: "udp", Kind: "EC P-256, for newer boards", File: "server-ec.pem"},
		} {
			der, err := serverKey(ctx, conn, k.Transport == "udp")
			if err != nil {
				return err
			}
			sum := sha256.Sum256(der)
			k.Fingerprint = "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
			k.File = c.keyPath(k.File)
			keys = append(keys, k)
		}
		if c.JSON {
			return list(t, keys)
		}
		var rows [][]string
		for _, k := range keys {
			rows = append(rows, []string{k.Transport, k.Kind, k.Fingerprint, k.File})
		}
		return t.table([]string{"TRANSPORT", "KEY", "FINGERPRINT", "FILE"}, rows)
	})
}

// keyPath returns where a private key lies, "" when it is on another machine.
func (p place) keyPath(name string) string {
	dir, err := dataDir(p.Data)
	if p.Cloud != "" || err != nil {
		return ""
	}
	return filepath.Join(keysDir(dir), name)
}

// serverKey returns the DER of the server's public key.
func serverKey(ctx context.Context, conn *connection, udp bool) ([]byte, error) {
	text, err := conn.ServerKey(ctx, udp)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errNoServerKey
	}
	return block.Bytes, nil
}
