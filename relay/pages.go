package relay

import (
	"embed"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"localcloud/cloud"
)

// Our own pages: plain files without a build, which load nothing from elsewhere.
//
//go:embed pages
var ownPages embed.FS

// strict lets our pages use nothing but what this server gives them.
const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pages are the files that are served: the owner's, and ours.
type pages struct {
	own   fs.FS
	owner *os.Root // nil: there are none
}

func openPages(dir string) (*pages, error) {
	own, err := fs.Sub(ownPages, "pages")
	if err != nil {
		return nil, err
	}
	p := &pages{own: own}
	if dir == "" {
		return p, nil
	}
	if p.owner, err = os.OpenRoot(dir); err != nil {
		return nil, cloud.Errorf("relay pages", cloud.Invalid, "%w; choose another folder with --relay-pages", err)
	}
	return p, nil
}

// types are the types of files by their ending: what the original knew, and what pages use today.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".json": "application/json",
	".txt": "text/plain; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".map": "application/json",
	".gif": "image/gif", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml",
	".webp": "image/webp", ".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".wasm": "application/wasm",
}

// serveFile serves the owner's files, and where there is none, ours. A folder of pages has its
// data beside it: FOLDER/data is the channel of all devices.
func (r *Relay) serveFile(w http.ResponseWriter, q *http.Request) {
	name := strings.TrimPrefix(path.Clean(q.URL.Path), "/")
	if folder, last := path.Split(name); last == "data" && folder != "" && r.pages.isFolder(strings.TrimSuffix(folder, "/")) {
		r.serveData(w, q, "")
		return
	}
	if r.pages.owner != nil && r.serveFrom(w, q, name, r.pages.open, "") {
		return
	}
	if name == "" || name == "." {
		http.Redirect(w, q, "/relay/", http.StatusTemporaryRedirect)
		return
	}
	if name == "livegraph" || name == "liveimu" {
		http.Redirect(w, q, "/relay/"+name+"/", http.StatusTemporaryRedirect)
		return
	}
	if r.serveFrom(w, q, name, r.pages.openOwn, strict) {
		return
	}
	fail(w, cloud.Errorf("", cloud.NotExist, "there is nothing at this address; the relay's pages begin at /relay/"))
}

// serveOwn serves what is below /relay/: our pages, the list of channels, and
// the owner's pages for one device, /relay/DEVICE/PAGE/, with the device's data beside them.
func (r *Relay) serveOwn(w http.ResponseWriter, q *http.Request, rest string) {
	if rest == "lines" {
		r.serveTagged(w, q)
		return
	}
	if rest == "status.json" {
		if reader, ok := r.mayRead(w, q); ok {
			writeJSON(w, http.StatusOK, r.overview(reader))
		}
		return
	}
	if r.serveFrom(w, q, strings.TrimSuffix(rest, "/"), r.pages.openOwn, strict) {
		return
	}
	device, page, _ := strings.Cut(rest, "/")
	page = strings.TrimSuffix(page, "/")
	if folder, last := path.Split(page); last == "data" {
		if folder == "" || r.pages.isFolder(strings.TrimSuffix(folder, "/")) {
			r.serveData(w, q, device)
			return
		}
	}
	if page != "" && r.pages.owner != nil && r.serveFrom(w, q, page, r.pages.open, "") {
		return
	}
	fail(w, cloud.Errorf("", cloud.NotExist, "there is no such page; the relay's pages begin at /relay/"))
}

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

// open opens one of the owner's files. Nothing outside their folder can be
// reached, neither by .. nor through a link; files that begin with a dot are private.
func (p *pages) open(name string) (fs.File, error) {
	if name == "" {
		name = "."
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && name != "." {
			return nil, fs.ErrNotExist
		}
	}
	return p.owner.Open(name)
}

func (p *pages) openOwn(name string) (fs.File, error) {
	if name == "" {
		name = "."
	}
	return p.own.Open(name)
}

// isFolder reports whether the owner has a folder of that name.
func (p *pages) isFolder(name string) bool {
	if p.owner == nil {
		return false
	}
	f, err := p.open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && info.IsDir()
}

// serveFrom answers with a file, or with a folder's index.html. It reports false, and has answered nothing, when there is none.
func (r *Relay) serveFrom(
	w http.ResponseWriter, q *http.Request, name string, open func(string) (fs.File, error), policy string,
) bool {
	f, info, err := openFile(open, name)
	if err != nil {
		return false
	}
	defer f.Close()
	if info.IsDir() {
		index, indexInfo, err := openFile(open, path.Join(name, "index.html"))
		if err != nil || indexInfo.IsDir() {
			return false
		}
		defer index.Close()
		if !strings.HasSuffix(q.URL.Path, "/") { // or what the page names would be looked for beside the folder
			http.Redirect(w, q, (&localURL{path: q.URL.Path + "/", query: q.URL.RawQuery}).String(), http.StatusTemporaryRedirect)
			return true
		}
		f, info = index, indexInfo
	}
	content, ok := f.(io.ReadSeeker)
	if !ok || q.Method != http.MethodGet && q.Method != http.MethodHead {
		return false
	}
	kind := types[strings.ToLower(path.Ext(info.Name()))]
	if kind == "" {
		kind = "application/octet-stream"
	}
	pageHeader(w.Header(), kind, policy)
	http.ServeContent(w, q, "", modTime(info), content)
	return true
}

func pageHeader(h http.Header, kind, policy string) {
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("Referrer-Policy", "no-referrer") // an address may hold a token
	if policy != "" {
		h.Set("Content-Security-Policy", policy)
	}
}

// localURL is an address on this server, which never looks like another host's.
type localURL struct{ path, query string }

// String returns the address, with a single slash in front.
func (u *localURL) String() string {
	s := "/" + strings.TrimLeft(u.path, "/\\")
	if u.query != "" {
		s += "?" + u.query
	}
	return s
}

func openFile(open func(string) (fs.File, error), name string) (fs.File, fs.FileInfo, error) {
	f, err := open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() { // a pipe would block for ever
		err = errors.New("not a file")
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// modTime is zero for embedded files, which have none.
func modTime(info fs.FileInfo) time.Time { return info.ModTime() }
