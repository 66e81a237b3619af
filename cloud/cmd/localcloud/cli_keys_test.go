package main_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"localcloud/keys"
)

// formatKeys has particle-cli read the key files that we write for boards, and compares what it makes of them: the slot of
// a board, with an address in it, is the same by both programs. Of the generations only the second does it without a board.
func (c *cli) formatKeys() {
	if c.version.number != 2 {
		return
	}
	export := func(name string, args ...string) []byte {
		file := filepath.Join(c.home, name)
		output(c.T, "", c.program, append([]string{"keys", "export", "--data", c.data, "--out", file}, args...)...)
		text, err := os.ReadFile(file)
		if err != nil {
			c.Fatal(err)
		}
		return text
	}
	for _, board := range []struct {
		platform, port string
		key            []string
	}{
		{"photon", "5683", []string{"--der"}},
		{"argon", "5684", []string{"--der", "--udp"}},
	} {
		export("key.der", board.key...)
		slot := export("slot.der", "--for", board.platform, "--host", "10.1.2.3", "--port", board.port)
		for _, file := range []string{"key.der", "slot.der"} { // the key alone, and the file that we print the command for
			c.ok("keys server "+file+" made.der --deviceType "+board.platform+" --host 10.1.2.3 --port "+board.port, "key file generated for this type of device")
			made, err := os.ReadFile(filepath.Join(c.home, "made.der"))
			if err != nil || !bytes.Equal(made, slot) {
				c.Errorf("%s of a %s: particle-cli makes another slot of it, %v", file, board.platform, err)
			}
			os.Remove(filepath.Join(c.home, "made.der"))
		}
	}
}

// sendKeys registers the key of a new device, which is nobody's then.
func (c *cli) sendKeys() {
	rsa, err := keys.GenerateDeviceRSA()
	if err != nil {
		c.Fatal(err)
	}
	key, err := keys.NewRSAPublicKey(&rsa.PublicKey)
	if err != nil {
		c.Fatal(err)
	}
	file, id := filepath.Join(c.home, "device.pub.pem"), fmt.Sprintf("e00fce68000000000000000%d", c.version.number)
	if err := os.WriteFile(file, key.PEM(), 0o600); err != nil {
		c.Fatal(err)
	}
	c.ok("keys send "+id+" "+file, "submitting public key succeeded!")
	if status, text := c.request(c.T, c.owner, "GET", "/v1/localcloud/devices/"+id, ""); !strings.Contains(text, string(key.Fingerprint())) {
		c.Errorf("the new device: %d %s", status, text)
	}
}
