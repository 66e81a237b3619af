// Package session is what the cloud says with one device.
//
// A Session is a state machine without goroutine and without clock. Its owner
// steps it with what happened (a message arrived, someone calls a function, time
// passed) and the present time, and takes out what it wants: messages to
// send, Effects for the cloud, and the next deadline.
//
//	          message            Outbox ──> link
//	link ───────────────> Session
//	Call, Send, Tick ───>        Effects ─> Hub, registry
//	                             Deadline
//
// Nothing blocks while it is stepped, and only one goroutine steps it at a time. On
// TCP that is the device's own goroutine, a Device (device.go), which also
// implements cloud.Conn. A Server accepts connections and makes Devices.
//
// One file a conversation: hello.go, describe.go, call.go, variable.go,
// event.go, subscription.go, small.go (time, ping, signal, goodbye). exchange.go
// holds what they share: message ids, tokens, requests under way,
// duplicates.
//
// Source of the facts: Particle's device-os, communication/src, as written
// down in the project's protocol reference; recordings of real devices are
// replayed in recording_test.go.
package session
