package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"localcloud/cloud/api"
)

// httpsCmd is "localcloud https".
type httpsCmd struct {
	CA httpsCACmd `cmd:"" name:"ca" help:"Write the certificate that clients have to trust (CA), and make it if there is none."`
}

// Help is the long text of --help.
func (*httpsCmd) Help() string {
	return "HTTPS is on while the cloud runs with --https ADDR. With --cert and --key it shows a certificate of yours. Without them the " +
		"cloud has an authority of its own, whose certificates name this machine's names and addresses as they are, what " +
		"was added with localcloud host add, and api.particle.io: programs that cannot be given another address reach the cloud " +
		"when your name server leads that name here and --https is :443."
}

type httpsCACmd struct {
	place
	Out  string `help:"Write it to this file instead of standard output." placeholder:"FILE" type:"path"`
	JSON bool   `name:"json" help:"Print name, fingerprint and certificate as JSON."`
}

// Help is the long text of --help.
func (*httpsCACmd) Help() string { return api.TrustHelp }

// Run writes the certificate.
func (c *httpsCACmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needAny, func(conn *connection) error {
		text, err := conn.MakeAuthority(ctx)
		if err != nil {
			return err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return errors.New("the answer is no certificate; is it a localcloud?")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certificate of the authority: %w", err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(cert.Raw))
		if c.Out != "" {
			if err := os.WriteFile(c.Out, text, 0o644); err != nil {
				return err
			}
		}
		switch {
		case c.JSON:
			return t.json(map[string]any{"name": cert.Subject.CommonName, "sha256": sum, "expires": cert.NotAfter, "certificate": string(text)})
		case c.Out == "":
			_, err = t.out.Write(text)
			return err
		}
		t.printf("%s holds the authority %s, SHA-256 %s\nWhere it goes: localcloud https ca --help\n", c.Out, cert.Subject.CommonName, sum)
		return nil
	})
}
