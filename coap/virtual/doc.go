// Package virtual is a Particle device in software. It says what a board with
// the chosen release of Device OS says, byte for byte and in the same order, so
// that the server, its tests and its users' scripts can be tried without one.
//
//	New ── Run ──▶ dial ── handshake ── Hello ── burst ──┬── answers and events ──▶ connection lost
//	         ▲                                            │                                │
//	         └──────────────── back-off, as a board has it ───────────────────────────────┘
//
// A [Device] is made with [New], given functions, variables and subscriptions,
// and lives while [Device.Run] runs. It is online from the moment the server's
// Hello has come. Everything but Run may be called from any goroutine, at any
// time, also from the handlers.
//
// Two goroutines belong to a connection: one reads, the other owns the
// connection and all that is known of it. The user's code (functions,
// variables, event handlers, callbacks) runs one after the other on a third,
// which exists only while there is something to run: the application thread of
// a board. A handler that blocks therefore delays other handlers and never the
// protocol.
//
// What a board does differently from what one would expect is kept: ACKs of
// pings and signals that carry the board's own next id, functions that are
// called with what is left of a too long argument, nothing at all for a function
// that does not exist, twice done work for a message that came twice.
// [Version] lists the releases; the table in version.go holds what differs.
//
// Where a virtual device is not like a board:
//
//   - A function or variable registered while online makes it describe itself
//     again (from 2.0 on, 50 ms later, once for many). A board would wait for
//     its next connection. Before 2.0 it does as boards do: the server learns of
//     it when it asks next.
//   - An event or a name that is longer than a board takes is refused instead of
//     cut.
//   - It takes more subscriptions than the four of a board's application.
//   - It refuses firmware updates.
//
// With [Config].UDP it is one of the newer boards: it shakes hands by DTLS, sends again what is not acknowledged, keeps its
// session over disconnects, reboots and changes of address, and resumes it in the form of its release.
//
// [Faults] makes it misbehave, [Fleet] makes it many, [ServeStdio] lets a script
// in any language be its application.
package virtual
