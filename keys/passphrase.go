package keys

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// MinPassphrase is how long a passphrase has to be, in bytes: a backup that is carried around can be tried at leisure.
const MinPassphrase = 8

// scryptWork is the cost of one guess: 2^16 rounds, 64 MB and about 0.3 s on a Raspberry Pi 4, which has to be able to open it.
const scryptWork = 16

// SealWithPassphrase returns a writer that encrypts what is written to w (age, scrypt). It is not whole before Close.
func SealWithPassphrase(w io.Writer, passphrase string) (io.WriteCloser, error) {
	if len(passphrase) < MinPassphrase {
		return nil, fmt.Errorf("the passphrase has to have at least %d characters", MinPassphrase)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(scryptWork)
	return age.Encrypt(w, recipient)
}

// OpenWithPassphrase returns a reader of what SealWithPassphrase wrote. It fails while it is read when the
// content was cut off or changed.
func OpenWithPassphrase(r io.Reader, passphrase string) (io.Reader, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(scryptWork)
	plain, err := age.Decrypt(r, identity)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, errors.New("the passphrase is another one, or the backup was made without")
	case err != nil:
		return nil, errors.New("it is no backup, or a damaged one")
	}
	return plain, nil
}
