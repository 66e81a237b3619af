package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/keys"
)

// deviceCmd is "localcloud device".
type deviceCmd struct {
	List   deviceListCmd   `cmd:"" help:"Show all devices, or with --unknown those that were not let in."`
	Show   deviceShowCmd   `cmd:"" help:"Show all that is known of a device."`
	Call   deviceCallCmd   `cmd:"" help:"Call a function of a device."`
	Get    deviceGetCmd    `cmd:"" help:"Read a variable of a device."`
	Adopt  deviceAdoptCmd  `cmd:"" help:"Take in a device that knocked (see: device list --unknown)."`
	Add    deviceAddCmd    `cmd:"" help:"Register a device before it connects for the first time."`
	Remove deviceRemoveCmd `cmd:"" help:"Forget a device and its key; it is not let in any more."`
	Policy devicePolicyCmd `cmd:"" help:"How many events this one device may send (rate limit)."`

	Rekey    deviceRekeyCmd    `cmd:"" aliases:"connect" help:"Connect a board to this cloud over USB: keys and address, with a way back (also: device connect)."`
	Restore  deviceRestoreCmd  `cmd:"" help:"Give a board back what it held before, such as Particle's cloud."`
	Identify deviceIdentifyCmd `cmd:"" help:"Say which boards are plugged in, and what they say of themselves: id, Device OS, MAC address, modem."`
	WiFi     deviceWiFiCmd     `cmd:"" name:"wifi" help:"Tell a board its Wi-Fi network over USB, in listening mode."`
	Doctor   deviceDoctorCmd   `cmd:"" help:"Say why a device does not come online, and what to do."`
	Udev     deviceUdevCmd     `cmd:"" help:"The rule by which the users of a Linux machine may use boards over USB: print, or --install."`
}

// nameOrID is what people call a device.
func nameOrID(d client.Device) string {
	if d.Name != "" {
		return clean(d.Name)
	}
	return d.ID.String()
}

type deviceListCmd struct {
	place
	Unknown bool `help:"Show the devices that connected and were not let in, why, and what to do."`
	JSON    bool `name:"json" help:"Print JSON."`
}

// Run shows the devices.
func (c *deviceListCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		if c.Unknown {
			return c.unknown(ctx, t, conn)
		}
		devices, err := visible(ctx, conn)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return list(t, devices)
		case len(devices) == 0:
			t.printf("There is no device yet. One that tried to connect is shown by: localcloud device list --unknown\n")
			return nil
		}
		slices.SortStableFunc(devices, func(a, b client.Device) int { return strings.Compare(a.Name, b.Name) })
		head := []string{"ID", "NAME", "OWNER", "ONLINE", "BOARD", "DEVICE OS", "LAST HEARD", "THROTTLED", "LIMITED", "LOST"}
		rotated := slices.ContainsFunc(devices, holdsOtherKey)
		if rotated {
			head = append(head, "SERVER KEY")
		}
		var rows [][]string
		for _, d := range devices {
			row := []string{
				d.ID.String(), d.Name, d.Owner, onlineText(d), kindOf(d), d.Version, ago(d.LastHeard),
				fmt.Sprint(d.Limits.Throttled), fmt.Sprint(d.Limits.Limited), fmt.Sprint(d.Limits.Lost),
			}
			if rotated {
				row = append(row, d.ServerKey)
			}
			rows = append(rows, row)
		}
		return t.table(head, rows)
	})
}

// holdsOtherKey reports a device that does not hold the present key of the cloud.
func holdsOtherKey(d client.Device) bool { return d.ServerKey == "old" || d.ServerKey == "former" }

// serverKeyText says which key of the cloud a device holds.
func serverKeyText(d client.Device) string {
	return map[string]string{
		"present": "the present one of this cloud",
		"old":     "the old one of this cloud, honoured until localcloud keys rotate --finish; the new one: localcloud device rekey",
		"former":  "a former one of this cloud, not honoured any more; the present one: localcloud device rekey",
	}[d.ServerKey]
}

// visible returns all devices for an admin, and their own for everybody else.
func visible(ctx context.Context, conn *connection) ([]client.Device, error) {
	devices, err := conn.AllDevices(ctx)
	if cloud.KindOf(err) == cloud.Permission {
		return conn.Devices(ctx)
	}
	return devices, err
}

func onlineText(d client.Device) string {
	if d.Connected && d.Status == "safe_mode" {
		return "safe mode"
	}
	return yesNo(d.Connected)
}

func kindOf(d client.Device) string {
	if d.PlatformID == nil {
		return "" // never heard of
	}
	return cmp.Or(cloud.PlatformName(*d.PlatformID), fmt.Sprintf("platform %d", *d.PlatformID))
}

func (c *deviceListCmd) unknown(ctx context.Context, t *terminal, conn *connection) error {
	knocks, err := conn.Unknown(ctx)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return list(t, knocks)
	case !conn.running:
		t.printf("No localcloud runs, so nobody can knock; start it: localcloud serve\n")
		return nil
	case len(knocks) == 0:
		t.printf("No device was turned away since the cloud started.\n")
		return nil
	}
	for _, k := range knocks {
		id := k.ID
		if id == "" {
			id = "(did not say who it is)"
		}
		t.printf("%s  from %s (%s), %d times, last %s, reason %s\n  %s\n  Its light: %s\n  -> %s\n",
			clean(id), clean(k.Address), clean(k.Transport), k.Count, ago(&k.Last), clean(string(k.Reason)), clean(k.What), clean(k.LED), clean(k.Next))
	}
	return nil
}

type deviceShowCmd struct {
	place
	ID   string `arg:"" help:"Id or name of the device."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run shows one device.
func (c *deviceShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		d, err := conn.AnyDevice(ctx, c.ID)
		if cloud.KindOf(err) == cloud.Permission {
			d, err = conn.Device(ctx, c.ID)
		}
		switch {
		case err != nil:
			return unknownDevice(c.ID, err)
		case c.JSON:
			return t.json(d)
		}
		policy := "that of the server"
		if d.Policy != nil {
			policy = d.Policy.String() + " (" + inWords(*d.Policy) + ")"
		}
		var variables []string
		for name, kind := range d.Variables {
			variables = append(variables, name+" ("+kind+")")
		}
		slices.Sort(variables)
		return t.table([]string{"ID", d.ID.String()}, [][]string{
			{"name", d.Name},
			{"owner", d.Owner},
			{"online", onlineText(d)},
			{"address", d.Address},
			{"last heard", ago(d.LastHeard)},
			{"board", kindOf(d)},
			{"Device OS", d.Version},
			{"functions", strings.Join(d.Functions, ", ")},
			{"variables", strings.Join(variables, ", ")},
			{"key", d.KeyFingerprint},
			{"server key", serverKeyText(d)},
			{"policy", policy},
			{"events", fmt.Sprint(d.Limits.Events)},
			{"throttled", fmt.Sprintf("%d refused by the board itself (Device OS allows 4 a second)", d.Limits.Throttled)},
			{"limited", fmt.Sprintf("%d beyond this cloud's rate limit", d.Limits.Limited)},
			{"lost", fmt.Sprintf("%d copies that slow viewers did not take", d.Limits.Lost)},
			{"missed", fmt.Sprintf("%d events that this device did not take in time", d.Limits.Missed)},
			{"notes", d.Notes},
		})
	})
}

// unknownDevice says in our words that there is no such device, which the API
// says in Particle's: permission denied, whether it does not exist or is somebody else's.
func unknownDevice(device string, err error) error {
	if cloud.KindOf(err) == cloud.Permission {
		return fmt.Errorf("there is no device %q here that you may use; see which there are: localcloud device list", device)
	}
	return err
}

type deviceCallCmd struct {
	place
	ID       string `arg:"" help:"Id or name of the device."`
	Function string `arg:"" help:"Name of the function."`
	Argument string `arg:"" optional:"" help:"What to hand over. Write -- before one that begins with a dash."`
}

// Run calls the function and prints what it returned.
func (c *deviceCallCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needRunning, func(conn *connection) error {
		value, err := conn.Call(ctx, c.ID, c.Function, c.Argument)
		if err != nil {
			return unknownDevice(c.ID, err)
		}
		t.printf("%d\n", value)
		return nil
	})
}

type deviceGetCmd struct {
	place
	ID       string `arg:"" help:"Id or name of the device."`
	Variable string `arg:"" help:"Name of the variable."`
}

// Run reads the variable and prints it.
func (c *deviceGetCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needRunning, func(conn *connection) error {
		value, err := conn.Variable(ctx, c.ID, c.Variable)
		if err != nil {
			return unknownDevice(c.ID, err)
		}
		if text, ok := value.(string); ok && isTerminal(t.out) {
			value = clean(text)
		}
		t.printf("%v\n", value)
		return nil
	})
}

type deviceAdoptCmd struct {
	place
	ID   string `arg:"" help:"Id of the device, 24 hex digits."`
	Name string `help:"What to call it." placeholder:"NAME"`
	User string `help:"Whose it is; without it the cloud's owner's." placeholder:"NAME"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run takes the device in.
func (c *deviceAdoptCmd) Run(ctx context.Context, t *terminal) error {
	id, err := keys.ParseDeviceID(c.ID)
	if err != nil {
		return usageError{err}
	}
	return c.with(ctx, needRunning, func(conn *connection) error {
		d, err := conn.Adopt(ctx, id, c.Name, c.User)
		switch {
		case cloud.KindOf(err) == cloud.NotExist:
			return fmt.Errorf("%w; see who knocked: localcloud device list --unknown", err)
		case err != nil:
			return err
		case c.JSON:
			return t.json(d)
		}
		t.printf("%s is yours; it comes online when it connects the next time, usually within a minute\n", nameOrID(d))
		return nil
	})
}

type deviceAddCmd struct {
	place
	ID   string `arg:"" help:"Id of the device, 24 hex digits."`
	Key  string `required:"" help:"File with the device's public key, PEM or DER; such as particle keys save writes (.pub.pem)." placeholder:"FILE"`
	Name string `help:"What to call it." placeholder:"NAME"`
	User string `help:"Whose it is; without it the cloud's owner's." placeholder:"NAME"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run registers the device.
func (c *deviceAddCmd) Run(ctx context.Context, t *terminal) error {
	id, err := keys.ParseDeviceID(c.ID)
	if err != nil {
		return usageError{err}
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	key, err := keys.ParsePublicKey(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Key, err)
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		d, err := conn.AddDevice(ctx, client.NewDevice{ID: id, Key: key, Name: c.Name, Owner: c.User})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(d)
		}
		t.printf("%s is registered with key %s\n", nameOrID(d), key.Fingerprint())
		return nil
	})
}

type deviceRemoveCmd struct {
	place
	ID string `arg:"" help:"Id or name of the device."`
}

// Run forgets the device.
func (c *deviceRemoveCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		if err := conn.RemoveDevice(ctx, c.ID); err != nil {
			return unknownDevice(c.ID, err)
		}
		t.printf("%s is forgotten; if it connects again it is listed by: localcloud device list --unknown\n", clean(c.ID))
		return nil
	})
}

type devicePolicyCmd struct {
	place
	ID     string `arg:"" help:"Id or name of the device."`
	Policy string `arg:"" optional:"" help:"off, warn, particle, RATE/s:BURST, or default: as all devices. Without it, shows the present one."`
	Action string `enum:"warn,drop,reject," default:"" help:"What happens to more events than that: warn, drop or reject." placeholder:"ACTION"`
}

// Run shows or changes the device's rate limit.
func (c *devicePolicyCmd) Run(ctx context.Context, t *terminal) error {
	var p *cloud.Policy
	if c.Policy != "" && c.Policy != "default" {
		parsed, err := parsePolicy(c.Policy, c.Action)
		if err != nil {
			return err
		}
		p = &parsed
	} else if c.Action != "" {
		return usageError{errors.New("--action goes with a rate, such as 1/s:4")}
	}
	return c.with(ctx, needData, func(conn *connection) error {
		if c.Policy != "" {
			if err := conn.SetDevicePolicy(ctx, c.ID, p); err != nil {
				return unknownDevice(c.ID, err)
			}
		}
		d, err := conn.AnyDevice(ctx, c.ID)
		if err != nil {
			return unknownDevice(c.ID, err)
		}
		if d.Policy == nil {
			t.printf("default: as all devices (localcloud policy show)\n")
			return nil
		}
		t.printf("%s: %s\n", d.Policy, inWords(*d.Policy))
		return nil
	})
}
