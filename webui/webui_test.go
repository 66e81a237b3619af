package webui

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// tree is a console with the files that matter here.
var tree = fstest.MapFS{
	"index.html":       {Data: []byte("<title>console</title>" + strings.Repeat(" ", 500))},
	"assets/app-1a.js": {Data: []byte(strings.Repeat("let a;\n", 100))},
	"favicon.svg":      {Data: []byte("<svg/>")},
	".gitignore":       {Data: []byte("*")},
}

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func overAPI(console http.Handler) http.Handler {
	return around(console, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "api") }))
}

func TestConsoleTakesItsOwnPathsOnly(t *testing.T) {
	h := overAPI(newConsole(tree))
	for _, test := range []struct {
		method, path string
		status       int
		body         string // beginning
	}{
		{"GET", "/console/", 200, "<title>console"},
		{"GET", "/console/devices/0123456789abcdef01234567", 200, "<title>console"},
		{"GET", "/console/.gitignore", 200, "<title>console"},
		{"GET", "/console/../../webui.go", 200, "<title>console"},
		{"GET", "/console/assets/app-1a.js", 200, "let a;"},
		{"GET", "/console/assets/app-of-yesterday.js", 404, "This file belongs to another version"},
		{"GET", "/console/favicon.svg", 200, "<svg/>"},
		{"HEAD", "/console/", 200, ""},
		{"POST", "/console/", 200, "api"},
		{"GET", "/", 302, ""},
		{"POST", "/", 200, "api"},
		{"GET", "/consoles", 200, "api"},
		{"GET", "/v1/devices", 200, "api"},
	} {
		w := ask(h, test.method, test.path)
		if w.Code != test.status || test.status != 302 && (!strings.HasPrefix(w.Body.String(), test.body) || test.body == "" && w.Body.Len() > 0) {
			t.Errorf("%s %s: %d %.40q, want %d %q", test.method, test.path, w.Code, w.Body, test.status, test.body)
		}
	}
	if to := ask(h, "GET", "/").Header().Get("Location"); to != Root {
		t.Errorf("/ leads to %q", to)
	}
}

func TestEveryPageHasAStrictPolicy(t *testing.T) {
	for name, h := range map[string]http.Handler{"built": newConsole(tree), "not built": newConsole(fstest.MapFS{})} {
		header := ask(h, "GET", "/console/").Header()
		csp := header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %s", name, csp, want)
			}
		}
		for _, never := range []string{"unsafe", "*", "http", "data:"} {
			if strings.Contains(csp, never) {
				t.Errorf("%s: policy %q holds %s", name, csp, never)
			}
		}
		if header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may guess types", name)
		}
	}
}

func TestFilesAreKeptAsLongAsTheirNamesAllow(t *testing.T) {
	h := newConsole(tree)
	script := ask(h, "GET", "/console/assets/app-1a.js")
	if c := script.Header().Get("Cache-Control"); !strings.Contains(c, "immutable") {
		t.Errorf("script: Cache-Control %q", c)
	}
	page := ask(h, "GET", "/console/")
	if c := page.Header().Get("Cache-Control"); c != "no-cache" {
		t.Errorf("page: Cache-Control %q", c)
	}
	again := ask(h, "GET", "/console/", "If-None-Match", page.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("the same page again: %d, %d bytes", again.Code, again.Body.Len())
	}
}

func TestFilesTravelCompressed(t *testing.T) {
	h := newConsole(tree)
	for _, test := range []struct {
		accept string
		zipped bool
	}{{"gzip, deflate", true}, {"deflate, gzip;q=0.5", true}, {"gzip;q=0", false}, {"", false}} {
		w := ask(h, "GET", "/console/assets/app-1a.js", "Accept-Encoding", test.accept)
		if zipped := w.Header().Get("Content-Encoding") == "gzip"; zipped != test.zipped {
			t.Errorf("Accept-Encoding %q: compressed %v", test.accept, zipped)
			continue
		}
		var body io.Reader = w.Body
		if test.zipped {
			var err error
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := io.ReadAll(body); err != nil || string(b) != string(tree["assets/app-1a.js"].Data) {
			t.Errorf("Accept-Encoding %q: %d bytes, %v", test.accept, len(b), err)
		}
	}
}

func TestWithoutAConsoleEveryPageSaysWhatToRun(t *testing.T) {
	h := overAPI(newConsole(fstest.MapFS{".gitignore": {Data: []byte("*")}}))
	for _, path := range []string{"/console/", "/console/devices", "/console/assets/app-1a.js"} {
		w := ask(h, "GET", path)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make build") {
			t.Errorf("%s: %d %.60q", path, w.Code, w.Body)
		}
	}
	if w := ask(h, "GET", "/v1/devices"); w.Body.String() != "api" {
		t.Errorf("the API: %q", w.Body)
	}
}

// What is embedded is either nothing or a whole console.
func TestEmbeddedConsoleIsWhole(t *testing.T) {
	w := ask(Around(http.NotFoundHandler()), "GET", Root)
	want := http.StatusServiceUnavailable
	if Built() {
		want = http.StatusOK
	}
	if w.Code != want {
		t.Errorf("status %d, built %v", w.Code, Built())
	}
}
