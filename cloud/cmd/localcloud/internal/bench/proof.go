package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"localcloud/coap/virtual"
	"localcloud/keys"
)

// proof is what the devices of a fleet prove who they are with, and what they know the cloud by: RSA keys over TCP, EC keys
// over UDP.
type proof struct {
	public keys.PublicKey

	rsa       *rsa.PrivateKey
	rsaServer *rsa.PublicKey

	ec       *ecdsa.PrivateKey // nil over TCP
	ecServer *ecdsa.PublicKey
}

// newProof asks the cloud for its key, and makes the devices' one.
func (r *run) newProof(ctx context.Context, c *Cloud, udp bool) (p proof, err error) {
	if udp && c.DialUDP == nil {
		return p, errors.New("devices cannot connect to this cloud over UDP")
	}
	server, err := c.serverKey(ctx, udp)
	if err != nil {
		return p, err
	}
	if udp {
		p.ecServer, _ = server.(*ecdsa.PublicKey)
		if p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			p.public, err = keys.NewECDSAPublicKey(&p.ec.PublicKey)
		}
	} else {
		p.rsaServer, _ = server.(*rsa.PublicKey)
		if p.rsa, err = r.deviceKey(); err == nil {
			p.public, err = keys.NewRSAPublicKey(&p.rsa.PublicKey)
		}
	}
	if err == nil && p.rsaServer == nil && p.ecServer == nil {
		err = fmt.Errorf("the cloud's key is a %T", server)
	}
	return p, err
}

// config is that of a device which proves itself with it.
func (p *proof) config(m *member) virtual.Config {
	cfg := virtual.Config{ID: m.id, Key: p.rsa, ServerKey: p.rsaServer, Dial: m.dial}
	if p.ec != nil {
		cfg.UDP = &virtual.UDP{Key: p.ec, ServerKey: p.ecServer, Dial: m.dialUDP}
	}
	return cfg
}

// deviceKey returns the one RSA key of all devices, which it makes the first time.
func (r *run) deviceKey() (key *rsa.PrivateKey, err error) {
	if r.key == nil {
		r.key, err = keys.GenerateDeviceRSA()
	}
	return r.key, err
}

// serverKey asks for the key by which devices know the cloud, an *rsa.PublicKey or *ecdsa.PublicKey.
func (c *Cloud) serverKey(ctx context.Context, udp bool) (any, error) {
	text, err := c.API.ServerKey(ctx, udp)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(bytes.TrimSpace(text))
	if block == nil {
		return nil, errors.New("the cloud's key is no PEM")
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}
