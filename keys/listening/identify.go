package listening

import (
	"context"
	"regexp"
	"strings"
	"time"

	"localcloud/keys"
)

// Identity is what a board says of itself.
type Identity struct {
	ID       keys.DeviceID `json:"id"`
	DeviceOS string        `json:"device_os,omitempty"`
	MAC      string        `json:"mac,omitempty"`
	IMEI     string        `json:"imei,omitempty"`
	ICCID    string        `json:"iccid,omitempty"`
	Serial   string        `json:"serial_number,omitempty"` // as printed on it
	Modem    string        `json:"modem,omitempty"`         // version of the modem's firmware
}

// Answers of consoles:
//
//	i   Your device id is 3f00...                                              Photon, P1; a Core says core id
//	    Device ID: e00f...\r\nIMEI: 35...\r\nICCID: 89...\r\nDevice Secret: …   what has a modem or is newer
//	v   system firmware version: 3.3.1\n
//	m   Your device MAC address is\r\n00:11:22:33:44:55\r\n
var (
	idLine  = regexp.MustCompile(`(?:Your (?:device|core) id is|Device ID:) ([0-9a-fA-F]{24})\b`)
	osLine  = regexp.MustCompile(`system firmware version: ([0-9A-Za-z.+-]{1,32})`)
	macLine = regexp.MustCompile(`(?i)\b((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\b`)
)

const (
	quiet      = 200 * time.Millisecond // after which an answer counts as whole
	answerTime = 3 * time.Second
)

// Identify asks a board who it is. It takes a second, and fails with ErrSilent when the board is not in listening mode.
func (c *Console) Identify(ctx context.Context) (Identity, error) {
	if err := c.flush(); err != nil {
		return Identity{}, err
	}
	text, err := c.ask(ctx, 'i')
	if err != nil {
		return Identity{}, err
	}
	found := idLine.FindStringSubmatch(text)
	if found == nil {
		return Identity{}, ErrSilent
	}
	var i Identity
	if i.ID, err = keys.ParseDeviceID(strings.ToLower(found[1])); err != nil {
		return Identity{}, err
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ": ")
		if into := map[string]*string{"IMEI": &i.IMEI, "ICCID": &i.ICCID, "Serial Number": &i.Serial, "Cell Radio Version": &i.Modem}[name]; into != nil {
			*into = printable(value)
		}
	}
	if text, err = c.ask(ctx, 'v'); err != nil {
		return i, err
	}
	if found := osLine.FindStringSubmatch(text); found != nil {
		i.DeviceOS = found[1]
	}
	if text, err = c.ask(ctx, 'm'); err != nil {
		return i, err
	}
	if found := macLine.FindStringSubmatch(text); found != nil && found[1] != "00:00:00:00:00:00" {
		i.MAC = strings.ToLower(found[1])
	}
	return i, nil
}

// ask sends one letter and returns what the board says to it.
func (c *Console) ask(ctx context.Context, letter byte) (string, error) {
	if err := c.send(string(letter)); err != nil {
		return "", err
	}
	return c.collect(ctx, quiet, answerTime)
}

// printable is a value as a board sends it, without what could play with a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
}
