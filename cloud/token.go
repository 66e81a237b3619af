package cloud

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// TokenID names a token without being one: 40 hex digits, derived from the
// secret by SHA-256. The registry holds ids only, so a copied registry opens nothing.
type TokenID string

// Secret is the token itself as clients send it: 40 lower-case hex digits. It
// prints as its id.
type Secret string

// NewSecret draws a token of 160 random bits.
func NewSecret() Secret {
	var b [20]byte
	rand.Read(b[:])
	return Secret(hex.EncodeToString(b[:]))
}

// ID returns the public id of the token.
func (s Secret) ID() TokenID {
	sum := sha256.Sum256([]byte("localcloud token " + string(s)))
	return TokenID(hex.EncodeToString(sum[:20]))
}

// String returns the token's id, so that a secret never reaches a log by accident.
func (s Secret) String() string { return "token " + string(s.ID()) }

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Token is what the registry knows about one access or refresh token.
type Token struct {
	ID      TokenID   `json:"id"`
	User    UserID    `json:"user"`
	Client  string    `json:"client,omitempty"` // OAuth client that asked for it, such as "particle-cli"
	Note    string    `json:"note,omitempty"`
	Scopes  []Scope   `json:"scopes,omitempty"` // empty: everything its user may do
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`  // zero: never
	Refresh bool      `json:"refresh,omitempty"` // only good for a new access token
	Pair    TokenID   `json:"pair,omitempty"`    // the access token that a refresh token came with, and the reverse
}

// ExpiredAt reports whether the token's time is over at now.
func (t *Token) ExpiredAt(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// TokenWarning is how long before its end a token is spoken of.
const TokenWarning = 14 * 24 * time.Hour

// SessionClient is the client of the tokens that are sessions of browsers.
const SessionClient = "console"

// DefaultTokenLife is how long a log-in lasts, as in the official cloud.
const DefaultTokenLife = 90 * 24 * time.Hour
