package main

import (
	"fmt"
	"iter"
	"maps"
	"net"
	"slices"

	"localcloud/cloud"
	"localcloud/keys"
)

// movedAway says which addresses this machine had when devices last reached
// it and has no more. Those devices look for the cloud where it is not.
func movedAway(devices iter.Seq[*cloud.Device], online func(keys.DeviceID) bool, own []string) (warnings []string) {
	lost := make(map[string]int)
	for d := range devices {
		if d.ServerAddress != "" && !slices.Contains(own, d.ServerAddress) && !online(d.ID) {
			lost[d.ServerAddress]++
		}
	}
	for _, address := range slices.Sorted(maps.Keys(lost)) {
		warnings = append(warnings, fmt.Sprintf("%d device(s) know this cloud by the address %s, which this machine has no more. "+
			"Let your router give it that address again (a fixed lease), or give the boards the new one: "+
			"localcloud device rekey --host ADDRESS", lost[address], address))
	}
	return warnings
}

// ownAddresses returns the addresses of this machine as it is now, loopback
// included.
func ownAddresses() []string {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []string
	for _, i := range interfaces {
		if ip, ok := i.(*net.IPNet); ok {
			own = append(own, ip.IP.String())
			if ip.IP.IsLoopback() && ip.IP.To4() != nil {
				own = append(own, "127.0.0.1")
			}
		}
	}
	return own
}
