package relay

import (
	"net/http"
	"strconv"
	"strings"

	"localcloud/cloud"
)

const maxWanted = 256 // channels that a page may choose

// serveTagged streams the lines of all channels, or of those in ?channels=A,B/IMU,
// each as CHANNEL, TAB, milliseconds since 1970, TAB, line: one connection for a page that shows many devices.
func (r *Relay) serveTagged(w http.ResponseWriter, q *http.Request) {
	if reader, ok := r.mayRead(w, q); ok {
		r.tagged(w, q, reader)
	}
}

// tagged streams the lines of the wanted channels that the reader sees. One
// channel alone is read from its own ring, which reaches further back and holds replays, too.
func (r *Relay) tagged(w http.ResponseWriter, q *http.Request, reader reading) {
	st := style{events: true, render: r.appendTagged}
	if wanted := q.URL.Query().Get("channels"); wanted != "" {
		if strings.Count(wanted, ",") >= maxWanted {
			fail(w, cloud.Errorf("", cloud.Invalid, "%d channels at most may be chosen; without ?channels= all come", maxWanted))
			return
		}
		for name := range strings.SplitSeq(wanted, ",") {
			device, stream, _ := strings.Cut(name, "/")
			id, err := r.find(q.Context(), reader, device, stream)
			if err != nil {
				fail(w, err)
				return
			}
			st.only = append(st.only, channelName(id, stream))
		}
	}
	if len(st.only) != 1 {
		r.stream(w, q, r.merged, reader, st)
		return
	}
	device, stream, _ := strings.Cut(st.only[0], "/")
	c := r.use(device, stream)
	if c == nil {
		fail(w, errChannels)
		return
	}
	defer r.letGo(c)
	r.stream(w, q, c, reader, st)
}

// appendTagged appends the frames of a batch with ids, channels and times.
func (r *Relay) appendTagged(dst []byte, b *batch) []byte {
	frames, name := b.frames, b.from.name()
	for n := range uint64(b.n) {
		var line []byte
		line, frames = cutFrame(frames)
		dst = append(dst, "id: "...)
		dst = append(dst, r.boot...)
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, b.first+n, 10)
		dst = append(dst, "\ndata:"...)
		dst = append(dst, name...)
		dst = append(dst, '\t')
		dst = strconv.AppendInt(dst, b.at, 10)
		dst = append(dst, '\t')
		dst = append(dst, line...)
		dst = append(dst, "\n\n"...)
	}
	return dst
}
