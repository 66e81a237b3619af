package main

import (
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestStatusNamesAddressesThatThisMachineLost(t *testing.T) {
	device := func(n byte, address string) *cloud.Device {
		return &cloud.Device{ID: keys.DeviceID{n}, ServerAddress: address}
	}
	devices := slices.Values([]*cloud.Device{
		device(1, "192.168.1.10"), device(2, "192.168.1.10"), device(3, "192.168.1.23"), device(4, ""),
		device(5, "10.0.0.1"), // reaches us all the same, by some forwarding
	})
	online := func(id keys.DeviceID) bool { return id == keys.DeviceID{5} }
	got := movedAway(devices, online, []string{"127.0.0.1", "192.168.1.23"})
	if len(got) != 1 || !strings.Contains(got[0], "2 device(s)") || !strings.Contains(got[0], "192.168.1.10") {
		t.Errorf("got %q", got)
	}
	if got := movedAway(devices, online, []string{"192.168.1.10", "192.168.1.23"}); got != nil {
		t.Errorf("with all addresses there: %q", got)
	}
}

func TestOwnAddressesHoldLoopback(t *testing.T) {
	if own := ownAddresses(); !slices.Contains(own, "127.0.0.1") {
		t.Errorf("got %v", own)
	}
}

func TestClockIsShownAndSet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	try(t, "long enough\n", "user", "add", "ann", "--password-stdin", "--data", dir)
	command(t, "clock", "set", "2026-11-21T12:00:00Z", "--data", dir)
	if out := command(t, "clock", "show", "--data", dir); !strings.Contains(out, "T") || strings.Contains(out, "not followed") {
		t.Errorf("clock show printed %q", out)
	}
	refused(t, 1, []string{"not a time"}, "clock", "set", "yesterday", "--data", dir)
}
