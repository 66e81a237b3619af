// Package cloud says what exists: devices, events, users, tokens, who may do
// what, rate policies, and the Hub that knows who is online and who listens.
//
// It imports package keys and nothing else of ours; every side of the product
// imports it. The sides are coap/session (devices), cloud/api (HTTP), relay
// (live streams), cloud/sink (webhooks) and cloud/store (Badger), and they do
// not know each other. cloud/cmd/localcloud puts them together.
//
// # The life of an event
//
//	device -> session -> Presence.Publish ─┐ policy
//	user   -> api     -> Hub.Publish ──────┤
//	                                       ▼
//	                     id, published_at; Listener.Offer for every match
//	                                       ▼
//	                     Log.Append ... group commit, synced ... done
//	                                       ▼
//	                     the device's ACK, the user's 200
//
// Listeners do not wait for the disk; the acknowledgement does. A listener
// never slows anyone: its queue is bounded, and what it does not take is counted.
//
// # The life of a call
//
// api resolves the device and checks Access, the Hub finds the Conn, the
// session asks the device and matches the answer by token. A device that is
// offline is answered at once.
package cloud
