package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/cmd/localcloud/internal/rekey"
	"localcloud/keys"
)

// lookEvery is how often the cloud is asked whether a board has come.
const lookEvery = 250 * time.Millisecond

// seen is what the cloud knows of a board at one moment.
type seen struct {
	device client.Device
	since  time.Time                 // when its connection began; zero: offline
	knocks map[string]client.Unknown // by who knocked
}

// look asks the cloud. What cannot be asked is left out.
func look(ctx context.Context, conn *connection, id keys.DeviceID) seen {
	s := seen{knocks: map[string]client.Unknown{}}
	s.device, _ = knownDevice(ctx, conn, id)
	if s.device.Connected && s.device.Since != nil {
		s.since = *s.device.Since
	}
	knocks, _ := conn.Unknown(ctx)
	for _, k := range knocks {
		s.knocks[k.ID+" "+k.Address] = k
	}
	return s
}

// await reports each step of a board on its way to being online, and fails with the reason when it does not come.
func (c *deviceRekeyCmd) await(ctx context.Context, t *terminal, conn *connection, held rekey.Held, address keys.Address, before seen) error {
	switch {
	case c.Wait <= 0:
		return nil
	case !conn.running:
		t.printf("The board holds this cloud's key now. Start the cloud, and it comes online: localcloud serve\n")
		return nil
	case held.Layout.Transport == keys.UDP && !serves(ctx, conn, keys.UDP):
		t.printf("The board holds this cloud's key now, but this cloud does not listen for boards on UDP: see localcloud status\n")
		return nil
	}
	t.printf("Waiting until it is online (at most %s; Ctrl-C only ends the waiting) ...\n", short(c.Wait))
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	return follow(ctx, t, conn, held.ID, before, address)
}

// follow looks until the board is online and described.
func follow(ctx context.Context, t *terminal, conn *connection, id keys.DeviceID, before seen, address keys.Address) error {
	often := time.NewTicker(lookEvery)
	defer often.Stop()
	var online time.Time // when it was first seen online; zero: not yet
	said := false
	last := seen{}
	for {
		select {
		case <-ctx.Done():
			return notComing(ctx, id, address)
		case <-often.C:
		}
		if last = look(ctx, conn, id); ctx.Err() != nil {
			continue
		}
		if k, ok := refusedSince(before, last, id); ok && last.since.IsZero() {
			return fmt.Errorf("it came and was not let in: %s Next: %s", clean(k.What), clean(k.Next))
		}
		if !said {
			said = hint(t, before, last)
		}
		if last.since.IsZero() || last.since.Equal(before.since) {
			continue
		}
		if online.IsZero() {
			online = time.Now()
			t.printf("  its key exchange was right, and it said Hello: it is online, from %s\n", clean(last.device.Address))
		}
		functions, variables := len(last.device.Functions), len(last.device.Variables)
		if functions+variables > 0 || time.Since(online) > describeTime {
			t.printf("  it described itself: %d functions, %d variables\n", functions, variables)
			t.printf("%s is online and breathes cyan.\n", nameOrID(last.device))
			return nil
		}
	}
}

// describeTime is how long a board that is online may take to say what it can do; one that can do nothing says nothing.
const describeTime = 3 * time.Second

// hint tells of somebody who knocked without saying who it is: it may be this board.
func hint(t *terminal, before, after seen) bool {
	for who, k := range after.knocks {
		if old, there := before.knocks[who]; k.ID == "" && !(there && old.Count == k.Count) {
			t.printf("  something at %s was not let in; if that is it: %s\n", clean(k.Address), clean(k.What))
			return true
		}
	}
	return false
}

// refusedSince returns the knock of a device that came after before was looked at.
func refusedSince(before, after seen, id keys.DeviceID) (client.Unknown, bool) {
	for who, k := range after.knocks {
		old, there := before.knocks[who]
		if there && old.Count == k.Count {
			continue
		}
		if k.ID == id.String() && k.Reason != keys.ReasonInterrupted && k.Reason != keys.ReasonDuplicate && k.Reason != keys.ReasonBusy {
			return k, true
		}
	}
	return client.Unknown{}, false
}

func notComing(ctx context.Context, id keys.DeviceID, address keys.Address) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("no longer waited for; the board is connected to this cloud all the same. See how it does: localcloud device doctor %s", id)
	}
	return fmt.Errorf("nothing came from it. It looks for %s: does its Wi-Fi network reach that? Which light does it show? See: localcloud device doctor %s", address, id)
}

// serves reports whether the cloud listens for boards on a transport.
func serves(ctx context.Context, conn *connection, transport keys.Transport) bool {
	var more serverStatus
	s, err := conn.Status(ctx)
	if cloud.KindOf(err) == cloud.Permission {
		return true // it tells that to administrators only
	}
	if err != nil || s.Decode(&more) != nil {
		return false
	}
	if transport == keys.UDP {
		return more.Listeners.UDP != ""
	}
	return more.Listeners.TCP != ""
}
