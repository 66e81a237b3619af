package keys

import "strings"

// Explain says in one plain sentence what happened, and what to do next, with the exact command where there is one.
// Both are made of fixed texts and the device id in hex: nothing in them was written by the device.
func (k Knock) Explain() (what, next string) {
	what, next = k.explain()
	id := "ID"
	if !k.ID.IsZero() {
		id = k.ID.String()
	}
	return what, strings.NewReplacer("{id}", id, "{server-key}", giveServerKey).Replace(next)
}

const (
	lookOnly = "Nothing, if it does not come again; otherwise restart the board, and see what it does then: localcloud device list --unknown"

	powerCycle = "Check power and Wi-Fi of the board and restart it, and see what it does then: localcloud device list --unknown"

	newKeys = "Give it new keys, on a USB cable and in DFU mode (blinking yellow): localcloud device rekey --new-key"
)

// giveServerKey is how the board gets this server's public key and address.
const giveServerKey = "localcloud device rekey, with the board on a USB cable and in DFU mode (blinking yellow); " +
	"where there is no dfu-util: localcloud device rekey --file DIR --for PLATFORM"

func (k Knock) explain() (what, next string) {
	switch k.Reason {
	case ReasonUnknownDevice:
		return "A board that is not in the list of devices connected; its key exchange was right.",
			"If it is yours: localcloud device adopt {id}"
	case ReasonOtherKey:
		return "The board has another key than the one registered for its id: its keys were renewed, or something else uses its id.",
			"If you renewed its keys: localcloud device adopt {id}; if not, leave it refused."
	case ReasonNoKey:
		return "No public key is registered for this device, and its firmware is too old to send one.",
			newKeys
	case ReasonWrongServerKey:
		if k.Transport == string(UDP) {
			return "The board did not accept this server's signature: it most likely still holds Particle's server key, or that of another server.",
				"Give it this server's key: {server-key}"
		}
		return "What the board sent is not encrypted for this server: it most likely still holds Particle's server key, or that of another server.",
			"Give it this server's key: {server-key}"
	case ReasonNonceMismatch:
		return "The answer belongs to another connection: it was recorded and sent again, or something between the board and this server mixes up connections.",
			"Connect the board directly, without proxy or port forwarder; if it comes again see what it does: localcloud device list --unknown"
	case ReasonShortBlock:
		return "The key exchange was encrypted for this server but holds too little to be a board's.",
			"If it is a board of yours, update its Device OS; otherwise ignore it."
	case ReasonBadDeviceKey:
		return "What the board sent as its public key is not an RSA-1024 key: its own key is damaged.",
			newKeys
	case ReasonECKeyOnTCP:
		return "The board holds an EC key (for UDP) where TCP needs an RSA key.",
			newKeys
	case ReasonRSAKeyOnUDP:
		return "The board offered an RSA key (for TCP) where UDP needs an EC key.",
			newKeys
	case ReasonNoProof:
		return "The board showed a public key but could not prove that it owns the private half.",
			newKeys
	case ReasonTimeout:
		return k.explainTimeout()
	case ReasonClosed:
		return k.explainClosed()
	case ReasonGarbageFrame:
		return "After the handshake came a frame that does not decrypt: the board works with other session keys, or this is no board.",
			"Restart the board; if it comes again: " + newKeys
	case ReasonNoRawKey:
		return "What knocked speaks DTLS, but not with the keys that boards use (raw public keys): another program, or a Device OS that is damaged.",
			"If it is a board of yours, update its Device OS; otherwise ignore it."
	case ReasonNoCertificate:
		return "The board did not show its public key in the DTLS handshake: its own key is damaged or missing.",
			newKeys
	case ReasonBadConnectionID:
		return "The board ended a good handshake at once and began another: it and this server do not agree on the connection id.",
			"Update this server, and the Device OS of the board; then see: localcloud device list --unknown"
	case ReasonReplayed:
		return "A recorded DTLS handshake or message was sent again: a copy of an old packet, or somebody who tries.",
			"Nothing, if your boards are online; this server does not accept it."
	case ReasonBusy:
		return "Too many boards came at the same time; this one was put off so that the others get through.",
			"Nothing: it comes again by itself within a minute or two."
	case ReasonNoHello:
		return "The handshake was complete, but then another message came where the board has to say Hello.",
			"Restart the board; if it comes again see what it does: localcloud device list --unknown"
	case ReasonLateHello:
		return "The board's Hello came so late that it no longer waits for the answer.",
			"Check the Wi-Fi signal of the board and the load of this server, then restart the board and see: localcloud device list --unknown"
	case ReasonMalformed:
		return "The handshake was complete, but then came a message that is not well formed.",
			"Restart the board; if it comes again update its Device OS."
	case ReasonDuplicate:
		return "A newer connection with the same id took the place of this one, as when a board restarts.", lookOnly
	case ReasonInterrupted:
		return "This server ended the connection itself, because it was stopping.", "Nothing: the board connects again by itself."
	case ReasonServerFault:
		return "This server could not finish the handshake because of a fault of its own.",
			"See why in the log (on stderr of localcloud serve), then run: localcloud status"
	}
	return "The connection ended before the board was online.", lookOnly
}

func (k Knock) explainTimeout() (what, next string) {
	switch k.Step {
	case StepNonce, StepCredentials:
		return "The board stopped taking what this server sent.", powerCycle
	case StepKeyExchange:
		return "Something connected and never sent a key exchange: a port scanner, a browser, or a board that lost its network.", lookOnly
	case StepFirstFrame, StepHello:
		return "The key exchange was complete, but the board's Hello did not come.", powerCycle
	case StepClientHello, StepCertificate, StepFinished:
		return "The board began a DTLS handshake and did not go on: its packets are lost on the way, or it holds another server key.",
			"Check that UDP port 5684 is open in both directions, then give it this server's key: {server-key}"
	}
	return "The board fell silent.", powerCycle
}

func (k Knock) explainClosed() (what, next string) {
	switch k.Step {
	case StepNonce, StepKeyExchange:
		return "Something connected and left before it sent a key exchange: a port scanner, a browser, or a board that restarted.", lookOnly
	case StepCredentials, StepFirstFrame, StepHello:
		return "The board left after it was given its session keys: its network failed at that moment, or its private key does not fit the public key registered for it.",
			"If it comes again: " + newKeys
	case StepClientHello, StepCertificate, StepFinished:
		return "The board broke off the DTLS handshake: it most likely still holds Particle's server key, or that of another server.",
			"Give it this server's key: {server-key}"
	}
	return "The board closed the connection.", powerCycle
}
