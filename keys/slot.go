package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
)

// Slot is a range of a board's memory as its boot loader shows it over DFU.
type Slot struct {
	Alt     int // DFU alternate setting
	Address int
	Size    int // bytes
}

// erased fills what is unused in a slot.
const erased = 0xff

// Layout says where a board keeps what it needs to reach a cloud over one transport.
type Layout struct {
	Transport Transport
	ServerKey Slot
	host      int // offset of the address blob in ServerKey
	DeviceKey Slot

	// CloudTransport is one byte, FF for UDP and 00 for TCP; size 0 where the transport is fixed.
	CloudTransport Slot
	// SetupDone is one byte, 01 when the board does not ask to be set up any more; size 0 where there is none.
	SetupDone Slot
}

// What the one-byte slots hold.
const (
	TransportUDP  = 0xff
	TransportTCP  = 0x00
	SetupDoneByte = 0x01
)

// portOffset is where the port stands behind the start of the address blob.
const portOffset = 66

// Layout returns where a board keeps its keys for its own transport.
//
//	                alt  server key   size  address at  port at   device key  size
//	Core            1    0x1000       2048  +384        +450      0x2000      1024   external flash
//	TCP, others     1    2082         512   +384        +450      34          612    DCT
//	UDP             1    3298         320   +192        +258      3106        192    DCT
//
// Sources: particle-cli src/lib/keys-specs.js; device-os platform/MCU/*/inc/dct.h for cloud_transport (2977) and
// setup_done (8134).
func (p Platform) Layout() Layout {
	l, _ := p.LayoutFor(p.Transport)
	return l
}

// LayoutFor is Layout for a board that was switched to another transport, which the Electron can be.
func (p Platform) LayoutFor(t Transport) (Layout, error) {
	if t != p.Transport && !(p.Name == "electron" && t == TCP) {
		return Layout{}, fmt.Errorf("a %s talks %s only", p.Name, p.Transport)
	}
	l := Layout{Transport: t}
	switch {
	case p.Generation == 1:
		l.ServerKey, l.host, l.DeviceKey = Slot{1, 0x1000, 2048}, 384, Slot{1, 0x2000, 1024}
	case t == TCP:
		l.ServerKey, l.host, l.DeviceKey = Slot{1, 2082, 512}, 384, Slot{1, 34, 612}
	default:
		l.ServerKey, l.host, l.DeviceKey = Slot{1, 3298, 320}, 192, Slot{1, 3106, 192}
	}
	if p.Name == "electron" {
		l.CloudTransport = Slot{1, 2977, 1}
	}
	if p.Generation >= 3 {
		l.SetupDone = Slot{1, 8134, 1}
	}
	return l, nil
}

// ServerSlot is what a board knows of its cloud: whose signature it trusts, and where to look for it.
type ServerSlot struct {
	Key     ServerKey // zero: erased
	Address Address   // zero: the address compiled into the firmware
}

// AppendServerSlot appends the whole slot, as it is written into the board:
//
//	SubjectPublicKeyInfo   294 bytes RSA-2048, 91 bytes P-256
//	FF ...                 up to the address blob, 384 or 192
//	address blob           see [Address]
//	FF ...                 up to the size of the slot
func (l Layout) AppendServerSlot(b []byte, s ServerSlot) ([]byte, error) {
	if s.Key.Algorithm() != l.Transport.Algorithm() {
		return nil, fmt.Errorf("server slot: a %s board needs a server key of kind %s", l.Transport, l.Transport.Algorithm())
	}
	slot := bytes.Repeat([]byte{erased}, l.ServerKey.Size)
	copy(slot, s.Key.spki)
	if err := s.Address.put(slot[l.host : l.host+blobSize]); err != nil {
		return nil, fmt.Errorf("server slot: %w", err)
	}
	return append(b, slot...), nil
}

// ParseServerSlot reads a slot as it was read from a board. An erased key or address is no error: the zero value
// stands for it. Whatever else is not as AppendServerSlot writes it is one.
func (l Layout) ParseServerSlot(b []byte) (ServerSlot, error) {
	if len(b) != l.ServerKey.Size {
		return ServerSlot{}, fmt.Errorf("server slot: %d bytes, not %d", len(b), l.ServerKey.Size)
	}
	var s ServerSlot
	var err error
	if s.Address, err = parseAddress(b[l.host : l.host+blobSize]); err != nil {
		return ServerSlot{}, fmt.Errorf("server slot: %w", err)
	}
	if key := b[:l.host]; !isErased(key) {
		if s.Key, err = ParseServerKey(key); err != nil {
			return ServerSlot{}, fmt.Errorf("server slot: %w", err)
		}
		if s.Key.Algorithm() != l.Transport.Algorithm() {
			return ServerSlot{}, fmt.Errorf("server slot: a key of kind %s where %s is needed", s.Key.Algorithm(), l.Transport.Algorithm())
		}
	}
	return s, nil
}

// AppendDeviceSlot appends the whole slot of the device's private key: PKCS#1 or SEC1, then FF.
func (l Layout) AppendDeviceSlot(b []byte, key crypto.Signer) ([]byte, error) {
	der, err := l.deviceDER(key)
	if err != nil {
		return nil, fmt.Errorf("device slot: %w", err)
	}
	if len(der) > l.DeviceKey.Size {
		return nil, fmt.Errorf("device slot: the key has %d bytes, there is room for %d", len(der), l.DeviceKey.Size)
	}
	b = append(b, der...)
	return append(b, bytes.Repeat([]byte{erased}, l.DeviceKey.Size-len(der))...), nil
}

func (l Layout) deviceDER(key crypto.Signer) ([]byte, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if l.Transport != TCP {
			return nil, errors.New("an RSA key, where UDP needs EC P-256")
		}
		if err := CheckBoardRSA(key); err != nil {
			return nil, err
		}
		return x509.MarshalPKCS1PrivateKey(key), nil
	case *ecdsa.PrivateKey:
		if l.Transport != UDP {
			return nil, errors.New("an EC key, where TCP needs RSA-1024")
		}
		if _, err := NewECDSAPublicKey(&key.PublicKey); err != nil {
			return nil, err
		}
		return x509.MarshalECPrivateKey(key)
	}
	return nil, errors.New("neither RSA nor EC")
}

// ErrErased says that a slot holds nothing: the board makes a key of its own at its next start.
var ErrErased = errors.New("the slot is erased")

// ParseDeviceSlot reads the device's private key from its slot. A slot whose first byte is FF is ErrErased, as boards
// take it; a key that the board could not use over this transport is an error too.
func (l Layout) ParseDeviceSlot(b []byte) (crypto.Signer, error) {
	if len(b) != l.DeviceKey.Size {
		return nil, fmt.Errorf("device slot: %d bytes, not %d", len(b), l.DeviceKey.Size)
	}
	if b[0] == erased {
		return nil, ErrErased
	}
	der, _, err := splitDER(b)
	if err != nil {
		return nil, fmt.Errorf("device slot: %w", err)
	}
	key, err := ParseDevicePrivateKey(der) // what lies behind the key does not matter to the board
	if err != nil {
		return nil, fmt.Errorf("device slot: %w", err)
	}
	if _, err := l.deviceDER(key); err != nil {
		return nil, fmt.Errorf("device slot: %w", err)
	}
	return key, nil
}

// GenerateDeviceKey makes the private key of a device for this transport.
func (l Layout) GenerateDeviceKey() (crypto.Signer, error) {
	if l.Transport == TCP {
		return GenerateDeviceRSA()
	}
	return generateUDP()
}

// PublicKeyOf returns the public half of a device's private key.
func PublicKeyOf(key crypto.Signer) (PublicKey, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return NewRSAPublicKey(&key.PublicKey)
	case *ecdsa.PrivateKey:
		return NewECDSAPublicKey(&key.PublicKey)
	}
	return PublicKey{}, errors.New("neither RSA nor EC")
}

func isErased(b []byte) bool { return bytes.Count(b, []byte{erased}) == len(b) }

func bigEndian(port uint16) []byte { return binary.BigEndian.AppendUint16(nil, port) }
