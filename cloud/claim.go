package cloud

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"localcloud/keys"
)

// ClaimCode is what a set-up program gives a new device, and the device shows
// the cloud when it connects: 63 characters of base64, which is the room
// a device has for it (device-os dct.h). It prints as its id.
type ClaimCode string

// NewClaimCode draws a code of 376 random bits.
func NewClaimCode() ClaimCode {
	var b [47]byte
	rand.Read(b[:])
	return ClaimCode(base64.RawStdEncoding.EncodeToString(b[:]))
}

// ClaimID names a claim code without being one: 40 hex digits, derived by
// SHA-256. The registry holds ids only.
type ClaimID string

// ID returns the public id of the code.
func (c ClaimCode) ID() ClaimID {
	sum := sha256.Sum256([]byte("localcloud claim " + string(c)))
	return ClaimID(hex.EncodeToString(sum[:20]))
}

// String returns the code's id, so that a code never reaches a log by accident.
func (c ClaimCode) String() string { return "claim " + string(c.ID()) }

// Claim is what the registry knows about a claim code: who gets the device that shows it.
type Claim struct {
	ID      ClaimID   `json:"id"`
	User    UserID    `json:"user"`
	Product int       `json:"product,omitempty"` // which the device gets into; 0: it stays where it is
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// Bounds of claim codes.
const (
	ClaimLife = 24 * time.Hour
	MaxClaims = 100 // of one user, unused
)

// NewClaim makes a claim code for a user and stores it. product is what the
// device shall get into, 0 for none.
func NewClaim(registry Registry, user UserID, product int, now time.Time) (ClaimCode, error) {
	code := NewClaimCode()
	return code, registry.AddClaim(Claim{ID: code.ID(), User: user, Product: product, Created: now, Expires: now.Add(ClaimLife)})
}

// Redeem gives a device to the user whose claim code it shows; the code is
// good once. The device has to be registered. It is NotExist when there is no such
// code or it is too old, and Exist when the device belongs to somebody else, unless
// it only does because of trust on first use.
func Redeem(registry Registry, code ClaimCode, id keys.DeviceID, now time.Time) (Device, error) {
	return registry.RedeemClaim(code.ID(), id, func(d *Device, c Claim) error {
		switch {
		case !now.Before(c.Expires):
			return Errorf("claim", NotExist, "the claim code has expired")
		case d.Owner != "" && d.Owner != c.User && !d.OwnerAssumed:
			return Errorf("claim", Exist, "device %s belongs to someone else", id)
		}
		if NameTaken(registry, c.User, d.Name, id) {
			d.Name = "" // two of one name could not be told apart
		}
		d.Owner, d.OwnerAssumed = c.User, false
		if _, ok := registry.Product(c.Product); ok {
			d.Join(c.Product)
		}
		return nil
	})
}

// NameTaken reports whether another device of the owner has the name. Two
// changes at the same moment may both pass.
func NameTaken(registry Registry, owner UserID, name string, except keys.DeviceID) bool {
	if owner == "" || name == "" {
		return false
	}
	for _, d := range registry.DevicesNamed(name) {
		if d.Owner == owner && d.ID != except {
			return true
		}
	}
	return false
}
