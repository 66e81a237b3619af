package main

import (
	"context"
	"crypto/rsa"
	"fmt"
	"os"

	"localcloud/coap/virtual"
	"localcloud/keys"
)

// one runs one device that a script controls, until its input ends or ctx does.
func (c *virtualCmd) one(ctx context.Context, t *terminal, to target, config virtual.Config) error {
	config.ID = randomID()
	if c.ID != "" {
		id, err := keys.ParseDeviceID(c.ID)
		if err != nil {
			return usageError{err}
		}
		config.ID = id
	}
	public, err := c.deviceKey(&config)
	if err != nil {
		return err
	}
	if to.registers {
		if err := register(ctx, to.api, config.ID, public); err != nil {
			return err
		}
	}
	return virtual.ServeStdio(ctx, virtual.New(config), t.in, t.out)
}

// deviceKey gives the device its private key, and returns the public half.
func (c *virtualCmd) deviceKey(config *virtual.Config) (keys.PublicKey, error) {
	if config.UDP != nil {
		return ensureECKey(c.Key, config)
	}
	var err error
	if config.Key, err = readDeviceKey(c.Key); err != nil {
		return keys.PublicKey{}, err
	}
	return keys.NewRSAPublicKey(&config.Key.PublicKey)
}

// readDeviceKey reads a device's private key from a file; without one it makes a key.
func readDeviceKey(path string) (*rsa.PrivateKey, error) {
	if path == "" {
		return keys.GenerateDeviceRSA()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	signer, err := keys.ParseDevicePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := signer.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds an EC key; a virtual device needs an RSA key", path)
	}
	return key, nil
}
