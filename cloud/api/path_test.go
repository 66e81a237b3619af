package api

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestSlashesAreNormalisedOnTheEncodedPath(t *testing.T) {
	tests := []struct{ path, want string }{
		{"/v1/devices", "/v1/devices"},
		{"//oauth/token", "/oauth/token"},
		{"/v1/webhooks/", "/v1/webhooks"},
		{"/v1//devices///", "/v1/devices"},
		{"/", "/"},
		{"///", "/"},
		{"/v1/devices/events/my%2Fev", "/v1/devices/events/my%2Fev"},
		{"/v1/devices/events/%2F%2Fev%2F/", "/v1/devices/events/%2F%2Fev%2F"},
		{"/v1/devices/my%20name/", "/v1/devices/my%20name"},
		{"/v1/../x/./", "/v1/../x/."},
	}
	for _, tt := range tests {
		r := normalise(httptest.NewRequest("patch", tt.path+"?a=b//", nil))
		if got := r.URL.EscapedPath(); got != tt.want || r.URL.RawQuery != "a=b//" || r.Method != "PATCH" {
			t.Errorf("%s: got %s %s?%s, want PATCH %s?a=b//", tt.path, r.Method, got, r.URL.RawQuery, tt.want)
		}
	}
}

func TestExtraSlashesGetTheSameAnswer(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1/devices", "/v1/webhooks", "/v1/integrations", "/v1/user"} {
		plain := w.do("GET "+path, as(w.alice))
		for _, odd := range []string{path + "/", "/" + path, strings.ReplaceAll(path, "/", "//") + "//"} {
			if got := w.do("GET "+odd, as(w.alice)); got.status != 200 || got.body != plain.body {
				t.Errorf("%s: %d %s, want what %s answers", odd, got.status, got.body, path)
			}
		}
	}
	w.do("POST //oauth/token", form("grant_type=password&username=alice&password=wrong+one")).fails(400, "invalid_grant", "User credentials are invalid")
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"/v1//devices/", "/%2F/%2f//", "/a%20b/%", "//", "/a;b/../."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse("http://h" + raw)
		if err != nil || u.Host != "h" {
			t.Skip("net/http would not let it in")
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = u
		once := normalise(r)
		path := once.URL.EscapedPath()
		if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || (path != "/" && strings.HasSuffix(path, "/")) {
			t.Errorf("%q became %q", u.EscapedPath(), path)
		}
		if again := normalise(once).URL.EscapedPath(); again != path {
			t.Errorf("%q, once more %q", path, again)
		}
		if want := strings.ReplaceAll(u.EscapedPath(), "/", ""); strings.ReplaceAll(path, "/", "") != want {
			t.Errorf("%q lost more than slashes: %q", u.EscapedPath(), path)
		}
	})
}
