package main

import (
	"fmt"
	"strings"

	"localcloud/coap/link/dtls"
)

// showUDP prints what came from newer boards, and what of it was dropped without a word on the wire.
func showUDP(t *terminal, s *dtls.Stats) {
	if s == nil {
		return
	}
	t.printf("  over UDP:          %d sessions, %d handshakes since the start, %d of them completed\n", s.Sessions, s.Begun, s.Ended)
	if dropped := droppedUDP(s); dropped != "" {
		t.printf("  dropped there:     %s\n", dropped)
	}
}

// droppedUDP says what was dropped and why; "" when nothing was.
func droppedUDP(s *dtls.Stats) string {
	var parts []string
	for _, d := range []struct {
		n   uint64
		why string
	}{
		{s.Unknown, "of no session that is known here"},
		{s.Replayed, "came before: sent twice, or replayed"},
		{s.Forged, "not sealed with the session's key"},
		{s.Malformed, "no DTLS"},
		{s.Busy, "while handshakes took all the time there is for them"},
		{s.Crowded, "handshakes that gave way to newer ones"},
	} {
		if d.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", d.n, d.why))
		}
	}
	return strings.Join(parts, ", ")
}
