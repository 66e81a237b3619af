// Package bench measures a cloud from outside with fleets of virtual devices
// and with clients of its HTTP API.
//
//	Run ─ scenario ─┬─ Cloud    a fresh one for each scenario, in a process of its own, or the one that was given
//	                ├─ fleet    virtual devices in this process, all with one key
//	                ├─ stream   clients of the event stream; caller: clients that send requests
//	                └─ Figure   value, unit, and the ceiling or aim to compare it with ─▶ Result: table, JSON
//
// What is compared with the machine is compared with the same machine in the
// same minute: each scenario measures its ceiling itself, right before or after.
//
// Every event that is published carries a [stamp]: run, device, number, time of
// sending. So what each listener lost, got twice or in the wrong order is
// counted, not estimated. Times of sending and arrival are read from one clock.
//
// Load comes in two forms. Events are sent by the clock (flow): one that is late
// because the cloud took long to take the one before counts from when it was
// due. Requests are sent one after the other by so many clients (loop).
//
// Nothing here knows the inside of the cloud, except that fill writes a data
// directory with the store, since a million events would take long to publish.
package bench
