// Package sse writes and reads event streams (text/event-stream, WHATWG HTML
// section 9.2). It is a leaf: nothing of ours is imported.
//
// AppendParticle writes the frames of the Particle API, AppendEvent any other
// frame. Neither trusts what it is given: whatever a device puts into a name
// or into data, the result is exactly one event and never a field of its own.
// Both write into a buffer of the caller, who hands it to the connection in
// one Write, since some clients lose a frame that comes in two pieces.
//
// Reader reads streams, ours and others'.
package sse
