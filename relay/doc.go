// Package relay carries what is too fast or too big for events: lines that a
// device sends over a connection of its own, to any number of browsers, all on
// the local network.
//
//	device ── event devicesRequest ──▶ rendezvous ── draws a nonce (ticket.go)
//	device ◀─ devices("ip,port,nonce") ──┘           and calls the device (rendezvous.go)
//	device ── POST /devices, or WebSocket ──▶ ingest ── lines.go ──▶ channel ──▶ viewers
//
// listen.go accepts connections and looks at the head of each: what devices
// send is served here, byte by byte, because sketches say things that net/http
// refuses; everything else goes to net/http. A channel is a ring of batches
// that all its viewers share: each has a place in it, and one that falls behind by more
// than the ring holds loses the oldest lines, which are counted and told. So a
// slow viewer costs nothing to the device and nothing to others.
//
// The relay knows devices by their id as text and reaches them through Cloud,
// which cmd/localcloud makes of the Hub, or of the API of another cloud. Only
// cmd/localcloud imports this package.
package relay
