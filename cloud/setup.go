package cloud

import (
	"crypto/rand"
	"crypto/subtle"
	"strings"
)

// SetupCode makes the owner of a new cloud: who can read it on the server's
// terminal is who the server belongs to. It is three groups of four letters
// and digits, 60 random bits, drawn anew at each start until there is an owner.
type SetupCode string

// setupLetters are 32 that are hard to confuse (Crockford's base 32).
const setupLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewSetupCode draws a code.
func NewSetupCode() SetupCode {
	var b [12]byte
	rand.Read(b[:])
	var code strings.Builder
	for i, v := range b {
		if i > 0 && i%4 == 0 {
			code.WriteByte('-')
		}
		code.WriteByte(setupLetters[v%32])
	}
	return SetupCode(code.String())
}

// Matches reports whether somebody typed the code: case, blanks and dashes do
// not count, O is 0, I and L are 1. An empty code matches nothing.
func (c SetupCode) Matches(typed string) bool {
	a, b := plainCode(string(c)), plainCode(typed)
	return c != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

func plainCode(s string) string {
	return strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
}
