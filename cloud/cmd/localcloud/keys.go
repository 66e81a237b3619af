package main

import (
	"context"
	"encoding/pem"
	"path/filepath"

	"localcloud/cloud/client"
	"localcloud/keys"
)

// keysCmd is "localcloud keys".
type keysCmd struct {
	Show   keysShowCmd   `cmd:"" help:"Show the fingerprints of this server's keys, and where they lie."`
	Export keysExportCmd `cmd:"" help:"Write the key that boards need to connect here (server public key)."`
	Rotate keysRotateCmd `cmd:"" help:"Give this cloud new keys; the old ones are honoured until --finish."`
}

type keysShowCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// keyFile is one key of the server, as keys show prints it.
type keyFile struct {
	client.ServerKeyInfo
	Kind string `json:"kind"`
	File string `json:"file,omitempty"` // the private key; empty when the cloud is elsewhere
}

// Run shows the keys.
func (c *keysShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		infos, err := conn.Keys(ctx)
		if err != nil {
			return err
		}
		var found []keyFile
		for _, info := range infos {
			k := keyFile{info, "RSA-2048, for Core, Photon, P1", c.keyPath("server-rsa.pem")}
			if info.Transport == keys.UDP {
				k.Kind, k.File = "EC P-256, for newer boards", c.keyPath("server-ec.pem")
			}
			found = append(found, k)
		}
		if c.JSON {
			return list(t, found)
		}
		var rows [][]string
		rotating := false
		for _, k := range found {
			rows = append(rows, []string{string(k.Transport), k.Kind, string(k.Fingerprint), k.File})
			rotating = rotating || k.Old != ""
		}
		if err := t.table([]string{"TRANSPORT", "KEY", "FINGERPRINT", "FILE"}, rows); err != nil || !rotating {
			return err
		}
		t.printf("\nThe old keys are honoured too, until localcloud keys rotate --finish:\n")
		sayRotation(t, infos)
		return nil
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
