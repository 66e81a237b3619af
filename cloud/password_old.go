package cloud

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strings"
)

// Passwords of users who came from an older local server are PBKDF2 hashes of 30,000 rounds and 64 bytes, with SHA-1
// (spark-server) or SHA-256 (Brewskey's). They are accepted once: LogIn replaces them by argon2id.
//
//	$pbkdf2-sha1$SALT$SUM        SALT and SUM in base64 without padding
const (
	oldSHA1   = "pbkdf2-sha1"
	oldSHA256 = "pbkdf2-sha256"
	oldRounds = 30000
	oldLength = 64
)

// OldPassword is what User.Password holds for a user of an older server: salt as it was used, and the base64 of the sum.
// It reports false when sum is no such hash.
func OldPassword(isSHA256 bool, salt, sum string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(sum)
	if err != nil || len(raw) != oldLength || salt == "" {
		return "", false
	}
	name := oldSHA1
	if isSHA256 {
		name = oldSHA256
	}
	enc := base64.RawStdEncoding
	return "$" + name + "$" + enc.EncodeToString([]byte(salt)) + "$" + enc.EncodeToString(raw), true
}

// oldPassword takes such a hash apart.
func oldPassword(stored string) (digest func() hash.Hash, salt, sum []byte, ok bool) {
	f := strings.Split(stored, "$")
	if len(f) != 4 {
		return nil, nil, nil, false
	}
	switch f[1] {
	case oldSHA1:
		digest = sha1.New
	case oldSHA256:
		digest = sha256.New
	default:
		return nil, nil, nil, false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(f[2])
	sum, err2 := base64.RawStdEncoding.DecodeString(f[3])
	return digest, salt, sum, err1 == nil && err2 == nil && len(sum) == oldLength
}

func isOldPassword(stored string) bool {
	_, _, _, ok := oldPassword(stored)
	return ok
}

func checkOldPassword(stored, password string) bool {
	digest, salt, want, ok := oldPassword(stored)
	if !ok {
		return false
	}
	got, err := pbkdf2.Key(digest, password, salt, oldRounds, oldLength)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
