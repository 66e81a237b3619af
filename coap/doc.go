// Package coap knows every CoAP message that a Particle device and its cloud
// say to each other, and nothing about who says them when.
//
// A link hands over one decrypted message. [Parse] reads the frame,
// [Message.Kind] finds it in the one table of messages, and the typed forms
// (Hello, Describe, Event, Subscription, ...) read what is inside. The way
// out is the other way round: a builder such as [FunctionMessage] makes a
// Message, [Message.Append] writes it. Both halves of each conversation are
// here: the server's session uses one, the virtual device the other.
//
// What is not in the table is not spoken: [KindUnknown] is answered with 4.04
// or dropped, never guessed at.
//
// Particle devices do not parse requests, they look at fixed offsets: the path
// letter at byte 6, the next option at byte 7, so exactly one byte of token.
// The builders therefore keep a form that devices of all years accept, byte
// for byte; the recordings in the tests have the last word on it.
//
// Nothing here blocks, keeps state or starts a goroutine; every function may
// be called from anywhere. A parsed value shares memory with the bytes that it
// was parsed from where its comment says so. Everything that a device sent is
// hostile: parsers bound what they allocate by what they were given, and
// String quotes what the device chose.
//
// "Device OS" in the comments is github.com/particle-iot/device-os, with the
// path of the file and, where it matters, the version.
package coap
