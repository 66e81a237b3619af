package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"net/netip"
	"sync"
	"time"

	"localcloud/keys"
)

// rsaKeys are the server's keys for boards on TCP, the second one nil unless it is being rotated out.
func (p *parts) rsaKeys() (key, old *rsa.PrivateKey) {
	identity := p.keyring.Identity()
	return identity.TCP, identity.OldTCP
}

// ecKeys are the server's keys for boards on UDP, as rsaKeys.
func (p *parts) ecKeys() (key, old *ecdsa.PrivateKey) {
	identity := p.keyring.Identity()
	return identity.UDP, identity.OldUDP
}

// holdersFor is how long it is remembered at which addresses boards hold the old key.
const holdersFor = 10 * time.Second

// holders knows from the registry at which addresses boards hold the key that is being rotated out.
type holders struct {
	parts *parts

	mu    sync.Mutex
	until time.Time
	at    map[netip.Addr]bool
}

func newHolders(p *parts) *holders { return &holders{parts: p} }

// old reports whether the board that was last at an address holds the old key.
func (h *holders) old(address netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.After(h.until) {
		h.until, h.at = now.Add(holdersFor), h.look()
	}
	return h.at[address]
}

func (h *holders) look() map[netip.Addr]bool {
	old := h.parts.keyring.Identity().OldServerKey(keys.UDP)
	at := make(map[netip.Addr]bool)
	for d := range h.parts.store.Registry().AllDevices() {
		if d.Key.Algorithm() != keys.ECC || d.ServerKey != old.Fingerprint() || old.IsZero() {
			continue
		}
		if where, err := netip.ParseAddrPort(d.LastAddress); err == nil {
			at[where.Addr().Unmap()] = true
		}
	}
	return at
}

// serverPEMs are the public keys that boards are given, for TCP and for UDP.
func (p *parts) serverPEMs() (tcp, udp []byte) {
	identity := p.keyring.Identity()
	return identity.TCPPublicPEM(), identity.UDPPublicPEM()
}
