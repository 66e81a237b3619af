package relay

import (
	"embed"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"

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
	http.ServeContent(w, q, "", info.ModTime(), content) // zero for our own, which are embedded
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
