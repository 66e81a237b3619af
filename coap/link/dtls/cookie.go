package dtls

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	cookieSize = 32
	// cookieTime is how long a key for cookies is used; its cookies are good for that long again.
	cookieTime = time.Minute
)

// cookies makes and checks cookies without remembering any: each is a MAC over the address and the ClientHello, under a
// key that changes with time. Who sends one back gets datagrams at that address. It is safe for concurrent use.
type cookies struct{ secret [32]byte }

// make returns the cookie for a ClientHello from an address.
func (c *cookies) make(now time.Time, from netip.AddrPort, h *clientHello) []byte {
	return c.at(now.UnixNano()/int64(cookieTime), from, h)
}

// check reports whether the ClientHello has the cookie that was made for it a short while ago.
func (c *cookies) check(now time.Time, from netip.AddrPort, h *clientHello) bool {
	if len(h.cookie) != cookieSize {
		return false
	}
	turn := now.UnixNano() / int64(cookieTime)
	return hmac.Equal(h.cookie, c.at(turn, from, h)) || hmac.Equal(h.cookie, c.at(turn-1, from, h))
}

func (c *cookies) at(turn int64, from netip.AddrPort, h *clientHello) []byte {
	key := hmac.New(sha256.New, c.secret[:])
	key.Write(binary.BigEndian.AppendUint64(nil, uint64(turn)))
	mac := hmac.New(sha256.New, key.Sum(nil))
	address := from.Addr().As16()
	mac.Write(binary.BigEndian.AppendUint16(address[:], from.Port()))
	mac.Write(h.beforeCookie)
	mac.Write(h.afterCookie)
	return mac.Sum(nil)
}
