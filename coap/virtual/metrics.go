package virtual

import (
	"crypto/sha256"
	"slices"
	"time"

	"localcloud/coap"
)

// Ids of figures. Device OS services/inc/diagnostics.h.
const (
	metricFreeMemory       = 2
	metricUptime           = 6
	metricNetStatus        = 8
	metricNetError         = 9
	metricCloudStatus      = 10
	metricNetDisconnects   = 12
	metricCloudError       = 13
	metricCloudDisconnects = 14
	metricLimited          = 20
	metricRetransmits      = 21
	metricUnacked          = 22
	metricTransmits        = 23
	metricTotalRAM         = 25
	metricUsedRAM          = 26
	metricNetAttempts      = 27
	metricNetReason        = 28
	metricCloudAttempts    = 29
	metricCloudReason      = 30
	metricRoundTrip        = 31
	metricStrength         = 33
	metricQuality          = 34
	metricQualityValue     = 35
	metricAccess           = 36
	metricStrengthValue    = 37
	metricProtected        = 60
)

const (
	unavailable  = -100 // what Device OS on a computer says where it has nothing to measure
	netConnected = 4
	cloudOnline  = 2
	accessWiFi   = 1
)

// metrics returns the diagnostics, with the figures and in the order that
// Device OS on a computer was observed to give them. On other platforms those
// that a computer has not are filled in with a Photon's, which stand still.
func (d *Device) metrics(now time.Time) coap.Metrics {
	value := func(id uint16, v uint32) coap.Metric { return coap.Metric{ID: id, Value: v} }
	board := func(id uint16, v uint32) coap.Metric {
		if d.cfg.PlatformID == platformGCC {
			return coap.Metric{ID: id, Failed: true, Err: unavailable}
		}
		return value(id, v)
	}
	const (
		total, used    = 82944, 30464 // bytes
		rssi, strength = -52, 96      // dBm, percent
		noise, quality = -87, 70
	)
	m := coap.Metrics{
		value(metricUptime, uint32(now.Sub(d.booted)/time.Second)),
		value(metricNetStatus, netConnected),
		value(metricNetError, 0),
		value(metricCloudStatus, cloudOnline),
		value(metricNetDisconnects, 0),
		value(metricCloudError, 0),
		value(metricCloudDisconnects, uint32(d.counters.disconnects.Load())),
		value(metricLimited, uint32(d.counters.throttled.Load())),
		value(metricRetransmits, 0),
		value(metricUnacked, 0),
		value(metricTransmits, 0),
		board(metricTotalRAM, total),
		board(metricUsedRAM, used),
		value(metricNetAttempts, 1),
		value(metricNetReason, 0),
		value(metricCloudAttempts, uint32(d.counters.attempts.Load())),
		value(metricCloudReason, 0),
		value(metricRoundTrip, 0),
		board(metricStrength, strength<<8),
		board(metricQuality, quality<<8),
		board(metricQualityValue, fixed16(noise)),
		value(metricAccess, accessWiFi),
		board(metricStrengthValue, fixed16(rssi)),
	}
	if d.cfg.PlatformID != platformGCC {
		m = slices.Insert(m, 0, value(metricFreeMemory, total-used))
	}
	if d.os.protobuf {
		m = append(m, value(metricProtected, 0))
	}
	return m
}

// fixed16 is a number with 16 bits after the point.
func fixed16(n int32) uint32 { return uint32(n << 16) }

// modules returns the firmware of the device.
func (d *Device) modules() []coap.Module {
	switch {
	case d.cfg.Modules != nil:
		return d.cfg.Modules
	case d.cfg.PlatformID != platformGCC && !d.os.core:
		return d.boardModules()
	case d.os.protobuf:
		return computerModules(d.os.system)
	}
	return nil
}

const checked = coap.CheckIntegrity | coap.CheckDependencies | coap.CheckRange | coap.CheckPlatform

// computerModules is what Device OS 6.2.0 on a computer was observed to have.
func computerModules(system uint32) []coap.Module {
	const size, bootloader = 10 << 20, 1000
	needed := coap.Dependency{Function: coap.ModuleBootloader, Version: bootloader}
	return []coap.Module{
		{Function: coap.ModuleBootloader, Version: bootloader, MaxSize: size, Size: size + 4, Checked: checked, Passed: checked},
		{Function: coap.ModuleMonolithic, Version: system, MaxSize: size, Size: size + 4, Checked: checked, Passed: checked,
			Dependencies: []coap.Dependency{needed}},
	}
}

// boardModules is what a Photon has: two system parts and an application.
func (d *Device) boardModules() []coap.Module {
	const systemSize, userSize = 256 << 10, 128 << 10
	version := d.os.system
	hash := sha256.Sum256([]byte("localcloud virtual " + string(d.os.name)))
	module := func(f coap.ModuleFunction, index, size uint32, needs ...coap.Dependency) coap.Module {
		return coap.Module{Function: f, Index: index, Version: version, Location: coap.LocationMain,
			MaxSize: size, Checked: checked, Passed: checked, Dependencies: needs}
	}
	part := func(index uint32) coap.Dependency {
		return coap.Dependency{Function: coap.ModuleSystem, Index: index, Version: version}
	}
	user := module(coap.ModuleUser, 1, userSize, part(2))
	user.Version, user.Hash = 6, hash[:]
	return []coap.Module{
		module(coap.ModuleSystem, 1, systemSize),
		module(coap.ModuleSystem, 2, systemSize, part(1)),
		user,
	}
}
