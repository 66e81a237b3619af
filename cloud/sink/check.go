package sink

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"localcloud/cloud"
)

// Check reports why a hook cannot work, if so, in words for the person who
// makes it: a template that is broken, an address that is none.
func Check(h cloud.Hook) error {
	switch {
	case h.Event == "":
		return invalid("event is missing: the beginning of the names of the events that fire it")
	case len(h.Event) > cloud.MaxEventName:
		return invalid("event is longer than the name of any event (%d bytes)", cloud.MaxEventName)
	case !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, h.Method):
		return invalid("requestType has to be GET, POST, PUT or DELETE")
	}
	if err := checkURL(h.URL); err != nil {
		return err
	}
	formats := 0
	for _, given := range []bool{h.JSON != nil, h.Form != nil, h.Body != ""} {
		if given {
			formats++
		}
	}
	if formats > 1 {
		return invalid("json, form and body exclude each other: give one of them")
	}
	return checkTemplates(h)
}

// Check is the function Check.
func (*Sink) Check(h cloud.Hook) error { return Check(h) }

func invalid(format string, args ...any) error {
	return cloud.Errorf("", cloud.Invalid, format, args...)
}

// checkURL looks at what stands before the first tag of a URL.
func checkURL(s string) error {
	if s == "" {
		return invalid("url is missing")
	}
	before, _, templated := strings.Cut(s, "{{")
	lower := strings.ToLower(before)
	if templated && !strings.Contains(lower, "://") {
		if strings.HasPrefix("https://", lower) || strings.HasPrefix("http://", lower) {
			return nil // the template writes the rest
		}
	}
	u, err := url.Parse(before)
	if templated && strings.HasSuffix(before, "://") {
		u, err = url.Parse(before + "host")
	}
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return invalid("url has to look like http://host/path")
	}
	return nil
}

func checkTemplates(h cloud.Hook) error {
	texts := map[string][]string{
		"url": {h.URL}, "body": {h.Body}, "auth": {h.Auth.Username, h.Auth.Password, h.Auth.Bearer},
		"responseTopic": {h.ResponseTopic}, "errorResponseTopic": {h.ErrorResponseTopic},
		"form": pairs(h.Form), "query": pairs(h.Query), "headers": pairs(h.Headers),
	}
	for field, list := range texts {
		for _, text := range list {
			if _, err := parseTemplate(text); err != nil {
				return invalid("%s: the template is broken: %w", field, err)
			}
		}
	}
	for field, b := range map[string][]byte{"json": h.JSON, "responseTemplate": h.ResponseTemplate} {
		if b == nil {
			continue
		}
		if _, err := fillJSON(decodeJSON(b), []any{nil}); err != nil {
			return invalid("%s: the template is broken: %w", field, err)
		}
	}
	for name := range h.Headers {
		if !strings.Contains(name, "{{") && !validHeaderName(name) {
			return invalid("headers: %q is no name of a header", name)
		}
	}
	return nil
}

func pairs(m map[string]string) (texts []string) {
	for k, v := range m {
		texts = append(texts, k, v)
	}
	return texts
}

// errHost says that the event's data would have led the request elsewhere.
var errHost = fmt.Errorf("the event's data changes the host of the URL, which the template does not leave open")

// checkHost reports whether the URL still leads where its template says, when that names the whole host.
func checkHost(tmpl string, u *url.URL) error {
	before, _, templated := strings.Cut(tmpl, "{{")
	_, authority, ok := strings.Cut(before, "://")
	if !templated || !ok || !strings.ContainsAny(authority, "/?#") {
		return nil
	}
	if want, err := url.Parse(before); err == nil && want.Host == u.Host && want.Scheme == u.Scheme {
		return nil
	}
	return errHost
}

// validHeaderName reports whether s is a token (RFC 9110, 5.6.2).
func validHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	})
}

// validHeaderValue reports whether s holds nothing that ends a header.
func validHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < ' ' && r != '\t') || r == 0x7f })
}
