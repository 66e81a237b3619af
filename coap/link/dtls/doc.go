// Package dtls is DTLS 1.2 as Particle's newer devices speak it (Electron, Argon, Boron, P2, M-SoM ...), and no more than
// that: one cipher suite, one curve, raw public keys on both sides, a connection id of a draft, and sessions that never
// end by themselves. No other library has this combination.
//
//	version        DTLS 1.2 (RFC 6347)
//	cipher suite   TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, c0ae (RFC 7251)
//	curve          secp256r1, uncompressed points
//	signatures     ECDSA with SHA-256
//	certificates   raw public keys, both ways (RFC 7250)
//	connection id  draft-ietf-tls-dtls-connection-id-05: extension 254, record type 25, 8 bytes, device to server only
//
// # A handshake
//
//	device                                                                      server
//	  │ ClientHello                                                               │
//	  │──────────────────────────────────────────────────────────────────────────▶│ costs no state:
//	  │                                             HelloVerifyRequest (cookie)   │ the cookie is a MAC over the
//	  │◀──────────────────────────────────────────────────────────────────────────│ address and the ClientHello
//	  │ ClientHello (same random, cookie)                                         │
//	  │──────────────────────────────────────────────────────────────────────────▶│
//	  │                ServerHello, [Certificate], ServerKeyExchange,             │ signed with the server's key
//	  │                              CertificateRequest, ServerHelloDone          │
//	  │◀──────────────────────────────────────────────────────────────────────────│
//	  │ Certificate, ClientKeyExchange, CertificateVerify,                        │ signed with the device's key
//	  │ ChangeCipherSpec, Finished                                                │
//	  │══════════════════════════════════════════════════════════════════════════▶│
//	  │                                             ChangeCipherSpec, Finished    │
//	  │◀══════════════════════════════════════════════════════════════════════════│
//	  │ application data                                                          │
//	  │◀═════════════════════════════════════════════════════════════════════════▶│
//
// A device knows the server's key and aborts when it is sent a Certificate; every other client with raw public keys
// expects it. The shape of the ClientHello tells the two apart, see clientHello.isParticle.
//
// # A session
//
// Devices keep an established [Session] over sleep, restarts and changes of address and go on with it without a
// handshake, in one of four forms of record (see record.go). So a Session can be stored and restored, see
// [Session.Secrets] and [Session.Counters].
//
// # The parts
//
//	record.go    records, found in a datagram and taken apart        hello.go, message.go   handshake messages
//	ccm.go       AES-128-CCM-8 in place                              flight.go              sending and collecting them
//	window.go    which record numbers came already                   server.go, client.go   the two state machines
//	session.go   keys and counters after a handshake                 cookie.go              proof of an address
//	listener.go  one socket: who sent this datagram?                 handshakes.go          those under way on it
//
// Session, serverHandshake and [Client] have no goroutine and no clock; [Listener] has both.
//
// Sources: the RFCs and the draft named above; device-os communication/src/dtls_message_channel.cpp and
// communication/inc/dtls_session_persist.h; Particle's fork of mbed TLS; recorded sessions in the tests.
package dtls
