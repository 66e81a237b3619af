package coap

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

var errProto = errors.New("describe: malformed protobuf")

// ParseDescribeProto reads the protobuf form of a system describe, from Device OS
// 5.5 on. Fields that it does not know do not matter.
//
//	SystemDescribe      1 repeated FirmwareModule   2 imei   3 iccid   4 modem firmware
//	                    5 repeated Asset            6 protected state  7 hash of the environment
//	FirmwareModule      1 type     2 index    3 version   4 store       5 max size
//	                    6 checked (fixed32)   7 passed (fixed32)        8 hash
//	                    9 repeated Dependency   10 repeated Asset   11 size   12 security
//	Dependency          1 type     2 index    3 version
//	Asset               1 hash     2 name     3 size      4 size in the device
//	security            1 mode: 1 is protected
//
// github.com/particle-iot/device-os-protobuf cloud/describe.proto. The
// result does not alias b.
func ParseDescribeProto(b []byte) (Describe, error) {
	d := Describe{HasSystem: true}
	err := eachField(b, func(f field) error {
		switch f.num {
		case 1:
			if len(d.Modules) == maxModules {
				return tooMany("modules", maxModules)
			}
			m, err := parseModule(f.bytes)
			d.Modules = append(d.Modules, m)
			return err
		case 2:
			d.IMEI = string(f.bytes)
		case 3:
			d.ICCID = string(f.bytes)
		case 4:
			d.CellFW = string(f.bytes)
		case 5:
			return appendAsset(&d.Assets, f.bytes)
		case 6:
			d.Protected = f.uint != 0
		case 7:
			d.EnvHash = slices.Clone(f.bytes)
		}
		return nil
	})
	if err != nil {
		return Describe{}, err
	}
	return d, nil
}

func parseModule(b []byte) (Module, error) {
	m := Module{Location: LocationMain}
	err := eachField(b, func(f field) error {
		switch f.num {
		case 1:
			m.Function = functionOfNumber(f.uint)
		case 2:
			m.Index = uint32(f.uint)
		case 3:
			m.Version = uint32(f.uint)
		case 4:
			m.Location = locationOfNumber(f.uint)
		case 5:
			m.MaxSize = uint32(f.uint)
		case 6:
			m.Checked = uint32(f.uint)
		case 7:
			m.Passed = uint32(f.uint)
		case 8:
			m.Hash = slices.Clone(f.bytes)
		case 9:
			if len(m.Dependencies) == maxDepends {
				return tooMany("dependencies", maxDepends)
			}
			dep, err := parseDependency(f.bytes)
			m.Dependencies = append(m.Dependencies, dep)
			return err
		case 10:
			return appendAsset(&m.Assets, f.bytes)
		case 11:
			m.Size = uint32(f.uint)
		case 12:
			return eachField(f.bytes, func(f field) error {
				if f.num == 1 {
					m.Protected = f.uint == 1
				}
				return nil
			})
		}
		return nil
	})
	return m, err
}

func parseDependency(b []byte) (Dependency, error) {
	var dep Dependency
	err := eachField(b, func(f field) error {
		switch f.num {
		case 1:
			dep.Function = functionOfNumber(f.uint)
		case 2:
			dep.Index = uint32(f.uint)
		case 3:
			dep.Version = uint32(f.uint)
		}
		return nil
	})
	return dep, err
}

func appendAsset(assets *[]Asset, b []byte) error {
	if len(*assets) == maxAssets {
		return tooMany("assets", maxAssets)
	}
	var a Asset
	err := eachField(b, func(f field) error {
		switch f.num {
		case 1:
			a.Hash = slices.Clone(f.bytes)
		case 2:
			a.Name = string(f.bytes)
		case 3:
			a.Size = uint32(f.uint)
		case 4:
			a.StorageSize = uint32(f.uint)
		}
		return nil
	})
	*assets = append(*assets, a)
	return err
}

// field is one field of a protobuf message: a number in uint or a length-
// delimited value in bytes, by its wire type. A field of a wire type that it
// should not have therefore reads as zero or empty.
type field struct {
	num   protowire.Number
	uint  uint64
	bytes []byte
}

// eachField calls f for the fields of b in their order, until one fails.
func eachField(b []byte, f func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errProto
		}
		b = b[n:]
		v := field{num: num}
		switch typ {
		case protowire.VarintType:
			v.uint, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var fixed uint32
			fixed, n = protowire.ConsumeFixed32(b)
			v.uint = uint64(fixed)
		case protowire.Fixed64Type:
			v.uint, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(b)
		default: // groups: nothing of ours
			return errProto
		}
		if n < 0 {
			return errProto
		}
		b = b[n:]
		if err := f(v); err != nil {
			return fmt.Errorf("%w (field %d)", err, num)
		}
	}
	return nil
}

// AppendProto writes the system part of d as Device OS does: fields in ascending
// order, those of value zero left out. It does not hold the platform.
func (d Describe) AppendProto(b []byte) []byte {
	for _, m := range d.Modules {
		b = appendMessage(b, 1, m.appendProto(nil))
	}
	b = appendText(b, 2, d.IMEI)
	b = appendText(b, 3, d.ICCID)
	b = appendText(b, 4, d.CellFW)
	for _, a := range d.Assets {
		b = appendMessage(b, 5, a.appendProto(nil))
	}
	if d.Protected {
		b = appendNumber(b, 6, 1)
	}
	return appendText(b, 7, string(d.EnvHash))
}

func (m Module) appendProto(b []byte) []byte {
	b = appendNumber(b, 1, uint64(m.Function))
	b = appendNumber(b, 2, uint64(m.Index))
	b = appendNumber(b, 3, uint64(m.Version))
	b = appendNumber(b, 4, m.Location.number())
	b = appendNumber(b, 5, uint64(m.MaxSize))
	b = appendFixed(b, 6, m.Checked)
	b = appendFixed(b, 7, m.Passed)
	b = appendText(b, 8, string(m.Hash))
	for _, dep := range m.Dependencies {
		b = appendMessage(b, 9, dep.appendProto(nil))
	}
	for _, a := range m.Assets {
		b = appendMessage(b, 10, a.appendProto(nil))
	}
	b = appendNumber(b, 11, uint64(m.Size))
	if m.Protected {
		b = appendMessage(b, 12, appendNumber(nil, 1, 1))
	}
	return b
}

func (dep Dependency) appendProto(b []byte) []byte {
	b = appendNumber(b, 1, uint64(dep.Function))
	b = appendNumber(b, 2, uint64(dep.Index))
	return appendNumber(b, 3, uint64(dep.Version))
}

func (a Asset) appendProto(b []byte) []byte {
	b = appendText(b, 1, string(a.Hash))
	b = appendText(b, 2, a.Name)
	b = appendNumber(b, 3, uint64(a.Size))
	return appendNumber(b, 4, uint64(a.StorageSize))
}

func appendNumber(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendFixed(b []byte, num protowire.Number, v uint32) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), v)
}

func appendText(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendMessage(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}
