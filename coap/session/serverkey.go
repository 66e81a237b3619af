package session

import (
	"localcloud/cloud"
	"localcloud/keys"
)

// holder is a Link or Channel that knows by which of the server's keys the device knows us.
type holder interface{ ServerKey() keys.Fingerprint }

// recordServerKey notes which of the server's keys the device holds, if its link can tell.
func recordServerKey(r *cloud.Device, link any) {
	h, ok := link.(holder)
	if !ok {
		return
	}
	if key := h.ServerKey(); key != "" {
		r.ServerKey = key
	}
}
