package keys

import "time"

// Knock is the record of a device that connected and was not let in: what is known of it, how far it came, and why it
// ended. Whoever keeps the list of knocks merges equal ones and fills First, Last and Count.
type Knock struct {
	ID          DeviceID    `json:"id,omitzero"`           // zero if it did not get as far as telling
	Key         PublicKey   `json:"key,omitzero"`          // what it offered; zero if nothing, or nothing that is a key
	Fingerprint Fingerprint `json:"fingerprint,omitempty"` // of Key
	Address     string      `json:"address,omitempty"`     // remote address with port
	Transport   string      `json:"transport"`             // "tcp" or "udp"
	Step        Step        `json:"step"`                  // where it ended
	Reason      Reason      `json:"reason"`                // why
	First       time.Time   `json:"first,omitzero"`
	Last        time.Time   `json:"last,omitzero"`
	Count       int         `json:"count,omitempty"`
}

// Step is a step on the way from an accepted connection to a device that is online.
type Step string

const (
	StepNonce       Step = "nonce"        // TCP: sending the nonce
	StepKeyExchange Step = "key-exchange" // TCP: waiting for the device's block, opening it, looking the device up
	StepCredentials Step = "credentials"  // TCP: sending the credentials
	StepFirstFrame  Step = "first-frame"  // TCP: waiting for the first encrypted frame

	StepClientHello Step = "client-hello" // DTLS: up to the ClientHello with the cookie
	StepCertificate Step = "certificate"  // DTLS: waiting for the device's key and the proof that it owns it
	StepFinished    Step = "finished"     // DTLS: waiting for Finished

	StepHello Step = "hello" // both: waiting for the Hello message, answering it
)

// Reason is why a device was not let in. The values are part of the API and of stored records.
type Reason string

const (
	ReasonUnknownDevice   Reason = "unknown-device"     // no such id in the registry
	ReasonOtherKey        Reason = "other-key"          // the registry has another key for this id
	ReasonNoKey           Reason = "no-key"             // the registry has no key for this id and the device sent none
	ReasonWrongServerKey  Reason = "wrong-server-key"   // the block does not decrypt with our key
	ReasonNonceMismatch   Reason = "nonce-mismatch"     // the block answers another nonce
	ReasonShortBlock      Reason = "short-block"        // the block holds less than a nonce and an id
	ReasonBadDeviceKey    Reason = "bad-device-key"     // what the device sent as its public key is none
	ReasonECKeyOnTCP      Reason = "ec-key-on-tcp"      // an EC key where TCP needs RSA
	ReasonRSAKeyOnUDP     Reason = "rsa-key-on-udp"     // an RSA key where DTLS needs EC
	ReasonNoProof         Reason = "no-proof"           // DTLS: the signature does not fit the key
	ReasonNoRawKey        Reason = "no-raw-key"         // DTLS: the ClientHello offers no raw public keys
	ReasonNoCertificate   Reason = "no-certificate"     // DTLS: the device showed no key
	ReasonBadConnectionID Reason = "bad-connection-id"  // DTLS: the device starts again after a good handshake
	ReasonReplayed        Reason = "replayed"           // DTLS: a handshake or record that was recorded
	ReasonTimeout         Reason = "timeout"            // nothing, or not enough, came in time: see Step
	ReasonClosed          Reason = "closed-by-device"   // the device ended it: see Step
	ReasonGarbageFrame    Reason = "garbage-frame"      // a frame that does not decrypt after the handshake
	ReasonNoHello         Reason = "no-hello"           // another message where Hello was due
	ReasonLateHello       Reason = "late-hello"         // Hello came when the device no longer waits for the answer
	ReasonMalformed       Reason = "malformed-message"  // a message that cannot be parsed
	ReasonDuplicate       Reason = "duplicate"          // another connection with the same id took its place
	ReasonBusy            Reason = "server-busy"        // too many handshakes at once; this one could not have ended in time
	ReasonInterrupted     Reason = "server-interrupted" // we ended it ourselves, as when stopping
	ReasonServerFault     Reason = "server-fault"       // we failed; the error is in the log
)
