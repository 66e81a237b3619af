package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/cmd/localcloud/internal/rekey"
	"localcloud/keys"
	"localcloud/keys/dfu"
	"localcloud/keys/listening"
)

type deviceRekeyCmd struct {
	place
	ID     string `help:"Id of the board: to choose one of several, or when its boot loader does not tell it." placeholder:"ID"`
	Host   string `help:"Address by which the board reaches this cloud, an IPv4 address or a name; without it the only one of this machine." placeholder:"HOST"`
	Port   uint16 `help:"Port, if it is not the one that the cloud listens on. UDP boards ignore it: they always use 5684." placeholder:"PORT"`
	Name   string `help:"What to call the board." placeholder:"NAME"`
	User   string `help:"Whose it shall be, if it has no owner yet; without it the cloud's owner's." placeholder:"USER"`
	DryRun bool   `help:"Show what would be done, and change nothing."`
	Yes    bool   `short:"y" help:"Do not ask before writing."`

	Many  bool   `help:"One board after another, as they are plugged in, until Ctrl-C."`
	Names string `help:"With --many: a CSV file with a line for each board: NAME, or ID,NAME, or ID,NAME,USER." placeholder:"FILE.csv"`

	File string `help:"Without USB: write the bytes into files in this directory, and print the commands that bring them into the board. Needs --for and --id." placeholder:"DIR"`
	For  string `help:"With --file: the kind of board, such as photon or argon." placeholder:"PLATFORM"`

	WiFiSSID          string `name:"wifi-ssid" help:"Tell the board this Wi-Fi network afterwards, too, in listening mode (see: device wifi --help)." placeholder:"NAME"`
	WiFiSecurity      string `name:"wifi-security" enum:"none,wep,wpa,wpa2,wpa3," default:"" help:"With --wifi-ssid: how it is secured, if it is hidden or open." placeholder:"KIND"`
	WiFiPasswordStdin bool   `name:"wifi-password-stdin" help:"With --wifi-ssid: read its password from standard input instead of asking for it."`
	WiFiPort          string `name:"wifi-port" help:"With --wifi-ssid: the board's serial port, if it is not found by itself." placeholder:"PORT"`

	Key    string `help:"Give the board this private key (PEM or DER) instead of the one that it has." placeholder:"FILE"`
	NewKey bool   `help:"Give the board a new private key in any case."`

	Wait time.Duration `default:"2m" help:"How long to wait until the board is online; 0: not at all (default: 2m)." placeholder:"TIME"`

	network listening.Network // of --wifi-ssid
}

// Help is the long text of --help.
func (*deviceRekeyCmd) Help() string {
	return "Connects a board to this cloud: with the board on a USB cable and in DFU mode (hold MODE or SETUP, press and let go of RESET, let go when it " +
		"blinks yellow), its present keys are stored encrypted in the cloud, this cloud's key and address are written, read back and compared, the board is " +
		"registered and restarted. The way back is: localcloud device restore. From another machine than the cloud's add --cloud http://CLOUD:8080 --token T."
}

// Run connects one board, or many.
func (c *deviceRekeyCmd) Run(ctx context.Context, t *terminal) error {
	switch {
	case c.Many && (c.ID != "" || c.Name != "" || c.Key != "" || c.File != ""):
		return usagef("--many takes names and ids from --names FILE.csv")
	case c.Names != "" && !c.Many:
		return usagef("--names goes with --many")
	case c.File != "" && c.For == "":
		return usagef("--file needs the kind of board: --for PLATFORM")
	case c.File == "" && c.For != "":
		return usagef("--for goes with --file; over USB the kind of board is seen")
	case c.Key != "" && c.NewKey:
		return usagef("--key and --new-key: choose one of them")
	case c.WiFiSSID != "" && c.File != "":
		return usagef("--wifi-ssid needs the board on a cable; where it is plugged in: localcloud device wifi %s", c.WiFiSSID)
	case c.WiFiSSID == "" && (c.WiFiSecurity != "" || c.WiFiPasswordStdin || c.WiFiPort != ""):
		return usagef("--wifi-security, --wifi-password-stdin and --wifi-port go with --wifi-ssid")
	case c.WiFiSSID != "" && !c.DryRun:
		var err error
		if c.network, err = (wifiFlags{c.WiFiSecurity, c.WiFiPasswordStdin}).network(t, c.WiFiSSID); err != nil {
			return err
		}
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		switch {
		case c.File != "":
			return c.toFiles(ctx, t, conn)
		case c.Many:
			return c.many(ctx, t, conn)
		}
		tool := dfuTool(t)
		board, err := chooseBoard(ctx, tool, c.ID)
		if err != nil {
			return err
		}
		return c.one(ctx, t, conn, tool, board, label{c.Name, c.User})
	})
}

// label is what a board shall be called and whose it shall be.
type label struct{ name, user string }

// one connects one board.
func (c *deviceRekeyCmd) one(ctx context.Context, t *terminal, conn *connection, tool dfu.Tool, board dfu.Board, l label) error {
	if c.WiFiSSID != "" && !board.Platform.WiFi {
		return usagef("a %s has no Wi-Fi: leave out --wifi-ssid", board.Platform.Name)
	}
	cable := onCable{tool, board}
	held, err := rekey.Look(ctx, cable, board.ID, board.Platform)
	if err != nil {
		return err
	}
	plan, address, err := c.plan(ctx, conn, held)
	if err != nil {
		return err
	}
	if err := c.show(ctx, t, conn, plan, address, l); err != nil || c.DryRun {
		return err
	}
	if !confirm(t, c.Yes) {
		return errors.New("nothing was changed")
	}
	before := look(ctx, conn, board.ID)
	if err := c.apply(ctx, t, conn, cable, plan, address, l); err != nil {
		return err
	}
	restart(context.WithoutCancel(ctx), t, tool, held, board)
	if err := c.wifiAfter(ctx, t, board.ID, board.Platform); err != nil {
		return err
	}
	return c.await(ctx, t, conn, held, address, before)
}

// plan decides what the board shall hold.
func (c *deviceRekeyCmd) plan(ctx context.Context, conn *connection, held rekey.Held) (rekey.Plan, keys.Address, error) {
	address, err := boardAddress(ctx, conn, held.Layout.Transport, c.Host, c.Port)
	if err != nil {
		return rekey.Plan{}, address, err
	}
	server, err := serverKeyFor(ctx, conn, held.Layout.Transport)
	if err != nil {
		return rekey.Plan{}, address, err
	}
	key, err := readBoardKey(c.Key)
	if err != nil {
		return rekey.Plan{}, address, err
	}
	plan, err := rekey.PlanFor(held, rekey.Wish{Server: keys.ServerSlot{Key: server, Address: address}, Key: key, NewKey: c.NewKey})
	return plan, address, err
}

func readBoardKey(path string) (crypto.Signer, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := keys.ParseDevicePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// show says what the board is, what it holds, and what is about to be done.
func (c *deviceRekeyCmd) show(ctx context.Context, t *terminal, conn *connection, p rekey.Plan, address keys.Address, l label) error {
	own, err := keysOf(ctx, conn, p.Held.Layout.Transport)
	if err != nil {
		return err
	}
	t.printf("%s %s, in DFU mode\n  it holds %s\n  it has %s\n", p.Held.Platform.Name, p.Held.ID, clean(p.Held.ServerText(own)), clean(p.Held.KeyText()))
	for _, w := range c.warnings(conn, p.Held, address) {
		t.printf("  %s\n", w)
	}
	word := "will"
	if c.DryRun {
		word = "would"
	}
	for _, change := range p.Changes {
		t.printf("  %s be written: %s (%d bytes at %d)\n", word, change.What, change.Slot.Size, change.Slot.Address)
	}
	if len(p.Changes) == 0 {
		t.printf("  it holds this cloud's key and address already: nothing to write\n")
	}
	if d, known := knownDevice(ctx, conn, p.Held.ID); !known {
		t.printf("  %s be registered here%s\n", word, called(l.name))
	} else if d.KeyFingerprint != string(p.Key.Fingerprint()) {
		t.printf("  %s be registered with this key in place of another (%s)\n", word, nameOrID(d))
	}
	if c.DryRun {
		t.printf("Nothing was changed.\n")
	}
	return nil
}

func called(name string) string {
	if name == "" {
		return ""
	}
	return " as " + clean(name)
}

func (c *deviceRekeyCmd) warnings(conn *connection, held rekey.Held, address keys.Address) []string {
	warnings := addressWarnings(held.Platform, address)
	if held.Layout.Transport == keys.UDP && c.Port != 0 && c.Port != address.Port {
		warnings = append(warnings, fmt.Sprintf("Warning: port %d is left out: boards on UDP ignore the port in their memory and always use %d.", c.Port, address.Port))
	}
	if conn.local && dynamicAddress(address.Host) {
		warnings = append(warnings, "Warning: this machine has "+address.Host+" for a time only (DHCP). Let your router reserve it for this machine, "+
			"or the board will look for the cloud where it is not any more.")
	}
	return warnings
}

// apply stores the backup, writes, compares and registers.
func (c *deviceRekeyCmd) apply(ctx context.Context, t *terminal, conn *connection, cable onCable, p rekey.Plan, address keys.Address, l label) error {
	kept, err := conn.Boards(ctx)
	if err != nil {
		return err
	}
	given, err := gift(ctx, conn, p.Held, address)
	if err != nil {
		return err
	}
	err = rekey.Apply(ctx, cable, p, rekey.Steps{
		Backup: func(ctx context.Context) (string, error) {
			begun := given
			if begun.Writing = halfWritten(kept.Find(p.Held.ID)); begun.Writing == "" {
				if begun.Writing, err = backupOf(conn, p.Held, kept.Recipient)(ctx); err != nil {
					return "", err
				}
			}
			return begun.Writing, conn.SetGiven(ctx, begun)
		},
		Register: func(ctx context.Context) error {
			if err := registerBoard(ctx, conn, p.Held.ID, p.Key, l); err != nil {
				return err
			}
			t.printf("  registered%s\n", called(l.name))
			return nil
		},
		Say: func(format string, args ...any) { t.printf("  "+format+"\n", args...) },
	})
	c.remember(ctx, t, conn, kept.Find(p.Held.ID), given, err)
	return err
}

// registerBoard makes the cloud know the device by its key. A device that it knows keeps its owner.
func registerBoard(ctx context.Context, conn *connection, id keys.DeviceID, key keys.PublicKey, l label) error {
	d, known := knownDevice(ctx, conn, id)
	if !known {
		_, err := conn.AddDevice(ctx, client.NewDevice{ID: id, Key: key, Name: l.name, Owner: l.user})
		if cloud.KindOf(err) == cloud.Permission && l.user == "" {
			return registerOwn(ctx, conn, id, key, l.name)
		}
		return err
	}
	if d.KeyFingerprint != string(key.Fingerprint()) {
		if err := conn.Provision(ctx, id, key); err != nil {
			return err
		}
	}
	if d.Owner == "" {
		if err := conn.Claim(ctx, id); err != nil {
			return err
		}
	}
	if l.name != "" && l.name != d.Name {
		return conn.Rename(ctx, id.String(), l.name)
	}
	return nil
}

// registerOwn is registerBoard for a user who is no administrator: a device that nobody has becomes theirs.
func registerOwn(ctx context.Context, conn *connection, id keys.DeviceID, key keys.PublicKey, name string) error {
	err := conn.Provision(ctx, id, key)
	if err == nil {
		err = conn.Claim(ctx, id)
	}
	if err == nil && name != "" {
		err = conn.Rename(ctx, id.String(), name)
	}
	return err
}

// gift is what the board is about to be given.
func gift(ctx context.Context, conn *connection, held rekey.Held, address keys.Address) (keys.Given, error) {
	server, err := serverKeyFor(ctx, conn, held.Layout.Transport)
	return keys.Given{
		ID: held.ID, Platform: held.Platform.Name, Transport: held.Layout.Transport,
		Host: address.Host, Port: address.Port, ServerKey: server.Fingerprint(),
	}, err
}

// remember tells the cloud what the board was given, or that it has again what it had. Of a board that is
// half changed it remembers the backup. A failure is only said: it costs advice, not the board.
func (c *deviceRekeyCmd) remember(ctx context.Context, t *terminal, conn *connection, was client.Board, given keys.Given, failed error) {
	var between *rekey.Between
	var undone *rekey.Undone
	switch {
	case errors.As(failed, &between):
		return
	case errors.As(failed, &undone) && was.Given != nil:
		given = *was.Given
	case failed != nil && undone == nil:
		return
	}
	given.Writing = ""
	if err := conn.SetGiven(context.WithoutCancel(ctx), given); err != nil {
		t.printf("  the cloud could not remember what the board was given: %v\n", err)
	}
}

// now is the cloud's time, or this machine's.
func (c *connection) now(ctx context.Context) time.Time {
	if clock, err := c.Clock(ctx); err == nil {
		return clock.Time
	}
	return time.Now()
}
