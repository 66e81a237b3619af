package listening

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Security is how a Wi-Fi network is secured.
type Security string

const (
	NoSecurity Security = "none"
	WEP        Security = "wep"
	WPA        Security = "wpa"
	WPA2       Security = "wpa2"
	WPA3       Security = "wpa3" // P2, Photon 2 and M-SoM with Device OS 5 and later
)

// numbers are the answers to the question for the security.
var numbers = map[Security]string{NoSecurity: "0", WEP: "1", WPA: "2", WPA2: "3", WPA3: "6"}

// Network is a Wi-Fi network that a board shall join.
type Network struct {
	SSID     string
	Password string   // empty: open
	Security Security // for a network that the board does not see, such as a hidden one; empty: WPA2, or none without a password
}

// Check reports why a board could not be told of this network.
func (n Network) Check() error {
	switch {
	case n.SSID == "" || len(n.SSID) > 32:
		return errors.New("the name of a Wi-Fi network has 1 to 32 bytes")
	case strings.ContainsAny(n.SSID+n.Password, "\r\n\x00\x08\x7f"):
		return errors.New("a board takes no control characters in the name and password of a network")
	case n.Security != "" && numbers[n.Security] == "":
		return fmt.Errorf("security %q: there are none, wep, wpa, wpa2 and wpa3", n.Security)
	case n.Password == "" && n.Security != "" && n.Security != NoSecurity:
		return fmt.Errorf("a network with %s has a password", n.Security)
	case n.Password != "" && n.Security == NoSecurity:
		return errors.New("an open network has no password")
	case n.Security != WEP && n.Password != "" && (len(n.Password) < 8 || len(n.Password) > 63):
		return errors.New("the password of a Wi-Fi network (WPA) has 8 to 63 characters")
	}
	return nil
}

func (n Network) security() Security {
	switch {
	case n.Security != "":
		return n.Security
	case n.Password == "":
		return NoSecurity
	}
	return WPA2
}

// The questions of a console, as far as they are told apart, and how it ends.
const (
	askSSID       = "SSID: "
	askSecurity   = "Security 0=unsecured, 1=WEP, 2=WPA, 3=WPA2"
	askCipher     = "Security Cipher 1=AES, 2=TKIP, 3=AES+TKIP: "
	askPassword   = "Password: "
	askEnterprise = "EAP Type 0=PEAP/MSCHAPv2, 1=EAP-TLS: "
	saved         = "Awesome. Now we'll connect!"
	notSaved      = "Derp. Sorry, we couldn't save the credentials."
)

// Limits of waiting. A board looks for networks after it was told a name, some seconds; it asks again for what it
// does not understand.
const (
	firstQuestion = 3 * time.Second
	nextQuestion  = 30 * time.Second
	mostQuestions = 12
)

// What a board makes of a network.
var (
	ErrNotSaved   = errors.New("the board could not save the network: is it one at 5 GHz, or the name or password not what it takes? Try again")
	ErrEnterprise = errors.New("the network asks for a user name (WPA Enterprise), which is not set from here: particle serial wifi does that")
	ErrNeedsKey   = errors.New("the board sees a network of that name that asks for a password: give it one")
	ErrRefused    = errors.New("the board does not take that kind of security: its Device OS is too old for it")
)

// SetWiFi tells a board its network. When it returns nil the board has saved it and tries to join; whether the password
// is right shows then: a board that cannot join blinks green. Seen is false when the board did not see the network: it is
// hidden, too far away, or at 5 GHz.
func (c *Console) SetWiFi(ctx context.Context, n Network) (seen bool, err error) {
	if err := n.Check(); err != nil {
		return false, err
	}
	if err := c.flush(); err != nil {
		return false, err
	}
	if err := c.send("w"); err != nil {
		return false, err
	}
	if _, err := c.await(ctx, firstQuestion, askSSID); err != nil {
		return false, err
	}
	if err := c.answer(ctx, n.SSID); err != nil {
		return false, err
	}
	seen = true
	asked := map[string]int{}
	for range mostQuestions {
		question, err := c.await(ctx, nextQuestion, askSecurity, askCipher, askPassword, askEnterprise, askSSID, saved, notSaved)
		if err != nil {
			return seen, err
		}
		if asked[question]++; asked[question] > 2 {
			return seen, ErrRefused
		}
		switch question {
		case saved:
			return seen, nil
		case notSaved:
			return seen, ErrNotSaved
		case askSecurity:
			seen = false
			if _, err := c.await(ctx, echoTime, ": "); err != nil { // the rest of the question
				return seen, err
			}
			err = c.answer(ctx, numbers[n.security()])
		case askCipher:
			err = c.answer(ctx, "1")
		case askPassword:
			if n.Password == "" {
				return seen, c.leave(ErrNeedsKey)
			}
			err = c.answer(ctx, n.Password)
		case askEnterprise:
			return seen, c.leave(ErrEnterprise)
		case askSSID:
			err = c.answer(ctx, n.SSID)
		}
		if err != nil {
			return seen, err
		}
	}
	return seen, ErrRefused
}

// leave ends a dialogue that goes nowhere. Whatever is answered now would be saved, so nothing is.
func (c *Console) leave(why error) error {
	return fmt.Errorf("%w. Nothing was changed; the board still waits for an answer: press RESET on it", why)
}
