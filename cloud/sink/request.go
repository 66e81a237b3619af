package sink

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"localcloud/cloud"
)

// userAgent begins as the official cloud's does: some targets look for it.
const userAgent = "ParticleBot/1.1 (localcloud)"

// ownHeaders belong to the connection or are made from the body: a hook cannot set them.
var ownHeaders = []string{
	"Connection", "Content-Length", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// newRequest makes the request of a hook for one event.
func newRequest(ctx context.Context, h *cloud.Hook, values []any) (*http.Request, error) {
	u, err := targetURL(h, values)
	if err != nil {
		return nil, err
	}
	body, contentType, err := payload(h, values)
	if err != nil {
		return nil, err
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, h.Method, u.String(), r)
	if err != nil {
		return nil, fmt.Errorf("the URL is none: %w", err)
	}
	req.Header.Set("User-Agent", userAgent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if h.JSON != nil {
		req.Header.Set("Accept", "application/json")
	}
	if err := authenticate(req, h.Auth, values); err != nil {
		return nil, err
	}
	return req, setHeaders(req, h.Headers, values)
}

// targetURL renders URL and query. For GET it carries the form too.
func targetURL(h *cloud.Hook, values []any) (*url.URL, error) {
	text, err := fill(h.URL, values)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("the template of the URL gives no URL")
	}
	if err := checkHost(h.URL, u); err != nil {
		return nil, err
	}
	var parts []pair
	if h.Method == http.MethodGet {
		if parts, err = formPairs(h, h.Form, values); err != nil {
			return nil, err
		}
	}
	query, err := fillMap(h.Query, values)
	if err != nil {
		return nil, err
	}
	if encoded := encodeForm(append(parts, sortedPairs(query)...)); encoded != "" {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += encoded
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// payload renders the body. The format is a form when the hook names none, and only POST and PUT have the defaults in it.
func payload(h *cloud.Hook, values []any) (body, contentType string, err error) {
	switch {
	case h.Method == http.MethodGet:
		return "", "", nil
	case h.Body != "":
		body, err = fill(h.Body, values)
		return body, "", err
	case h.JSON != nil:
		body, err = jsonPayload(h, values)
		return body, "application/json", err
	}
	parts, err := formPairs(h, h.Form, values)
	if err != nil || len(parts) == 0 {
		return "", "", err
	}
	return encodeForm(parts), "application/x-www-form-urlencoded", nil
}

// jsonPayload renders the template of a JSON body. One that is a string is rendered
// as a whole, so that what it gives may be numbers and objects.
func jsonPayload(h *cloud.Hook, values []any) (string, error) {
	v, err := fillJSON(decodeJSON(h.JSON), values)
	if err != nil {
		return "", err
	}
	text, templated := v.(string)
	if templated {
		if v = decodeJSON([]byte(text)); v == nil && strings.TrimSpace(text) != "null" {
			return "", fmt.Errorf("the template of the JSON body gives no JSON")
		}
	}
	object, ok := v.(map[string]any)
	if !ok || !hasDefaults(h) {
		if templated {
			return text, nil
		}
		return string(encodeJSON(v)), nil
	}
	for _, d := range defaults {
		if _, own := object[d.key]; !own {
			if object[d.key], err = fill(d.template, values); err != nil {
				return "", err
			}
		}
	}
	return string(encodeJSON(object)), nil
}

// hasDefaults reports whether event, data, coreid and published_at are sent without being asked for.
func hasDefaults(h *cloud.Hook) bool { return !h.NoDefaults && h.Method != http.MethodDelete }

type pair struct{ key, value string }

// formPairs renders a form, with the defaults before it.
func formPairs(h *cloud.Hook, form map[string]string, values []any) ([]pair, error) {
	own, err := fillMap(form, values)
	if err != nil {
		return nil, err
	}
	var parts []pair
	if hasDefaults(h) {
		for _, d := range defaults {
			if _, ok := own[d.key]; ok {
				continue
			}
			value, err := fill(d.template, values)
			if err != nil {
				return nil, err
			}
			parts = append(parts, pair{d.key, value})
		}
	}
	return append(parts, sortedPairs(own)...), nil
}

func sortedPairs(m map[string]string) (parts []pair) {
	for k, v := range m {
		parts = append(parts, pair{k, v})
	}
	slices.SortFunc(parts, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return parts
}

func encodeForm(parts []pair) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.key) + "=" + url.QueryEscape(p.value))
	}
	return b.String()
}

func authenticate(req *http.Request, auth cloud.HookAuth, values []any) error {
	var filled [3]string
	for i, text := range []string{auth.Username, auth.Password, auth.Bearer} {
		var err error
		if filled[i], err = fill(text, values); err != nil {
			return err
		}
	}
	switch {
	case auth.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+filled[2])
	case auth.Username != "" || auth.Password != "":
		req.SetBasicAuth(filled[0], filled[1])
	}
	return nil
}

// setHeaders renders the headers of a hook over those that it has anyway. What an
// event says can be no header of its own: a line end in it is an error.
func setHeaders(req *http.Request, headers map[string]string, values []any) error {
	filled, err := fillMap(headers, values)
	if err != nil {
		return err
	}
	for name, value := range filled {
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		switch {
		case !validHeaderName(name), !validHeaderValue(value):
			return fmt.Errorf("the header %.40q is not one with what the event says", name)
		case slices.Contains(ownHeaders, name):
		case name == "Host":
			req.Host = value
		default:
			req.Header.Set(name, value)
		}
	}
	return nil
}
