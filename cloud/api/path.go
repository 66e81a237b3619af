package api

import (
	"net/http"
	"net/url"
	"strings"
)

// normalise returns the request as the routes want it: //x and /x/ are /x,
// without a redirect, which would turn a POST into a GET; and the method is in upper
// case, since browsers send "patch" as it is given to them. It works on
// the encoded path, so that %2F stays what it is.
func normalise(r *http.Request) *http.Request {
	path := cleanPath(r.URL.EscapedPath())
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return r // cannot be: EscapedPath is well formed
	}
	out := new(http.Request)
	*out = *r
	out.URL = new(url.URL)
	*out.URL = *r.URL
	out.URL.Path, out.URL.RawPath = decoded, path
	out.Method = strings.ToUpper(r.Method)
	return out
}

// cleanPath collapses slashes and cuts the last one off.
func cleanPath(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			b.WriteByte('/')
			b.WriteString(part)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// unescapePath decodes a variable of the path; the router leaves it encoded.
func unescapePath(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
