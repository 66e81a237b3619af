package store

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// An event's value in the log. Its id is in the key. Numbers are the varints
// of encoding/binary; a text is its length and its bytes.
//
//	version   1 byte, 1
//	flags     1 byte
//	TTL       unsigned
//	name      text
//	device    12 bytes            if flagDevice
//	source    text                if flagSource
//	owner     text                if flagOwner
//	product   unsigned            if flagProduct
//	format    signed              if flagFormat; otherwise TextFormat
//	published signed, unsigned    if flagPublished: seconds since 1970, nanoseconds; otherwise the id's time
//	data      text                if flagData; otherwise the event has none (nil)
const eventVersion = 1

const (
	flagPrivate = 1 << iota
	flagDevice
	flagSource
	flagOwner
	flagFormat
	flagPublished
	flagData
	flagProduct
)

var (
	errEventVersion = errors.New("event record of another version")
	errEventDamaged = errors.New("event record is damaged")
)

// appendEvent appends the value of ev to b. It does not write the id.
func appendEvent(b []byte, ev *cloud.Event) []byte {
	flags := eventFlags(ev)
	b = append(b, eventVersion, flags)
	b = binary.AppendUvarint(b, uint64(ev.TTL))
	b = appendText(b, ev.Name)
	if flags&flagDevice != 0 {
		b = append(b, ev.Device[:]...)
	}
	if flags&flagSource != 0 {
		b = appendText(b, ev.Source)
	}
	if flags&flagOwner != 0 {
		b = appendText(b, string(ev.Owner))
	}
	if flags&flagProduct != 0 {
		b = binary.AppendUvarint(b, uint64(ev.Product))
	}
	if flags&flagFormat != 0 {
		b = binary.AppendVarint(b, int64(ev.Format))
	}
	if flags&flagPublished != 0 {
		b = binary.AppendVarint(b, ev.PublishedAt.Unix())
		b = binary.AppendUvarint(b, uint64(ev.PublishedAt.Nanosecond()))
	}
	if flags&flagData != 0 {
		b = append(binary.AppendUvarint(b, uint64(len(ev.Data))), ev.Data...)
	}
	return b
}

func eventFlags(ev *cloud.Event) byte {
	var flags byte
	for _, f := range []struct {
		bit byte
		set bool
	}{
		{flagPrivate, ev.Private},
		{flagDevice, !ev.Device.IsZero()},
		{flagSource, ev.Source != ""},
		{flagOwner, ev.Owner != ""},
		{flagFormat, ev.Format != cloud.TextFormat},
		{flagPublished, !ev.PublishedAt.Equal(ev.ID.Time())},
		{flagData, ev.Data != nil},
		{flagProduct, ev.Product != 0},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	return flags
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parseEvent reads what appendEvent wrote. The event shares nothing with b. Its
// times are in UTC.
func parseEvent(id cloud.EventID, b []byte) (*cloud.Event, error) {
	if len(b) < 2 {
		return nil, errEventDamaged
	}
	if b[0] != eventVersion {
		return nil, errEventVersion
	}
	flags := b[1]
	r := &eventReader{rest: b[2:]}
	ev := &cloud.Event{ID: id, Private: flags&flagPrivate != 0, Format: cloud.TextFormat, PublishedAt: id.Time()}
	ev.TTL = uint32(r.unsigned(math.MaxUint32))
	ev.Name = r.text()
	if flags&flagDevice != 0 {
		ev.Device = keys.DeviceID(r.bytes(uint64(len(ev.Device)), ev.Device[:]))
	}
	if flags&flagSource != 0 {
		ev.Source = r.text()
	}
	if flags&flagOwner != 0 {
		ev.Owner = cloud.UserID(r.text())
	}
	if flags&flagProduct != 0 {
		ev.Product = int(r.unsigned(cloud.MaxProductID))
	}
	if flags&flagFormat != 0 {
		ev.Format = int(r.signed(math.MinInt, math.MaxInt))
	}
	if flags&flagPublished != 0 {
		ev.PublishedAt = time.Unix(r.signed(math.MinInt64, math.MaxInt64), int64(r.unsigned(1e9-1))).UTC()
	}
	if flags&flagData != 0 {
		ev.Data = append([]byte{}, r.counted()...)
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errEventDamaged
	}
	return ev, nil
}

// eventReader takes fields off the front. After the first that is not there, bad
// stays set and what it returns means nothing.
type eventReader struct {
	rest []byte
	bad  bool
}

func (r *eventReader) unsigned(most uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > most {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *eventReader) signed(least, most int64) int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 || v < least || v > most {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// bytes returns the next n bytes, or instead when there are fewer.
func (r *eventReader) bytes(n uint64, instead []byte) []byte {
	if n > uint64(len(r.rest)) {
		r.bad = true
		return instead
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// counted returns the bytes behind their number.
func (r *eventReader) counted() []byte { return r.bytes(r.unsigned(math.MaxInt32), nil) }

func (r *eventReader) text() string { return string(r.counted()) }
