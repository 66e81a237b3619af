package cloud

import (
	"errors"
	"fmt"
)

// Kind says what sort of thing went wrong, in terms that every side of the
// product can act on: the API turns it into a status, the commands into an
// exit code, the session into a CoAP response code.
type Kind uint8

// The kinds of error. Other is the zero value: an error of ours or of the
// machine, for which the caller can do nothing.
const (
	Other       Kind = iota
	Invalid          // the request cannot be understood or is out of range
	NotExist         // no such thing
	Exist            // it exists already, or belongs to someone else
	Permission       // known, but not allowed
	Unauthentic      // the credential is missing, wrong, expired or revoked
	Offline          // the device is not connected
	Timeout          // the device did not answer in time
	Limited          // refused by a rate limit or a full queue
	NoSpace          // the store has no room
	Refused          // the device answered with an error
	Unsupported      // this server cannot do that
)

var kindText = [...]string{
	Other: "failed", Invalid: "invalid request", NotExist: "not found", Exist: "exists already",
	Permission: "permission denied", Unauthentic: "not authenticated", Offline: "device is offline",
	Timeout: "timed out", Limited: "too many requests", NoSpace: "no space left",
	Refused: "refused by the device", Unsupported: "not supported",
}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindText) {
		return kindText[k]
	}
	return kindText[Other]
}

// Error is an error at the border of a package: which operation failed (Op),
// what sort of failure it was (Kind), and the cause (Err, may be nil).
// Its text reads outside-in: "call led: device is offline".
type Error struct {
	Op   string
	Kind Kind
	Err  error
}

// E makes an Error. A nil err leaves only the kind to say what happened.
func E(op string, kind Kind, err error) *Error { return &Error{Op: op, Kind: kind, Err: err} }

// Errorf makes an Error whose cause is a formatted text; %w wraps.
func Errorf(op string, kind Kind, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Kind.String()
	if e.Err != nil {
		text = e.Err.Error()
	}
	if e.Op == "" {
		return text
	}
	return e.Op + ": " + text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost Error in err's chain that has one
// other than Other, and Other when there is none.
func KindOf(err error) Kind {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return Other
		}
		if e.Kind != Other {
			return e.Kind
		}
		err = e.Err
	}
	return Other
}
