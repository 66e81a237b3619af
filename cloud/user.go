package cloud

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// UserID identifies a user for ever, whatever the user is called: 24 hex digits.
type UserID string

// NewUserID draws an id.
func NewUserID() UserID {
	var b [12]byte
	rand.Read(b[:])
	return UserID(hex.EncodeToString(b[:]))
}

// User is one account. The first user of a cloud is its owner and an admin.
type User struct {
	ID       UserID    `json:"id"`
	Name     string    `json:"name"`     // what they log in with, often a mail address; unique, ignoring case
	Password string    `json:"password"` // argon2id in PHC form; never leaves the registry
	Admin    bool      `json:"admin,omitempty"`
	Created  time.Time `json:"created"`

	// OneTime says that the password was made by an administrator: it is good for one thing, to choose another.
	OneTime bool `json:"one_time,omitempty"`

	Clients []OAuthClient `json:"clients,omitempty"`
}

// Cost of a password check: 19 MiB and two passes, some 100 ms on a small
// board (OWASP's second recommendation for argon2id).
const (
	argonTime    = 2
	argonMemory  = 19 * 1024 // KiB
	argonThreads = 1
	argonKeyLen  = 32
)

// HashPassword returns the argon2id hash of password in PHC form. It takes
// some 100 ms and 19 MiB: callers bound how many run at once.
func HashPassword(password string) string {
	var salt [16]byte
	rand.Read(salt[:])
	sum := argon2.IDKey([]byte(password), salt[:], argonTime, argonMemory, argonThreads, argonKeyLen)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc.EncodeToString(salt[:]), enc.EncodeToString(sum))
}

// CheckPassword reports whether password is the one that hash was made of.
// A hash it cannot read costs the same time and is never right, so that a
// caller may check unknown users against "".
func CheckPassword(hash, password string) bool {
	if isOldPassword(hash) {
		return checkOldPassword(hash, password)
	}
	var version int
	var memory, passes uint32
	var threads uint8
	salt, want := make([]byte, 16), make([]byte, argonKeyLen)
	ok := false
	if f := strings.Split(hash, "$"); len(f) == 6 && f[1] == "argon2id" {
		_, err1 := fmt.Sscanf(f[2], "v=%d", &version)
		_, err2 := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads)
		s, err3 := base64.RawStdEncoding.DecodeString(f[4])
		w, err4 := base64.RawStdEncoding.DecodeString(f[5])
		if err1 == nil && err2 == nil && err3 == nil && err4 == nil && version == argon2.Version &&
			memory > 0 && memory <= 1<<20 && passes > 0 && passes <= 16 && threads > 0 && len(w) >= 16 {
			salt, want, ok = s, w, true
		}
	}
	if !ok {
		memory, passes, threads = argonMemory, argonTime, argonThreads
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && ok
}

// MinPassword is the shortest password taken, in bytes.
const MinPassword = 8

// CheckUserName reports why a name cannot be an account's, if so.
func CheckUserName(name string) error {
	if name == "" || len(name) > 128 {
		return Errorf("user name", Invalid, "a user name has 1 to 128 bytes")
	}
	for _, r := range name {
		if r <= ' ' || r == 0x7f || r == ':' { // a colon ends the name in HTTP Basic
			return Errorf("user name", Invalid, "a user name holds no blanks, colons or control characters")
		}
	}
	return nil
}
