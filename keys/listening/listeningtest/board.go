// Package listeningtest is a board in listening mode for tests: the console of Device OS, written down from its source
// (system/src/system_setup.cpp, wiring/src/spark_wiring_stream.cpp) and not from what package listening expects.
package listeningtest

import (
	"fmt"
	"io"
	"strings"
)

// Access is a network that a board sees.
type Access struct {
	Security int  // 0 open, 1 WEP, 2 WPA, 3 WPA2, 4 and 5 the same with user names, 6 WPA3
	NoCipher bool // the radio does not tell the cipher, as on newer boards
}

// Saved is what a board was told of a network.
type Saved struct {
	SSID, Password   string
	Security, Cipher int
}

// Board is what serves a console.
type Board struct {
	ID         string
	Properties [][2]string // what 'i' says more, as boards with a modem and newer ones do; nil: Photon, P1
	Core       bool        // says core id
	DeviceOS   string
	MAC        string

	WiFi       bool
	Enterprise bool // knows networks with user names, as the Photon and newer ones
	WPA3       bool
	Sees       map[string]Access

	// Faults.
	Silent      bool // not in listening mode
	Chatter     string
	Refuses     bool // cannot save
	UnplugAfter int  // lines that it takes before it is gone; 0: never

	Saved []Saved // in the order in which they came; read it when Serve has returned
	lines int
}

// errUnplugged ends Serve.
var errUnplugged = fmt.Errorf("unplugged")

// Serve answers on a line until it fails.
func (b *Board) Serve(line io.ReadWriter) error {
	if b.Chatter != "" {
		if _, err := io.WriteString(line, b.Chatter); err != nil {
			return err
		}
	}
	for {
		c, err := readByte(line)
		if err != nil {
			return err
		}
		if b.Silent {
			continue
		}
		if err := b.handle(line, c); err != nil {
			return err
		}
	}
}

func readByte(r io.Reader) (byte, error) {
	var c [1]byte
	_, err := io.ReadFull(r, c[:])
	return c[0], err
}

func (b *Board) handle(line io.ReadWriter, c byte) error {
	say := func(format string, args ...any) error {
		_, err := fmt.Fprintf(line, format, args...)
		return err
	}
	switch c {
	case 'i':
		switch {
		case len(b.Properties) > 0:
			text := "Device ID: " + b.ID + "\r\n"
			for _, p := range b.Properties {
				text += p[0] + ": " + p[1] + "\r\n"
			}
			return say("%s", text)
		case b.Core:
			return say("Your core id is %s\r\n", b.ID)
		}
		return say("Your device id is %s\r\n", b.ID)
	case 'm':
		return say("Your device MAC address is\r\n%s\r\n", b.MAC)
	case 'v':
		return say("system firmware version: %s\n\r\n", b.DeviceOS)
	case 'w':
		if b.WiFi {
			return b.wifi(line, say)
		}
	}
	return nil
}

// readLine is serialReadLine, followed by what read_line prints.
func (b *Board) readLine(line io.ReadWriter, most int) (string, error) {
	if b.lines++; b.UnplugAfter > 0 && b.lines > b.UnplugAfter {
		return "", errUnplugged
	}
	var text []byte
	for {
		c, err := readByte(line)
		if err != nil {
			return "", err
		}
		if len(text) == most || c == '\r' || c == '\n' {
			break
		}
		if c == 8 || c == 127 {
			if len(text) == 0 {
				continue
			}
			text = text[:len(text)-1]
		} else {
			text = append(text, c)
		}
		if _, err := line.Write([]byte{c}); err != nil {
			return "", err
		}
	}
	_, err := io.WriteString(line, "\r\n")
	return string(text), err
}

// until asks until the answer is one of the digits.
func (b *Board) until(line io.ReadWriter, question, digits string) (int, error) {
	for {
		if _, err := io.WriteString(line, question); err != nil {
			return 0, err
		}
		answer, err := b.readLine(line, 1)
		if err != nil {
			return 0, err
		}
		if answer != "" && strings.Contains(digits, answer) {
			return int(answer[0] - '0'), nil
		}
	}
}

// wifi is WiFiSetupConsole::handle('w').
func (b *Board) wifi(line io.ReadWriter, say func(string, ...any) error) (err error) {
	var n Saved
	for n.SSID == "" {
		if err := say("SSID: "); err != nil {
			return err
		}
		if n.SSID, err = b.readLine(line, 32); err != nil {
			return err
		}
	}
	seen, ok := b.Sees[n.SSID]
	n.Security = seen.Security
	if !ok {
		question, digits := "Security 0=unsecured, 1=WEP, 2=WPA, 3=WPA2: ", "0123"
		if b.Enterprise {
			question, digits = "Security 0=unsecured, 1=WEP, 2=WPA, 3=WPA2, 4=WPA Enterprise, 5=WPA2 Enterprise: ", "012345"
		}
		if b.WPA3 {
			digits += "6"
		}
		if n.Security, err = b.until(line, question, digits); err != nil {
			return err
		}
	}
	if !ok || seen.NoCipher {
		if n.Cipher, err = b.until(line, "Security Cipher 1=AES, 2=TKIP, 3=AES+TKIP: ", "123"); err != nil {
			return err
		}
	}
	switch {
	case n.Security == 4 || n.Security == 5:
		if _, err := b.until(line, "EAP Type 0=PEAP/MSCHAPv2, 1=EAP-TLS: ", "01"); err != nil {
			return err
		}
		return errUnplugged // what follows is not written down here
	case n.Security > 0:
		if err := say("Password: "); err != nil {
			return err
		}
		if n.Password, err = b.readLine(line, 64); err != nil {
			return err
		}
	}
	if err := say("Thanks! Wait while I save those credentials...\r\n\r\n"); err != nil {
		return err
	}
	if b.Refuses {
		return say("Derp. Sorry, we couldn't save the credentials.\r\n\r\n")
	}
	b.Saved = append(b.Saved, n)
	return say("Awesome. Now we'll connect!\r\n\r\nIf you see a pulsing cyan light, your device \r\n" +
		"has connected to the Cloud and is ready to go!\r\n\r\nIf your LED flashes red or you encounter any other problems,\r\n" +
		"visit https://www.particle.io/support to debug.\r\n\r\n    Particle <3 you!\r\n\r\n")
}
