package coap

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Metric is one figure of a device's diagnostics.
type Metric struct {
	ID     uint16
	Value  uint32 // the four bytes; Number knows what they mean
	Failed bool   // the device could not tell
	Err    int32  // why, when Failed: a Device OS system error, below zero
}

// Metrics are the figures in the order in which the device gave them.
type Metrics []Metric

var errMetrics = errors.New("metrics: malformed")

const (
	metricFailed = 0x8000 // bit of an id
	metricSize   = 2 + 4
)

// ParseMetrics reads the diagnostics of a device.
//
//	00        binary, not JSON
//	04 00     what it is: le16 metrics
//	02 00     bytes of an id
//	04 00     bytes of a value
//	then for each: id le16, value le32; in an id with bit 15 an error code, le32 signed
//
// The ids of an application's own sources begin at 0x8000 and so all look failed.
//
// Device OS communication/src/description.cpp serialize and
// system/src/system_info.cpp BinaryDiagnosticsFormatter.
func ParseMetrics(b []byte) (Metrics, error) {
	le := binary.LittleEndian
	if len(b) < 7 || b[0] != 0 || le.Uint16(b[1:]) != uint16(DescribeMetrics) {
		return nil, errMetrics
	}
	if id, value := le.Uint16(b[3:]), le.Uint16(b[5:]); id != 2 || value != 4 {
		return nil, fmt.Errorf("metrics: ids of %d and values of %d bytes", id, value)
	}
	b = b[7:]
	if len(b)%metricSize != 0 {
		return nil, errMetrics
	}
	metrics := make(Metrics, 0, len(b)/metricSize)
	for ; len(b) > 0; b = b[metricSize:] {
		id, value := le.Uint16(b), le.Uint32(b[2:])
		m := Metric{ID: id &^ metricFailed}
		if id&metricFailed != 0 {
			m.Failed, m.Err = true, int32(value)
		} else {
			m.Value = value
		}
		metrics = append(metrics, m)
	}
	return metrics, nil
}

// AppendMetrics writes the diagnostics of a device, for the virtual one.
func AppendMetrics(b []byte, metrics Metrics) []byte {
	le := binary.LittleEndian
	b = append(b, 0)
	b = le.AppendUint16(b, uint16(DescribeMetrics))
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	for _, m := range metrics {
		if m.Failed {
			b = le.AppendUint16(b, m.ID|metricFailed)
			b = le.AppendUint32(b, uint32(m.Err))
		} else {
			b = le.AppendUint16(b, m.ID)
			b = le.AppendUint32(b, m.Value)
		}
	}
	return b
}

// Name returns the name that Device OS gives the figure, "sys:uptime", or ""
// when it is not known.
func (m Metric) Name() string { return m.info().name }

// Vital returns where the cloud's API shows the figure, below "device" in the
// payload of spark/device/diagnostics/update: "system.uptime". It is "" where
// that is not known for sure.
func (m Metric) Vital() string { return m.info().vital }

// Number returns the value: with its sign, and scaled when it is a fixed-point
// number (percent, dBm). It means nothing when Failed.
func (m Metric) Number() float64 {
	switch m.info().form {
	case unsigned:
		return float64(m.Value)
	case fixed8:
		return float64(int32(m.Value)) / (1 << 8)
	case fixed16:
		return float64(int32(m.Value)) / (1 << 16)
	}
	return float64(int32(m.Value))
}

// String returns name and value: "sys:uptime=2".
func (m Metric) String() string {
	name := m.Name()
	if name == "" {
		name = fmt.Sprintf("metric %d", m.ID)
	}
	if m.Failed {
		return fmt.Sprintf("%s failed: %d", name, m.Err)
	}
	return fmt.Sprintf("%s=%g", name, m.Number())
}

func (m Metric) info() metricInfo {
	if int(m.ID) < len(metricInfos) {
		return metricInfos[m.ID]
	}
	return metricInfo{}
}

type metricInfo struct {
	name  string
	form  metricForm
	vital string
}

type metricForm uint8

const (
	signed   metricForm = iota // int32: error codes, enumerations
	unsigned                   // uint32: counters, sizes
	fixed8                     // 8 bits after the point
	fixed16                    // 16 bits after the point
)

// metricInfos has a figure at its id. Names: Device OS services/inc/diagnostics.h;
// forms: system/src/system_network_diagnostics.cpp, system_power.cpp, main.cpp;
// vitals: the example of the device vitals event in Particle's API reference.
var metricInfos = [...]metricInfo{
	1:  {"sys:reset", signed, ""},
	2:  {"mem:free", unsigned, ""},
	3:  {"batt:soc", fixed8, "power.battery.charge"},
	4:  {"sys:loop", unsigned, ""},
	5:  {"app:loop", unsigned, ""},
	6:  {"sys:uptime", unsigned, "system.uptime"},
	7:  {"batt:state", signed, "power.battery.state"},
	8:  {"net:stat", signed, "network.connection.status"},
	9:  {"net:err", signed, "network.connection.error"},
	10: {"cloud:stat", signed, "cloud.connection.status"},
	12: {"net:dconn", unsigned, "network.connection.disconnects"},
	13: {"cloud:err", signed, "cloud.connection.error"},
	14: {"cloud:dconn", unsigned, "cloud.connection.disconnects"},
	15: {"net:ip:addr", unsigned, ""},
	16: {"net:ip:gw", unsigned, ""},
	17: {"net:flags", unsigned, ""},
	18: {"net:cntry", unsigned, ""},
	19: {"net:rssi", fixed8, ""},
	20: {"pub:limit", unsigned, "cloud.publish.rate_limited"},
	21: {"coap:retransmit", unsigned, "cloud.coap.retransmit"},
	22: {"coap:unack", unsigned, "cloud.coap.unack"},
	23: {"coap:transmit", unsigned, "cloud.coap.transmit"},
	24: {"pwr:src", signed, "power.source"},
	25: {"sys:tram", unsigned, "system.memory.total"},
	26: {"sys:uram", unsigned, "system.memory.used"},
	27: {"net:connatt", unsigned, "network.connection.attempts"},
	28: {"net:dconnrsn", signed, "network.connection.disconnect_reason"},
	29: {"cloud:connatt", unsigned, "cloud.connection.attempts"},
	30: {"cloud:dconnrsn", signed, "cloud.connection.disconnect_reason"},
	31: {"coap:roundtrip", unsigned, "cloud.coap.round_trip"},
	33: {"net:sigstr", fixed8, "network.signal.strength"},
	34: {"net:sigqual", fixed8, "network.signal.quality"},
	35: {"net:sigqualv", fixed16, "network.signal.qualityv"},
	36: {"net:at", signed, "network.signal.at"},
	37: {"net:sigstrv", fixed16, "network.signal.strengthv"},
	40: {"net:cell:cgi:mcc", signed, "network.cellular.cell_global_identity.mobile_country_code"},
	41: {"net:cell:cgi:mnc", signed, "network.cellular.cell_global_identity.mobile_network_code"},
	42: {"net:cell:cgi:lac", signed, "network.cellular.cell_global_identity.location_area_code"},
	43: {"net:cell:cgi:ci", unsigned, "network.cellular.cell_global_identity.cell_id"},
	44: {"cloud:connif", signed, ""},
	45: {"net:alt:sigstrv", fixed16, ""},
	46: {"net:alt:sigstr", fixed8, ""},
	47: {"net:alt:sigqual", fixed8, ""},
	48: {"net:alt:sigqualv", fixed16, ""},
	49: {"net:alt:at", signed, ""},
	60: {"sys:protected", signed, ""},
}
