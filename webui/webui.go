// Package webui holds the web console, and hands its files to browsers.
//
// The console is TypeScript, below src, and talks to the cloud only over the
// public API. `npm run build` writes it into dist, which is embedded here.
// Without that step the package builds too; every page then says which command
// makes the console.
//
// It may be imported by the program only, and imports nothing of ours.
package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// Root is where the console's pages lie. "/" leads there; every other path belongs to the API.
const Root = "/console/"

// Built reports whether the console was built before the program was.
func Built() bool {
	_, err := dist.ReadFile("dist/index.html")
	return err == nil
}

// Around returns a handler that answers for the console's paths and leaves every other one to api.
func Around(api http.Handler) http.Handler {
	built, _ := fs.Sub(dist, "dist") // fails for an invalid path only
	return around(newConsole(built), api)
}

func around(console, api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		looks := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case looks && (r.URL.Path == "/" || r.URL.Path == "/console"):
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, Root, http.StatusFound)
		case looks && strings.HasPrefix(r.URL.Path, Root):
			console.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// policy is what pages of the console may do: load what this server serves, and
// nothing else. No script, style or handler stands in a page itself, and no
// text becomes markup or code (trusted types); "localcloud" is the one
// policy that src/stream/feed.ts makes, for the address of its worker.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types localcloud"

// file is one file of the console as it is sent.
type file struct {
	kind    string
	plain   []byte
	zipped  []byte // nil when it gets no smaller
	tag     string
	forever bool // its name changes with its content
}

// console serves built files, and the page for every other path below Root.
type console struct{ files map[string]file }

func newConsole(built fs.FS) http.Handler {
	c := console{files: map[string]file{}}
	err := fs.WalkDir(built, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		content, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		c.files[name] = newFile(name, content)
		return nil
	})
	if _, ok := c.files["index.html"]; !ok || err != nil {
		return http.HandlerFunc(notBuilt)
	}
	return c
}

func newFile(name string, content []byte) file {
	sum := sha256.Sum256(content)
	f := file{
		kind: kindOf(name), plain: content,
		tag: `"` + hex.EncodeToString(sum[:8]) + `"`, forever: strings.HasPrefix(name, "assets/"),
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // fails for an invalid level only
	_, err := z.Write(content)
	if err = errors.Join(err, z.Close()); err == nil && b.Len() < len(content)*9/10 {
		f.zipped = b.Bytes()
	}
	return f
}

// kindOf does not trust the machine's own table of types alone, which on some is wrong for scripts.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// ServeHTTP implements http.Handler. A path that names no file is a page's: the console's router knows it.
func (c console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Root)
	f, ok := c.files[name]
	if !ok && strings.HasPrefix(name, "assets/") {
		http.Error(w, "This file belongs to another version of the console: load the page again.", http.StatusNotFound)
		return
	}
	if !ok {
		f = c.files["index.html"]
	}
	h := w.Header()
	secure(h)
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if f.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if f.zipped != nil && acceptsGzip(r) {
		body = f.zipped
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=(), serial=()")
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" {
			return !strings.HasPrefix(strings.ReplaceAll(quality, " ", ""), "q=0") || strings.Contains(quality, "0.")
		}
	}
	return false
}

// notBuilt answers for every page when there is none.
func notBuilt(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method != http.MethodHead {
		fmt.Fprint(w, notBuiltPage)
	}
}

const notBuiltPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>localcloud</title>
<h1>The cloud runs, its console is missing</h1>
<p>This program was built without the web console. Boards, the API and the commands work all the same.</p>
<p>To have the console: install Node.js 20.19 or newer, then, in the source of localcloud, run</p>
<pre>make build</pre>
<p>and start <code>bin/localcloud serve</code>. The archives that are ready to run hold it already.</p>
`
