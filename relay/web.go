package relay

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"

	"localcloud/cloud"
)

// newWeb returns what everybody but devices gets. Like the original it routes
// by the beginning of the path; what is nothing else is a file.
func (r *Relay) newWeb() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		path := q.URL.Path
		switch first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); first {
		case "data":
			r.serveData(w, q, rest)
		case "devices": // a device, on a connection that was used for something else before
			r.serveDeviceLate(w, q)
		case "send":
			r.serveSend(w, q, rest)
		case "public":
			r.servePublic(w, q, rest)
		case "p":
			r.servePublicPage(w, q, rest)
		case "relay":
			r.serveOwn(w, q, rest)
		case "v1":
			r.serveAdmin(w, q)
		default:
			if path == "/" && wantsSocket(q) {
				r.serveDeviceLate(w, q)
				return
			}
			r.serveFile(w, q)
		}
	})
}

func wantsSocket(q *http.Request) bool {
	return strings.EqualFold(q.Header.Get("Upgrade"), "websocket")
}

// serveDeviceLate serves a device's request that net/http has read.
func (r *Relay) serveDeviceLate(w http.ResponseWriter, q *http.Request) {
	h := head{method: q.Method, path: q.URL.Path, query: q.URL.Query(), minor: q.ProtoMinor, fields: make(map[string]string)}
	for name := range q.Header {
		h.fields[strings.ToLower(name)] = q.Header.Get(name)
	}
	if len(q.TransferEncoding) > 0 {
		h.fields["transfer-encoding"] = q.TransferEncoding[0]
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot stream", http.StatusInternalServerError)
		return
	}
	defer nc.Close()
	r.serveDevice(nc, rw.Reader, h, addressOfText(q.RemoteAddr))
}

func addressOfText(address string) netip.Addr {
	p, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

// serveData streams a channel: of all devices, of one, or a named one of a device.
func (r *Relay) serveData(w http.ResponseWriter, q *http.Request, rest string) {
	reader, ok := r.mayRead(w, q)
	if !ok {
		return
	}
	device, stream, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	if device == "" {
		r.view(w, q, r.merged, reader)
		return
	}
	id, err := r.find(q.Context(), reader, device, stream)
	if err != nil {
		fail(w, err)
		return
	}
	c := r.use(id, stream)
	if c == nil {
		fail(w, errChannels)
		return
	}
	defer r.letGo(c)
	r.view(w, q, c, reader)
}

// view streams a channel by WebSocket or by SSE, whichever was asked for.
func (r *Relay) view(w http.ResponseWriter, q *http.Request, c *channel, reader reading) {
	if wantsSocket(q) {
		r.viewSocket(w, q, c, reader)
		return
	}
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		w.Header().Set("Allow", "GET")
		fail(w, cloud.Errorf("", cloud.Unsupported, "this address is only read"))
		return
	}
	own := c != r.merged
	r.stream(w, q, c, reader, style{ids: own, events: own})
}

// mayRead finds out whether a request may read, and answers it if not.
func (r *Relay) mayRead(w http.ResponseWriter, q *http.Request) (reading, bool) {
	reader, err := r.reader(q)
	if err != nil {
		r.counts.odd.Add(1)
		fail(w, err)
		return reading{}, false
	}
	return reader, true
}

// find returns the id of a device, by id or name, that the reader sees, for a channel of it.
func (r *Relay) find(ctx context.Context, reader reading, device, stream string) (id string, err error) {
	if !validStream(stream) {
		return "", cloud.Errorf("", cloud.NotExist, "no such stream")
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	d, err := r.Cloud.Device(ctx, device)
	if err != nil || (reader.sees != nil && !reader.sees(d.ID)) {
		return "", cloud.Errorf("", cloud.NotExist, "no such device")
	}
	return d.ID, nil
}

// serveSend sends text to a device that listens: POST /send/DEVICE[/STREAM], with a token that may write.
func (r *Relay) serveSend(w http.ResponseWriter, q *http.Request, rest string) {
	reader, err := r.reader(q)
	switch {
	case err != nil:
		fail(w, err)
		return
	case !reader.write:
		fail(w, cloud.Errorf("", cloud.Permission, "sending to a device takes a token with the scope relay:send"))
		return
	case q.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		fail(w, cloud.Errorf("", cloud.Unsupported, "text for a device is sent with POST"))
		return
	}
	device, stream, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	id, err := r.find(q.Context(), reader, device, stream)
	if err == nil {
		var text string
		if text, err = bodyText(w, q); err == nil {
			err = r.send(channelName(id, stream), text)
		}
	}
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	switch cloud.KindOf(err) {
	case cloud.Invalid:
		return http.StatusBadRequest
	case cloud.NotExist:
		return http.StatusNotFound
	case cloud.Exist:
		return http.StatusConflict
	case cloud.Permission:
		return http.StatusForbidden
	case cloud.Unauthentic:
		return http.StatusUnauthorized
	case cloud.Limited:
		return http.StatusTooManyRequests
	case cloud.Offline, cloud.Timeout:
		return http.StatusRequestTimeout
	case cloud.NoSpace:
		return http.StatusInsufficientStorage
	case cloud.Unsupported:
		return http.StatusMethodNotAllowed
	}
	return http.StatusInternalServerError
}

// fail answers with an error, in the shape that the API has.
func fail(w http.ResponseWriter, err error) {
	text := err.Error()
	writeJSON(w, statusOf(err), map[string]any{
		"ok": false, "error": text, "error_description": text, "errors": []string{text},
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"ok":false,"error":"the answer cannot be written"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}
