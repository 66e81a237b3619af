package main_test

import (
	"bytes"
	"os"
	"path/filepath"
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
