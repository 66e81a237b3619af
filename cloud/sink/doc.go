// Package sink sends events out of the cloud: to webhooks today.
//
// # The way of an event
//
//	Hub ── Offer ──► queue, bounded          sink.go    only what some hook wants
//	                   │ Run
//	                   ▼
//	        one lane a hook, bounded         lane.go    a few requests at once, retries, sleep after many errors
//	                   │
//	                   ▼
//	        template.go, request.go          mustache, with the event's data for values
//	                   │
//	                   ▼
//	        guard.go, attempt.go             closed addresses, redirects, time and size
//	                   │
//	                   ▼
//	        response.go ──► Hub.Publish      hook-sent, hook-response, hook-error
//
// A hook that hangs or fails costs itself its own lane; neither the Hub nor
// another hook waits for it. What comes out of a hook never fires one.
//
// The record of what was delivered is in memory, bounded for each hook: it
// is there to find a mistake within minutes, and a write to the disk for each request would
// wear SD cards and slow the events themselves.
//
// What still waits when the cloud stops, and the dead letters, are written to one file and taken up at the next start
// (backlog.go); an event that is a day old by then becomes a dead letter. A kill or a power cut loses what waited at that
// moment: the events themselves are in the log.
package sink
