package dtls

import (
	"crypto/ecdsa"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

// rotate has the world's key rotated out and returns the new one.
func (w *world) rotate() *ecdsa.PrivateKey {
	fresh := newKey(w)
	w.listener.cfg.Keys = func() (key, old *ecdsa.PrivateKey) { return fresh, w.key }
	return fresh
}

// attempt is a board that holds a server key and comes once, from a port of its own. One that refuses the signature says so, unless its alert is lost.
func (w *world) attempt(address string, holds *ecdsa.PrivateKey, alert bool) error {
	w.Helper()
	s := w.net.listen(netip.MustParseAddrPort(address))
	_, err := connect(s, ClientConfig{Key: newKey(w), ServerKey: &holds.PublicKey})
	if errors.Is(err, ErrAuthentication) && alert {
		refused := record{kind: typeAlert, number: 9, body: []byte{2, 51}}
		s.WriteToUDPAddrPort(refused.appendTo(nil), server)
	}
	synctest.Wait()
	return err
}

func TestABoardWithEitherKeyGetsInByItsSecondAttempt(t *testing.T) {
	for _, alert := range []bool{true, false} {
		for _, old := range []bool{true, false} {
			for _, guess := range []bool{true, false} {
				inWorld(t, func(w *world) {
					holds := w.rotate()
					if old {
						holds = w.key
					}
					w.listener.cfg.HoldsOld = func(netip.Addr) bool { return guess }
					first := w.attempt("10.0.0.2:1000", holds, alert)
					if (first == nil) != (old == guess) {
						t.Errorf("old %v, guess %v: the first attempt: %v", old, guess, first)
					}
					if first != nil {
						time.Sleep(3 * time.Second)
						if err := w.attempt("10.0.0.2:1001", holds, alert); err != nil {
							t.Errorf("old %v, alert %v: the second attempt: %v", old, alert, err)
						}
					}
					if got, want := (<-w.boxes).conn.ServerKey(), keys.FingerprintOfEC(&holds.PublicKey); got != want {
						t.Errorf("it holds %s, the server says %s", want, got)
					}
					time.Sleep(10 * time.Minute) // it is remembered
					if err := w.attempt("10.0.0.2:1002", holds, alert); err != nil {
						t.Errorf("when it comes again: %v", err)
					}
					if len(w.failures) > 0 {
						t.Errorf("its owner is told %+v", (<-w.failures).Knock)
					}
				})
			}
		}
	}
}

func TestABoardWithNeitherKeyIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rotate()
		particle := newKey(t)
		for _, address := range []string{"10.0.0.2:1000", "10.0.0.2:1001"} {
			if err := w.attempt(address, particle, true); !errors.Is(err, ErrAuthentication) {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		select {
		case f := <-w.failures:
			if f.Knock.Reason != keys.ReasonWrongServerKey {
				t.Errorf("%+v", f)
			}
		default:
			t.Error("its owner was told nothing")
		}
	})
}

// Two boards behind one address, each with another key, take turns in the worst order.
func TestBoardsBehindOneAddressDoNotKeepEachOtherOut(t *testing.T) {
	inWorld(t, func(w *world) {
		fresh := w.rotate()
		waiting := []*ecdsa.PrivateKey{w.key, fresh}
		port := uint16(1000)
		for attempts := 0; len(waiting) > 0; attempts++ {
			if attempts > 60 { // by chance: once in 2^30
				t.Fatal("they keep each other out")
			}
			port++
			address := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port)
			board := waiting[0]
			waiting = waiting[1:]
			if w.attempt(address.String(), board, true) != nil {
				waiting = append(waiting, board)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestNothingIsRememberedWithoutARotation(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rotate()
		if err := w.attempt("10.0.0.2:1000", w.key, true); err == nil || len(w.listener.rotation.hosts) != 1 {
			t.Errorf("%v, %d remembered", err, len(w.listener.rotation.hosts))
		}
		w.listener.cfg.Keys = nil
		if err := w.attempt("10.0.0.2:1001", w.key, true); err != nil || len(w.listener.rotation.hosts) != 0 {
			t.Errorf("%v, %d remembered", err, len(w.listener.rotation.hosts))
		}
	})
}
