package keys

// Symptom is what the light of a board says to somebody who looks at it.
type Symptom struct {
	LED     string `json:"led"`     // the pattern, as Particle's documents name it
	Meaning string `json:"meaning"` // what the board is doing
	Cause   string `json:"cause"`   // why it stays there, the most frequent cause first
	Next    string `json:"next"`    // what to do, with the command
}

// The patterns, by the state of the board.
const (
	ledOnline     = "breathing cyan"
	ledHandshake  = "fast blinking cyan, again and again"
	ledNotReached = "blinking cyan, then two or three red flashes"
	ledKeys       = "fast blinking cyan, then orange flashes"
	ledSignature  = "fast blinking cyan, then magenta flashes"
	ledWiFi       = "blinking green"
	ledNetwork    = "breathing green"
	ledListening  = "blinking dark blue"
	ledSafeMode   = "breathing magenta"
	ledUpdate     = "blinking magenta"
	ledDFU        = "blinking yellow"
	ledCrash      = "red SOS (three short, three long, three short), then a number of red flashes"
	ledOff        = "breathing or blinking white, or no light"
)

// Symptoms returns what each pattern means, the good one first, then in the order in which a board goes through them.
func Symptoms() []Symptom {
	return []Symptom{
		{ledOnline, "It is online.", "All is well.", "localcloud device list"},
		{ledListening, "It waits for its Wi-Fi set-up (listening mode).",
			"It knows no Wi-Fi network, or a newer board was never marked as set up.",
			"localcloud device wifi NAME, with the board on a USB cable; the mark is set by: localcloud device rekey"},
		{ledWiFi, "It looks for its Wi-Fi network or waits for an address.",
			"Wrong name or password; a network at 5 GHz only (Core, Photon, P1 and Argon see 2.4 GHz only); WPA3 only; a captive portal; too far away.",
			"Give it the network again, on a USB cable and in listening mode (blinking dark blue): localcloud device wifi NAME"},
		{ledNetwork, "It is in the network and does not try to reach a cloud.",
			"Its program connects by itself (SYSTEM_MODE MANUAL or SEMI_AUTOMATIC) and has not done so.",
			"Let the program call Particle.connect(), or start the board in safe mode"},
		{ledNotReached, "It is in the network and reaches no server (the no-internet codes: normal without internet, they say only that this server was not reached).",
			"The address in the board is not this cloud's; the access point keeps its clients apart (client isolation, guest network); a firewall closes the port; localcloud does not run.",
			"localcloud doctor; open http://CLOUD:8080/reach on a phone in the same Wi-Fi"},
		{ledHandshake, "It tries to reach the cloud, or is not let in.",
			"The server does not answer at all, or the board is unknown here.",
			"localcloud device list --unknown"},
		{ledKeys, "It reached the server and could not open the answer.",
			"It holds the key of another server, or is not known here with its own key.",
			"localcloud device list --unknown; new keys: localcloud device rekey"},
		{ledSignature, "It reached the server and did not accept its signature.",
			"It holds the key of another server.",
			"localcloud device rekey"},
		{ledSafeMode, "It is online in safe mode: its own program does not run.",
			"The program needs another Device OS than the board has, or it was put there with the buttons.",
			"localcloud device show ID; flash the Device OS and the program over USB"},
		{ledUpdate, "It takes an update, or is about to enter safe mode.", "An update takes up to some minutes.", "Wait; if it stays so, press RESET"},
		{ledDFU, "It is in DFU mode and waits for a program over USB.", "It was put there with the buttons, or holds no program.",
			"localcloud device rekey, or press RESET"},
		{ledCrash, "Its program or Device OS crashed.", "One flash after SOS: hard fault; eight: out of memory; thirteen or more: see Particle's list.",
			"Flash Device OS and program again over USB"},
		{ledOff, "Its Wi-Fi or modem is switched off, or it has no power.", "The program did that, or the cable or battery is bad.",
			"Another cable or power supply; press RESET"},
	}
}

// LED is the pattern that a board shows after a knock like this.
func (k Knock) LED() string {
	switch k.Reason {
	case ReasonUnknownDevice, ReasonOtherKey, ReasonNoKey, ReasonWrongServerKey, ReasonShortBlock, ReasonBadDeviceKey, ReasonECKeyOnTCP:
		if k.Transport == string(TCP) {
			return ledKeys // it gets an answer that it cannot open
		}
		return ledHandshake
	case ReasonGarbageFrame:
		return ledKeys
	case ReasonClosed, ReasonTimeout:
		switch k.Step {
		case StepFirstFrame, StepHello:
			return ledKeys
		case StepNonce, StepKeyExchange, StepClientHello:
			return ledNotReached
		}
		return ledHandshake
	case ReasonDuplicate, ReasonInterrupted:
		return ledOnline + ", after a moment of blinking cyan"
	}
	return ledHandshake
}
