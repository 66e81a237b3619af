// Package keys holds what proves who is who between localcloud and its devices: the ids and public keys of the
// devices, the server's own two key pairs, and the record of a device that knocked and was not let in.
//
//	            server key            device key            an id is
//	TCP         RSA-2048, e = 65537   RSA-1024, e = 65537   12 bytes, printed as 24 hex digits
//	UDP (DTLS)  EC P-256              EC P-256
//
// An id proves nothing by itself; a device is who its key says. [DeviceID], [PublicKey] and [Fingerprint] are plain
// values: compare them, copy them, use them from any goroutine. Private keys never print: an [Identity] shows up as
// two fingerprints in every log line and format verb.
//
// The package does no I/O except [OpenIdentity], keeps no state and imports nothing of ours.
package keys
