package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"localcloud/keys"
	"localcloud/keys/listening"
)

// wifiFlags say which network a board shall join.
type wifiFlags struct {
	Security      string `enum:"none,wep,wpa,wpa2,wpa3," default:"" help:"How a network is secured that the board does not see, such as a hidden one: none, wep, wpa, wpa2 (unless you say otherwise) or wpa3. none is also what an open network needs." placeholder:"KIND"`
	PasswordStdin bool   `help:"Read the network's password from standard input instead of asking for it."`
}

// network makes one of the flags, and asks for the password if there has to be one.
func (f wifiFlags) network(t *terminal, ssid string) (n listening.Network, err error) {
	n = listening.Network{SSID: ssid, Security: listening.Security(f.Security)}
	if n.Security != listening.NoSecurity {
		in, ok := t.in.(*os.File)
		switch {
		case f.PasswordStdin:
			n.Password, err = t.password(true)
		case ok && isTerminal(in):
			n.Password, err = t.ask(in, "Password of "+clean(ssid)+" (Enter: none): ")
		default:
			return n, usagef("the network's password is missing: give it on standard input with --password-stdin; for an open network: --security none")
		}
	}
	if err == nil {
		if wrong := n.Check(); wrong != nil {
			err = usageError{wrong}
		}
	}
	return n, err
}

type deviceWiFiCmd struct {
	SSID string `arg:"" name:"ssid" help:"Name of the Wi-Fi network."`
	ID   string `help:"Id of the board, to choose one of several." placeholder:"ID"`
	Port string `help:"The serial port that the board is on, such as /dev/ttyACM0 or COM3; without it the only one." placeholder:"PORT"`
	wifiFlags
}

// Help is the long text of --help.
func (*deviceWiFiCmd) Help() string {
	return "Tells a board its Wi-Fi network over USB, with the board in listening mode: hold MODE (or SETUP) for three seconds until its light blinks dark blue. " +
		"It needs no cloud and no internet.\n\n" +
		"Boards: Core, Photon, P1, Argon, A SoM, P2, Photon 2, M-SoM. The dialogue was checked with the source of Device OS 0.7.0, 1.4.4, 1.5.2, 2.3.1, 3.3.1, 4.2.0, 5.9.0 and 6.2.0, " +
		"not on boards. Core, Photon, P1, Argon and A SoM see networks at 2.4 GHz only; P2, Photon 2 and M-SoM at 5 GHz, too. WPA3 works on these three with Device OS 5.9 and later.\n\n" +
		"Not from here: boards without Wi-Fi (Electron, Boron, B SoM, B5 SoM, Tracker, E SoM X, Electron 2), the Tachyon (nmcli on itself), and networks that ask for a user name (WPA Enterprise: particle serial wifi)."
}

// Run sets the network of one board.
func (c *deviceWiFiCmd) Run(ctx context.Context, t *terminal) error {
	n, err := c.network(t, c.SSID)
	if err != nil {
		return err
	}
	port, err := choosePort(ctx, c.Port, c.ID)
	if err != nil {
		return err
	}
	if port.Platform.Name != "" && !port.Platform.WiFi {
		return usagef("a %s has no Wi-Fi", port.Platform.Name)
	}
	return tellWiFi(ctx, t, port, n)
}

// tellWiFi tells the board on a port its network, and what to expect.
func tellWiFi(ctx context.Context, t *terminal, port listening.Port, n listening.Network) error {
	console, err := listening.Open(port.Name)
	if err != nil {
		return err
	}
	defer console.Close()
	seen, err := console.SetWiFi(ctx, n)
	switch {
	case errors.Is(err, listening.ErrNeedsKey):
		return fmt.Errorf("%w (--password-stdin, or without --security none)", err)
	case err != nil:
		return err
	}
	t.printf("  the board has saved the network %s and joins it now: blinking green, then cyan\n", clean(n.SSID))
	if !seen {
		t.printf("  it did not see that network: it is hidden, misspelt, too far away%s\n", fiveGHz(port.Platform))
	}
	t.printf("  if its light goes on blinking green, the password is another one%s: put it into listening mode again, and repeat this\n", fiveGHz(port.Platform))
	return nil
}

// fiveGHz is the hint about 5 GHz, for boards for which it is true, or which are not known.
func fiveGHz(p keys.Platform) string {
	switch {
	case p.Name == "":
		return ", or the network is at 5 GHz only, which Core, Photon, P1 and Argon do not see"
	case p.Only24GHz:
		return ", or the network is at 5 GHz only, which a " + p.Name + " does not see"
	}
	return ""
}

// listenFor is how long rekey waits until a board is in listening mode.
const listenFor = 2 * time.Minute

// wifiAfter tells a board that was just re-keyed its network, once it is in listening mode.
func (c *deviceRekeyCmd) wifiAfter(ctx context.Context, t *terminal, id keys.DeviceID, platform keys.Platform) error {
	if c.WiFiSSID == "" {
		return nil
	}
	t.printf("Waiting until it is in listening mode, for its Wi-Fi network: hold MODE (or SETUP) for three seconds until its light blinks dark blue ...\n")
	ctx, cancel := context.WithTimeout(ctx, listenFor)
	defer cancel()
	often := time.NewTicker(lookForBoards)
	defer often.Stop()
	for {
		port, found := c.listeningPort(ctx, id, platform)
		if found {
			return tellWiFi(ctx, t, port, c.network)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not get into listening mode; its keys are those of this cloud all the same. Its network: localcloud device wifi %s", c.WiFiSSID)
		case <-often.C:
		}
	}
}

// listeningPort returns the port of a board that is in listening mode.
func (c *deviceRekeyCmd) listeningPort(ctx context.Context, id keys.DeviceID, platform keys.Platform) (listening.Port, bool) {
	ports, err := portsOrThis(c.WiFiPort)
	if err != nil {
		return listening.Port{}, false
	}
	for _, p := range ports {
		b, err := askPort(ctx, p)
		if err == nil && b.State == isListening && b.ID == id {
			p.Platform = platform
			return p, true
		}
	}
	return listening.Port{}, false
}
