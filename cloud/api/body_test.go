package api

import (
	"encoding/json"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// read returns the arguments of a request with this body.
func read(t *testing.T, target string, o option) (*args, error) {
	t.Helper()
	r := httptest.NewRequest("DELETE", target, nil)
	o(r)
	a := &args{query: parseForm(r.URL.RawQuery)}
	return a, a.readBody(httptest.NewRecorder(), r)
}

func TestBodyIsUnderstoodHoweverItComes(t *testing.T) {
	tests := []struct {
		what string
		body option
		want string
	}{
		{"JSON", jsonText(`{"k":"v"}`), "v"},
		{"JSON with charset", body("application/json; charset=utf-8", ` {"k":"v"} `), "v"},
		{"JSON of another kind", body("application/vnd.api+json", `{"k":"v"}`), "v"},
		{"JSON without a type", body("", `{"k":"v"}`), "v"},
		{"JSON called a form", form(`{"k":"v"}`), "v"},
		{"JSON called text", body("text/plain", `{"k":"v"}`), "v"},
		{"a form", form("k=v"), "v"},
		{"a form with more around", form("&a&k=v&k=w&b=c"), "v"},
		{"a form without a type", body("", "k=v"), "v"},
		{"a form of an odd type", body("text/plain", "k=v"), "v"},
		{"escapes", form("k=a+b%26c%3D"), "a b&c="},
		{"a raw semicolon", form("k=a;b"), "a;b"},
		{"an escape that is none", form("k=100%"), "100%"},
		{"a form that begins like JSON", form("{=x&k=v"), "v"},
		{"multipart", fields("k", "v", "k", "w"), "v"},
		{"a number", jsonText(`{"k":1.50}`), "1.50"},
		{"a large number", jsonText(`{"k":12345678901234567890}`), "12345678901234567890"},
		{"true", jsonText(`{"k":true}`), "true"},
		{"false", jsonText(`{"k":false}`), "false"},
		{"null", jsonText(`{"k":null}`), ""},
		{"nothing", form(""), ""},
		{"nested keys beside it", form("account_info[first_name]=x&groups[]=a&k=v"), "v"},
		{"an object beside it", jsonText(`{"account_info":{"first_name":"x"},"k":"v"}`), "v"},
	}
	for _, tt := range tests {
		a, err := read(t, "/", tt.body)
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		if got := a.text("k"); got != tt.want || a.err != nil {
			t.Errorf("%s: got %q, %v, want %q", tt.what, got, a.err, tt.want)
		}
	}
}

func TestBodyThatMakesNoSenseIsRefused(t *testing.T) {
	tests := []struct {
		what   string
		body   option
		status int
	}{
		{"cut JSON", jsonText(`{"k":"v"`), 400},
		{"a list", jsonText(`["v"]`), 400},
		{"a text", jsonText(`"v"`), 400},
		{"null", jsonText(`null`), 400},
		{"two objects", jsonText(`{"k":"v"}{}`), 400},
		{"a form called JSON", jsonText(`k=v`), 400},
		{"plain text", body("", "hello"), 400},
		{"cut JSON without a type", body("", `{"k":`), 400},
		{"too large", form("k=" + strings.Repeat("x", maxBody)), 413},
		{"too large JSON", jsonText(`{"k":"` + strings.Repeat("x", maxBody) + `"}`), 413},
		{"too large multipart", fields("k", strings.Repeat("x", maxBody+1)), 413},
		{"too many fields", fields("k", strings.Repeat("x", maxBody/2), "l", strings.Repeat("x", maxBody/2), "m", ""), 413},
		{"multipart without a boundary", body("multipart/form-data", "x"), 400},
		{"multipart cut off", body("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=k\r\n\r\nv"), 400},
	}
	for _, tt := range tests {
		if _, err := read(t, "/", tt.body); err == nil || failureOf(err).status != tt.status {
			t.Errorf("%s: got %v, want %d", tt.what, err, tt.status)
		}
	}
}

func TestFilesAreCountedAndNotKept(t *testing.T) {
	a, err := read(t, "/", parts(func(m *multipart.Writer) {
		m.WriteField("latest", "true")
		f, _ := m.CreateFormFile("file", "/tmp/my app.bin")
		f.Write(make([]byte, 1<<20))
		m.WriteField("k", "v")
	}))
	if err != nil || a.files != 1 || a.text("latest") != "true" || a.text("k") != "v" || a.has("file") {
		t.Errorf("got %d files, %v, %v", a.files, a.body, err)
	}
	_, err = read(t, "/", parts(func(m *multipart.Writer) {
		f, _ := m.CreateFormFile("file", "a.bin")
		f.Write(make([]byte, maxUpload))
	}))
	if err == nil || failureOf(err).status != 413 {
		t.Errorf("a file that is too large: %v", err)
	}
}

func TestArgumentKinds(t *testing.T) {
	a, err := read(t, "/?q=query&both=query", jsonText(
		`{"both":"body","n":"60","m":60,"neg":-1,"frac":1.5,"yes":"1","no":"false","maybe":"maybe","l":["a","b"],"s":"a,b c","o":{},"x":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	if a.text("q") != "query" || a.text("both") != "body" || a.number("n", 0) != 60 || a.number("m", 0) != 60 ||
		a.number("none", 7) != 7 || !a.flag("yes", false) || a.flag("no", true) || !a.flag("none", true) || a.flag("none", false) {
		t.Errorf("wrong values from %v and %v", a.body, a.query)
	}
	if l, s := strings.Join(a.list("l"), "|"), strings.Join(a.list("s"), "|"); l != "a|b" || s != "a|b|c" || len(a.list("none")) != 0 {
		t.Errorf("lists %q and %q", l, s)
	}
	if a.err != nil {
		t.Errorf("nothing was wrong: %v", a.err)
	}
	for name, use := range map[string]func(*args){
		"neg":   func(a *args) { a.number("neg", 0) },
		"frac":  func(a *args) { a.number("frac", 0) },
		"maybe": func(a *args) { a.flag("maybe", false) },
		"o":     func(a *args) { a.text("o") },
		"l":     func(a *args) { a.text("l") },
		"x":     func(a *args) { a.list("x") },
	} {
		b := *a
		if use(&b); b.err == nil || failureOf(b.err).status != 400 || !strings.HasPrefix(b.err.Error(), name) {
			t.Errorf("%s: got %v, want a 400 that names it", name, b.err)
		}
	}
}

// FuzzBody: no body makes the reader panic, and what it accepts as a form
// or as JSON holds the value that was put in.
func FuzzBody(f *testing.F) {
	f.Add("application/json", `{"args":"on"}`, "on")
	f.Add("application/x-www-form-urlencoded", "args=on&x;y=%", "a;b&c=%41+")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"args\"\r\n\r\non\r\n--b--\r\n", "\x00\xff")
	f.Add("", "{", "{")
	f.Fuzz(func(t *testing.T, kind, text, value string) {
		a, err := read(t, "/", body(kind, text))
		if err == nil {
			functionArgument(a)
			a.list("args")
			a.flag("private", true)
			a.number("ttl", 60)
		} else if s := failureOf(err).status; s != 400 && s != 413 {
			t.Errorf("%v has status %d", err, s)
		}
		if !utf8.ValidString(value) {
			return // JSON cannot carry it
		}
		encoded, _ := json.Marshal(map[string]string{"args": value})
		for what, o := range map[string]option{"JSON": jsonText(string(encoded)), "multipart": fields("args", value), "JSON without a type": body("", string(encoded))} {
			a, err := read(t, "/", o)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if got, err := functionArgument(a); got != value || err != nil {
				t.Errorf("%s: the argument %q became %q, %v", what, value, got, err)
			}
		}
	})
}

func TestBooleansAreTakenAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "TRUE": true, "1": true, "on": true, "Yes": true, "false": false, "False": false, "0": false, "off": false, "no": false} {
		a := args{body: map[string]any{"x": text}}
		if got := a.flag("x", !want); got != want || a.err != nil {
			t.Errorf("%q is %v, %v", text, got, a.err)
		}
	}
}

func TestByteOrderMarkIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.do("POST /v1/devices/events", as(w.alice), jsonText("\ufeff"+`{"name":"x"}`)).is(200, `{"ok":true}`)
}
