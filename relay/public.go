package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"localcloud/cloud"
)

// Publication is something that the owner shows to everybody who can reach the
// relay: a channel, or events whose names begin alike. It holds no token, is
// only read, and shows the chosen fields and nothing else.
type Publication struct {
	Device string   `json:"device,omitempty"` // id; a channel
	Stream string   `json:"stream,omitempty"`
	Events string   `json:"events,omitempty"` // beginning of names; instead of a channel
	Fields []string `json:"fields,omitempty"` // see publicFields; empty: data alone
	Title  string   `json:"title,omitempty"`
}

// publicFields are what a publication can show of each line or event. With
// data alone lines go out as they are, and otherwise as JSON objects of these members.
var publicFields = []string{"data", "time", "name", "device"}

// Bounds of a publication's viewers.
const (
	maxPublicViewers = 1024
	maxPublicEach    = 16 // of one address
)

// publication is a Publication that is on.
type publication struct {
	Publication
	channel *channel
	since   uint64 // the first line that is public: what came before it was not
	ctx     context.Context
	end     context.CancelCauseFunc

	viewers *crowd
}

var publicName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// check reports what is wrong with a publication.
func (p *Publication) check(name string) error {
	switch {
	case !publicName.MatchString(name):
		return cloud.Errorf("publish", cloud.Invalid, "a public name has 1 to 64 letters, digits, - or _")
	case (p.Device == "") == (p.Events == ""):
		return cloud.Errorf("publish", cloud.Invalid, "publish either a device's channel or events")
	case !validStream(p.Stream) || len(p.Title) > 100:
		return cloud.Errorf("publish", cloud.Invalid, "the stream or the title is too long or holds odd characters")
	}
	for _, f := range p.Fields {
		if !slices.Contains(publicFields, f) {
			return cloud.Errorf("publish", cloud.Invalid, "there is no field %q; there are %s", f, strings.Join(publicFields, ", "))
		}
	}
	return nil
}

// Publish makes something public under a name; what had the name before ends.
func (r *Relay) Publish(name string, p Publication) error {
	if err := p.check(name); err != nil {
		return err
	}
	err := r.state.change(func(v *remembered) error {
		if v.Public == nil {
			v.Public = make(map[string]Publication)
		}
		if _, old := v.Public[name]; !old && len(v.Public) >= 100 {
			return cloud.Errorf("publish", cloud.Limited, "100 things are public already")
		}
		v.Public[name] = p
		return nil
	})
	if err == nil {
		r.turnOn(name, p)
	}
	return err
}

// Unpublish makes it private again and cuts off who is looking.
func (r *Relay) Unpublish(name string) error {
	err := r.state.change(func(v *remembered) error {
		if _, ok := v.Public[name]; !ok {
			return cloud.Errorf("unpublish", cloud.NotExist, "nothing is public under the name %q", name)
		}
		delete(v.Public, name)
		return nil
	})
	if err == nil {
		r.turnOff(name)
	}
	return err
}

var errUnpublished = protocolError{closePolicy, "this is not public any more"}

func (r *Relay) turnOff(name string) {
	r.mu.Lock()
	old := r.public[name]
	delete(r.public, name)
	r.mu.Unlock()
	if old == nil {
		return
	}
	old.end(errUnpublished)
	if old.Device != "" {
		r.letGo(old.channel)
	}
}

func (r *Relay) turnOn(name string, p Publication) {
	r.turnOff(name)
	on := &publication{Publication: p, viewers: newCrowd(maxPublicViewers, maxPublicEach)}
	on.ctx, on.end = context.WithCancelCause(r.context)
	if p.Events != "" {
		on.channel = newChannel("", "", 1)
		r.work.Go(func() { r.showEvents(on) })
	} else if on.channel = r.use(p.Device, p.Stream); on.channel == nil {
		return
	}
	on.since = on.channel.following()
	r.mu.Lock()
	r.public[name] = on
	r.mu.Unlock()
}

// showEvents turns events into lines until the publication ends.
func (r *Relay) showEvents(on *publication) {
	r.Cloud.Events(on.ctx, on.Events, func(n Notice) {
		frame := appendShown(nil, on.Fields, shown{Data: n.Data, Name: n.Event, Device: n.Device, at: time.Now()})
		on.channel.publish(batch{n: 1, at: time.Now().UnixMilli(), frames: frame})
	})
}

// shown is one line or event as a publication shows it.
type shown struct {
	Data, Name, Device string
	at                 time.Time
}

// appendShown appends a frame with the chosen fields.
func appendShown(dst []byte, fields []string, s shown) []byte {
	if len(fields) == 0 || len(fields) == 1 && fields[0] == "data" {
		var split splitter
		dst, _ = split.feed(dst, []byte(s.Data))
		dst, _ = split.end(dst)
		return dst
	}
	object := make(map[string]string, len(fields))
	for _, f := range fields {
		switch f {
		case "data":
			object[f] = strings.ToValidUTF8(s.Data, string(utf8.RuneError))
		case "time":
			object[f] = s.at.UTC().Format("2006-01-02T15:04:05.000Z")
		case "name":
			object[f] = s.Name
		case "device":
			object[f] = s.Device
		}
	}
	b, _ := json.Marshal(object) // a map of strings
	return appendFrame(dst, b)
}

// servePublic streams what is public under a name. It needs no token and tells nothing else.
func (r *Relay) servePublic(w http.ResponseWriter, q *http.Request, name string) {
	name, rest, _ := strings.Cut(name, "/")
	r.mu.Lock()
	on := r.public[name]
	r.mu.Unlock()
	switch {
	case on == nil || rest != "":
		fail(w, cloud.Errorf("", cloud.NotExist, "nothing is public under this name"))
		return
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
		w.Header().Set("Allow", "GET")
		fail(w, cloud.Errorf("", cloud.Unsupported, "what is public is only read"))
		return
	}
	from := addressOfText(q.RemoteAddr)
	if !on.viewers.enter(from) {
		r.counts.viewersRefused.Add(1)
		overloaded(w)
		return
	}
	defer on.viewers.leave(from)
	reader := reading{token: true, since: on.since, hold: func(context.Context) (context.Context, func()) { return on.ctx, func() {} }}
	if wantsSocket(q) {
		r.viewSocket(w, q, on.channel, reader)
		return
	}
	st := style{events: true}
	if on.Device != "" && len(on.Fields) > 0 {
		names := r.deviceNames()
		st.render = func(dst []byte, b *batch) []byte { return renderShown(dst, b, on.Fields, names[b.from.device]) }
	}
	r.stream(w, q, on.channel, reader, st)
}

func renderShown(dst []byte, b *batch, fields []string, name string) []byte {
	frames := b.frames
	for range b.n {
		var line []byte
		line, frames = cutFrame(frames)
		dst = appendShown(dst, fields, shown{Data: string(line), Name: name, Device: b.from.device, at: time.UnixMilli(b.at)})
	}
	return dst
}

// servePublicPage serves the page that shows what is public under a name, /p/NAME: livegraph, with the
// title that the owner chose and without what leads elsewhere. What was or will be public has its page, too, which waits.
func (r *Relay) servePublicPage(w http.ResponseWriter, q *http.Request, name string) {
	page, err := fs.ReadFile(r.pages.own, "livegraph/index.html")
	if err != nil || !publicName.MatchString(name) {
		fail(w, cloud.Errorf("", cloud.NotExist, "nothing is public under this name"))
		return
	}
	title := strings.ReplaceAll(name, "-", " ")
	r.mu.Lock()
	if on := r.public[name]; on != nil && on.Title != "" {
		title = on.Title
	}
	r.mu.Unlock()
	page = bytes.ReplaceAll(page, []byte(">livegraph<"), []byte(">"+html.EscapeString(title)+"<"))
	page = bytes.Replace(page, []byte("<body>"), []byte(`<body class="public">`), 1)
	pageHeader(w.Header(), types[".html"], strict)
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(page))
}
