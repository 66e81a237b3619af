package relay

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"localcloud/cloud"
)

// adminPrefix is where the API of the relay begins, on its own port and on that of the cloud.
const adminPrefix = "/v1/localcloud/relay"

// Admin returns the relay's part of the API, for callers that may do everything: the cloud's
// API hands over requests of administrators. The paths begin with /v1/localcloud/relay.
func (r *Relay) Admin() http.Handler { return r.admin }

// Reader returns what streams lines and lists channels for somebody who sees these
// devices, whom the cloud's API has let in: GET /v1/localcloud/relay/lines and /overview,
// as /relay/lines and /relay/status.json on the relay's own port. A stream ends with the
// request's context; lines are written to the connection itself.
func (r *Relay) Reader(sees func(device string) bool) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET "+adminPrefix+"/overview", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, r.overview(reading{sees: sees}))
	})
	m.HandleFunc("GET "+adminPrefix+"/lines", func(w http.ResponseWriter, q *http.Request) {
		token := w.Header().Get("Access-Control-Allow-Origin") != "" // not with a cookie: the answer is for our own pages
		r.tagged(w, q, reading{token: token, sees: sees, hold: heldBy(q.Context())})
	})
	return m
}

// serveAdmin serves the relay's part of the API on its own port, where a token has to say who asks.
func (r *Relay) serveAdmin(w http.ResponseWriter, q *http.Request) {
	scheme, secret, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		fail(w, cloud.Errorf("", cloud.Unauthentic, "this takes a token: Authorization: Bearer TOKEN"))
		return
	}
	access, err := r.Cloud.Access(strings.TrimSpace(secret))
	switch {
	case err != nil:
		if no := r.wrong(refusedToken, addressOfText(q.RemoteAddr)); no == refusedGuesses {
			err = cloud.Errorf("", cloud.Limited, "%s", no)
		}
	case !access.Admin:
		err = cloud.Errorf("", cloud.Permission, "only an administrator may do that")
	}
	if err != nil {
		fail(w, err)
		return
	}
	r.admin.ServeHTTP(w, q)
}

// newAdmin is the table of the relay's API.
func (r *Relay) newAdmin() http.Handler {
	m := http.NewServeMux()
	handle := func(pattern string, h func(q *http.Request, in input) (any, error)) {
		method, path, _ := strings.Cut(pattern, " ")
		m.HandleFunc(method+" "+adminPrefix+path, func(w http.ResponseWriter, q *http.Request) {
			in, err := readInput(w, q)
			var out any
			if err == nil {
				out, err = h(q, in)
			}
			if err != nil {
				fail(w, err)
				return
			}
			writeJSON(w, http.StatusOK, out)
		})
	}
	handle("GET ", func(*http.Request, input) (any, error) { return r.Status(), nil })
	handle("GET /channels", func(*http.Request, input) (any, error) { return r.list(), nil })
	handle("GET /channels/{device}", r.showChannel)
	handle("DELETE /channels/{device}", r.kickDevice)
	handle("POST /channels/{device}/kick", r.kickDevice)
	handle("POST /channels/{device}/call", r.callDevice)
	handle("POST /channels/{device}/send", r.sendDevice)
	handle("GET /settings", func(*http.Request, input) (any, error) { return r.showSettings(), nil })
	handle("PUT /settings", r.setSettings)
	handle("PUT /allow", r.setAllow)
	handle("PUT /allow/{device}", r.allowDevice)
	handle("DELETE /allow/{device}", r.disallowDevice)
	handle("PUT /public/{name}", r.putPublic)
	handle("DELETE /public/{name}", r.deletePublic)
	handle("PUT /recordings/{device}", r.startRecording)
	handle("DELETE /recordings/{device}", r.stopRecording)
	handle("GET /recordings", func(*http.Request, input) (any, error) { return r.recorder.list(), nil })
	handle("POST /recordings/{file}/replay", r.replayRecording)
	m.HandleFunc("GET "+adminPrefix+"/recordings/{file}", r.downloadRecording)
	m.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		fail(w, cloud.Errorf("", cloud.NotExist, "there is no such address in the relay's API"))
	})
	return m
}

// done is the answer of requests that only change something.
var done = map[string]bool{"ok": true}

// input is the body of a request; a request without one has an empty one.
type input struct {
	Stream string   `json:"stream"`
	Block  bool     `json:"block"`
	Data   string   `json:"data"`
	Only   string   `json:"only"` // "any" or "listed"
	Device string   `json:"device"`
	Events string   `json:"events"`
	Fields []string `json:"fields"`
	Title  string   `json:"title"`
	Speed  float64  `json:"speed"`
	Always bool     `json:"always"`
	Reset  bool     `json:"reset"`
	Settings
}

const maxBody = 64 << 10

func readInput(w http.ResponseWriter, q *http.Request) (in input, err error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if err != nil {
		return in, cloud.E("", cloud.Invalid, err)
	}
	if len(b) > 0 {
		if err = json.Unmarshal(b, &in); err != nil {
			return in, cloud.Errorf("", cloud.Invalid, "the body is no JSON object of the right members: %w", err)
		}
	}
	if !validStream(in.Stream) {
		err = cloud.Errorf("", cloud.Invalid, "a stream's name has 1 to 32 letters, digits, - or _")
	}
	return in, err
}

// bodyText returns the body of a request as text.
func bodyText(w http.ResponseWriter, q *http.Request) (string, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if err != nil {
		return "", cloud.E("", cloud.Invalid, err)
	}
	return string(b), nil
}

// device returns the id of the device that the path names, by id or name.
func (r *Relay) device(q *http.Request) (string, error) {
	d, err := r.Cloud.Device(q.Context(), q.PathValue("device"))
	if err != nil {
		return "", err
	}
	return d.ID, nil
}

// showChannel answers with a device's channels and what happened to it.
func (r *Relay) showChannel(q *http.Request, _ input) (any, error) {
	id, err := r.device(q)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(r.list(), func(c Channel) bool { return c.Device != id })
	r.mu.Lock()
	defer r.mu.Unlock()
	var rec Record
	if known := r.records[id]; known != nil {
		rec = *known
	}
	return map[string]any{"device": id, "channels": own, "record": rec, "allowed": r.state.allows(id)}, nil
}

// kickDevice ends a device's streams; with block it is not let in again.
func (r *Relay) kickDevice(q *http.Request, in input) (any, error) {
	id, err := r.device(q)
	if err != nil {
		return nil, err
	}
	ended := r.Kick(id)
	if in.Block || q.URL.Query().Get("block") == "true" {
		err = r.Allow(id, false)
	}
	return map[string]any{"ok": true, "ended": ended}, err
}

// Kick ends the device's streams and returns how many there were.
func (r *Relay) Kick(device string) (n int) {
	r.mu.Lock()
	var own []*stream
	for _, s := range r.streams {
		if s.device == device {
			own = append(own, s)
		}
	}
	r.mu.Unlock()
	for _, s := range own {
		s.end(errKicked)
	}
	return len(own)
}

// Allow lets a device in, or not, from now on.
func (r *Relay) Allow(device string, yes bool) error {
	err := r.state.change(func(v *remembered) error {
		is := func(id string) bool { return id == device }
		v.Allowed, v.Blocked = slices.DeleteFunc(v.Allowed, is), slices.DeleteFunc(v.Blocked, is)
		if yes {
			v.Allowed = append(v.Allowed, device)
		} else {
			v.Blocked = append(v.Blocked, device)
		}
		return nil
	})
	if err == nil && !yes {
		r.Kick(device)
	}
	return err
}

func (r *Relay) allowDevice(q *http.Request, _ input) (any, error) {
	id, err := r.device(q)
	if err == nil {
		err = r.Allow(id, true)
	}
	return done, err
}

func (r *Relay) disallowDevice(q *http.Request, _ input) (any, error) {
	id, err := r.device(q)
	if err == nil {
		err = r.Allow(id, false)
	}
	return done, err
}

// setAllow says whether any device of the cloud may use the relay, or only those that are allowed by name.
func (r *Relay) setAllow(_ *http.Request, in input) (any, error) {
	if in.Only != "any" && in.Only != "listed" {
		return nil, cloud.Errorf("allow", cloud.Invalid, "only is any or listed")
	}
	err := r.state.change(func(v *remembered) error { v.Listed = in.Only == "listed"; return nil })
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	var out []*stream
	for _, s := range r.streams {
		if !r.state.allows(s.device) {
			out = append(out, s)
		}
	}
	r.mu.Unlock()
	for _, s := range out {
		s.end(errKicked)
	}
	return done, nil
}

// callDevice calls a device now, as if it had asked.
func (r *Relay) callDevice(q *http.Request, _ input) (any, error) {
	id, err := r.device(q)
	if err == nil {
		r.mu.Lock()
		r.recordLocked(id).Other = time.Time{} // the owner wants it here
		r.mu.Unlock()
		r.invite(id, "", 0)
	}
	return done, err
}

func (r *Relay) sendDevice(q *http.Request, in input) (any, error) {
	id, err := r.device(q)
	if err == nil {
		err = r.send(channelName(id, in.Stream), in.Data)
	}
	return done, err
}

func (r *Relay) putPublic(q *http.Request, in input) (any, error) {
	p := Publication{Stream: in.Stream, Events: in.Events, Fields: in.Fields, Title: in.Title}
	if in.Device != "" {
		d, err := r.Cloud.Device(q.Context(), in.Device)
		if err != nil {
			return nil, err
		}
		p.Device = d.ID
	}
	name := q.PathValue("name")
	if err := r.Publish(name, p); err != nil {
		return nil, err
	}
	return map[string]any{"name": name, "page": "/p/" + name, "stream": "/public/" + name, "port": r.port.Load()}, nil
}

func (r *Relay) deletePublic(q *http.Request, _ input) (any, error) {
	return done, r.Unpublish(q.PathValue("name"))
}

func (r *Relay) startRecording(q *http.Request, in input) (any, error) {
	id, err := r.device(q)
	if err == nil {
		err = r.Record(channelName(id, in.Stream), in.Always)
	}
	return done, err
}

func (r *Relay) stopRecording(q *http.Request, in input) (any, error) {
	id, err := r.device(q)
	if err == nil {
		stream := in.Stream
		if s := q.URL.Query().Get("stream"); validStream(s) && s != "" {
			stream = s
		}
		err = r.StopRecord(channelName(id, stream))
	}
	return done, err
}

func (r *Relay) replayRecording(q *http.Request, in input) (any, error) {
	name, err := r.Replay(q.PathValue("file"), in.Speed)
	return map[string]any{"ok": err == nil, "channel": name, "data": "/data/" + name}, err
}

func (r *Relay) downloadRecording(w http.ResponseWriter, q *http.Request) {
	format := q.URL.Query().Get("format")
	if format == "" {
		format = "ndjson"
	}
	if err := r.recorder.download(w, q.PathValue("file"), format); err != nil {
		fail(w, err)
	}
}
