package relay

import (
	"context"
	"net/netip"
	"time"
)

// admission is a device that may send over a connection.
type admission struct {
	device  string
	called  bool            // it came because we called it, by nonce or address
	held    context.Context // ends with the token that let it in; nil: never
	release func()          // to be called when the connection is over
}

// admit finds out which device a request is from, by its nonce or token. On
// refusal the device is the one whose nonce it was, if that is known.
func (r *Relay) admit(h *head, from netip.Addr) (admission, refusal) {
	secret := h.secret()
	if secret == "" {
		if h.upgrades() && r.byAddress() {
			if device, ok := r.tickets.spendByAddress(from, time.Now()); ok {
				return r.invited(device)
			}
		}
		return admission{}, refusedMissing
	}
	return r.admitSecret(secret, h.query.Get("device"), from)
}

// admitSecret is admit for a secret; wanted is the device that the client
// says it is, which only a token for several needs.
func (r *Relay) admitSecret(secret, wanted string, from netip.Addr) (admission, refusal) {
	if isToken(secret) {
		return r.admitToken(secret, wanted, from)
	}
	device, no := r.tickets.spend(secret, from, time.Now())
	if no != "" {
		return admission{device: device}, r.wrong(no, from)
	}
	return r.invited(device)
}

func (r *Relay) invited(device string) (admission, refusal) {
	a, no := r.unlessBlocked(device)
	a.called = true
	return a, no
}

func (r *Relay) unlessBlocked(device string) (admission, refusal) {
	if !r.state.allows(device) {
		return admission{device: device}, refusedBlocked
	}
	return admission{device: device, release: func() {}}, ""
}

// admitToken takes a token that may write: for the one device it is tied to, or for the one that the client names.
func (r *Relay) admitToken(secret, wanted string, from netip.Addr) (admission, refusal) {
	access, err := r.Cloud.Access(secret)
	if err != nil || !access.Write {
		return admission{}, r.wrong(refusedToken, from)
	}
	if wanted != "" {
		ctx, cancel := context.WithTimeout(r.context, lookTime)
		defer cancel()
		d, err := r.Cloud.Device(ctx, wanted)
		if err != nil {
			return admission{}, refusedToken
		}
		wanted = d.ID
	} else if len(access.Only) == 1 {
		wanted = access.Only[0]
	}
	if wanted == "" || !access.Sees(wanted) {
		return admission{}, refusedToken
	}
	a, no := r.unlessBlocked(wanted)
	if no == "" && access.Hold != nil {
		a.held, a.release = access.Hold(r.context)
	}
	return a, no
}

// wrong counts a wrong guess. It returns why the guess is refused, or that the address is over its share of them.
func (r *Relay) wrong(no refusal, from netip.Addr) refusal {
	r.counts.guessed.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.guesses.wrong(from, time.Now()) {
		return refusedGuesses
	}
	return no
}

// lookTime bounds questions to the cloud.
const lookTime = 10 * time.Second

// Refusal is one connection that was not let in.
type Refusal struct {
	At      time.Time `json:"at"`
	Address string    `json:"address"`
	Device  string    `json:"device,omitempty"` // whose nonce it was
	Reason  string    `json:"reason"`
	Count   int       `json:"count"` // how often in a row
}

const maxRefusals = 50

// refuse notes and logs why a connection is not let in. Guesses beyond an address's share are only counted.
func (r *Relay) refuse(from netip.Addr, device string, why refusal) {
	r.counts.refused.Add(1)
	now := time.Now()
	r.mu.Lock()
	n := len(r.refusals)
	if n > 0 && r.refusals[n-1].Address == from.String() && r.refusals[n-1].Reason == string(why) && r.refusals[n-1].Device == device {
		r.refusals[n-1].At = now
		r.refusals[n-1].Count++
	} else {
		if n == maxRefusals {
			r.refusals = append(r.refusals[:0], r.refusals[1:]...)
		}
		r.refusals = append(r.refusals, Refusal{At: now, Address: from.String(), Device: device, Reason: string(why), Count: 1})
	}
	if device != "" {
		r.recordLocked(device).Problem = "refused at " + from.String() + ": " + string(why)
	}
	r.mu.Unlock()
	if why != refusedGuesses {
		r.log.Warn("unauthorized connection", "address", from.String(), "device", device, "why", string(why))
	}
}
