package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"localcloud/cloud/client"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// udpFlag is --udp, with or without an address: virtual devices are newer boards.
type udpFlag struct {
	wanted  bool
	address string // empty: that of the cloud
}

// Decode takes the address if the next word is one.
func (u *udpFlag) Decode(ctx *kong.DecodeContext) error {
	u.wanted = true
	next := ctx.Scan.Peek()
	text, ok := next.Value.(string)
	if !next.IsEOL() && ok && (next.Type == kong.FlagValueToken || !strings.HasPrefix(text, "-")) {
		u.address = text
		ctx.Scan.Pop()
	}
	return nil
}

// overUDP makes the device of a configuration one over UDP. Its key is made by the caller.
func (to *target) overUDP(ctx context.Context, c *virtualCmd, config *virtual.Config) error {
	if !c.UDP.wanted {
		return nil
	}
	key, err := readServerEC(ctx, c.ServerKey, to.api)
	if err != nil {
		return err
	}
	address := to.udp
	config.UDP = &virtual.UDP{ServerKey: key, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", address)
	}}
	return nil
}

// readServerEC reads the server's public key for UDP from the file, or asks the cloud if there is no file.
func readServerEC(ctx context.Context, file string, api *client.Client) (*ecdsa.PublicKey, error) {
	from := file
	text, err := os.ReadFile(file)
	if file == "" {
		from = api.BaseURL
		text, err = api.ServerKey(ctx, true)
	}
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	key, err := x509.ParsePKIXPublicKey(text)
	if ec, ok := key.(*ecdsa.PublicKey); err == nil && ok && ec.Curve == elliptic.P256() {
		return ec, nil
	}
	return nil, fmt.Errorf("%s gives no EC public key of a server; export it again: localcloud keys export --udp", from)
}

// ensureECKey gives a configuration over UDP its device's private key: that of a file, or a new one.
func ensureECKey(path string, config *virtual.Config) (keys.PublicKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keys.PublicKey{}, err
	}
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return keys.PublicKey{}, err
		}
		signer, err := keys.ParseDevicePrivateKey(text)
		if err != nil {
			return keys.PublicKey{}, fmt.Errorf("%s: %w", path, err)
		}
		var ok bool
		if key, ok = signer.(*ecdsa.PrivateKey); !ok {
			return keys.PublicKey{}, fmt.Errorf("%s holds an RSA key; a virtual device over UDP needs an EC key", path)
		}
	}
	config.UDP.Key = key
	return keys.NewECDSAPublicKey(&key.PublicKey)
}
