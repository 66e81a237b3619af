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
// wear SD cards and slow the events themselves. After a restart it is empty.
// What still waited when the cloud stopped is not sent later: nobody would expect it any more,
// and the event itself is in the log.
package sink
