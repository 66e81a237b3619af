package bench

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// arithmetic is what a server cannot do without in a handshake.
type arithmetic struct {
	name string
	work func() error
}

// arithmetic returns that of the devices which are measured.
func (r *run) arithmetic() (arithmetic, error) {
	if r.UDP {
		work, err := curveWork()
		return arithmetic{"P-256", work}, err
	}
	work, err := r.rsaWork()
	return arithmetic{"RSA", work}, err
}

// time returns the CPU time that it takes with so many workers at once.
func (a arithmetic) time(ctx context.Context, r *run, workers int) (time.Duration, error) {
	var ops atomic.Int64
	used := ownCPU()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range r.tries(ctx) {
				if a.work() != nil {
					return
				}
				ops.Add(1)
			}
		})
	}
	all.Wait()
	if ops.Load() == 0 {
		return 0, errors.Join(errors.New(a.name+" does not work"), ctx.Err(), a.work())
	}
	return (ownCPU() - used) / time.Duration(ops.Load()), nil
}

// rsaWork is that over TCP: a server decrypts and signs with its own key, and encrypts to the device's.
func (r *run) rsaWork() (func() error, error) {
	if r.serverKey == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		r.serverKey = key
	}
	server := r.serverKey
	device, err := r.deviceKey()
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 the boards' protocol, whose cost is measured here
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &server.PublicKey, make([]byte, 214))
	if err != nil {
		return nil, err
	}
	return func() error {
		//lint:ignore SA1019 see above
		_, err1 := rsa.DecryptPKCS1v15(nil, server, sealed)
		//lint:ignore SA1019 see above
		_, err2 := rsa.EncryptPKCS1v15(rand.Reader, &device.PublicKey, sealed[:40])
		_, err3 := rsa.SignPKCS1v15(nil, server, 0, sealed[:20])
		return errors.Join(err1, err2, err3)
	}, nil
}

// curveWork is that over UDP: a server makes a key for the exchange and signs it, takes the device's part, and checks its signature.
func curveWork() (func() error, error) {
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	theirs, err2 := ecdh.P256().GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	digest := make([]byte, 32)
	return func() error {
		ours, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		signature, err1 := ecdsa.SignASN1(rand.Reader, key, digest)
		_, err2 := ours.ECDH(theirs.PublicKey())
		if !ecdsa.VerifyASN1(&key.PublicKey, digest, signature) {
			return errors.New("the signature does not fit")
		}
		return errors.Join(err1, err2)
	}, nil
}
