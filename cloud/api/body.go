package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bounds of a request's body.
const (
	maxBody    = 64 << 10 // of all fields together
	maxText    = 1 << 20  // of a file that is kept
	maxUpload  = 12 << 20 // with files; particle-cli itself sends at most 10 MB
	bodyPeriod = 30 * time.Second
)

// args are the arguments of a request: the fields of its body, and behind
// them those of the query. Clients send the same thing as a form, as JSON,
// as multipart and without any type (http-api.md, 2.2), so all are read alike.
type args struct {
	body  map[string]any // string, bool, json.Number, nil, []any or map[string]any
	query map[string]string
	files int // parts of a multipart body that are files

	upload     []byte // the first of these; nil: it has more than maxText bytes
	uploadName string // as it came, which may be a path

	err error // the first argument that made no sense
}

// limitBody gives all of a request's body a time in which it has to come. Who
// has read to its end lifts the limit. Otherwise it stays, because net/http reads what is left
// of a short body before it sends the answer, and would wait for it for ever.
func limitBody(w http.ResponseWriter, r *http.Request) {
	if hasBody(r) {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPeriod)) // tests have writers without deadlines
	}
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// readBody reads the body into a.
func (a *args) readBody(w http.ResponseWriter, r *http.Request) error {
	if !hasBody(r) {
		return nil
	}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		body := http.MaxBytesReader(w, r.Body, maxUpload)
		err := a.readMultipart(multipart.NewReader(body, params["boundary"]))
		_, rest := io.Copy(io.Discard, body) // only behind the end of the body net/http sees that a client goes
		liftLimit(w, rest)
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	liftLimit(w, err)
	if err != nil {
		return bodyError(err)
	}
	return a.parseBody(kind, bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff"))))
}

// liftLimit ends what limitBody began, if the body was read without an error.
func liftLimit(w http.ResponseWriter, err error) {
	if err == nil {
		http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
}

func (a *args) parseBody(kind string, body []byte) error {
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json")
	isForm := kind == "application/x-www-form-urlencoded"
	switch {
	case len(body) == 0:
		return nil
	case isJSON:
		return a.parseJSON(body)
	case body[0] == '{': // curl -d '{..}' calls it a form
		if err := a.parseJSON(body); err == nil || !isForm {
			return err
		}
	case !isForm && !bytes.ContainsRune(body, '='):
		return plain(400, "The body is neither JSON nor a form")
	}
	a.body = make(map[string]any)
	for k, v := range parseForm(string(body)) {
		a.body[k] = v
	}
	return nil
}

func (a *args) parseJSON(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&a.body); err != nil || a.body == nil {
		return plain(400, "The body is not a JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return plain(400, "There is more than one JSON object in the body")
	}
	return nil
}

func (a *args) readMultipart(r *multipart.Reader) error {
	a.body = make(map[string]any)
	room := maxBody
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return bodyError(err)
		}
		if _, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition")); params["filename"] != "" {
			if err := a.readFile(part, params["filename"]); err != nil {
				return bodyError(err)
			}
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(room)+1))
		if err != nil {
			return bodyError(err)
		}
		if room -= len(value) + len(part.FormName()); room < 0 {
			return errTooLarge
		}
		if _, ok := a.body[part.FormName()]; !ok {
			a.body[part.FormName()] = string(value)
		}
	}
}

// readFile keeps the first file unless it is long, and counts all.
func (a *args) readFile(part io.Reader, name string) error {
	a.files++
	if a.files == 1 {
		a.uploadName = name
		b, err := io.ReadAll(io.LimitReader(part, maxText+1))
		if err != nil {
			return err
		}
		if len(b) <= maxText {
			a.upload = b
		}
	}
	_, err := io.Copy(io.Discard, part)
	return err
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return plain(400, "The body cannot be read")
}

// parseForm reads k=v pairs. Unlike url.ParseQuery it takes a raw ";" for
// what it is, and what is not well escaped as it stands; of several values the first counts.
func parseForm(s string) map[string]string {
	values := make(map[string]string)
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		k = unescape(k)
		if _, ok := values[k]; !ok {
			values[k] = unescape(v)
		}
	}
	return values
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// get returns an argument as it came.
func (a *args) get(name string) (any, bool) {
	if v, ok := a.body[name]; ok {
		return v, true
	}
	v, ok := a.query[name]
	return v, ok
}

// has reports whether the argument is there, null included.
func (a *args) has(name string) bool {
	_, ok := a.get(name)
	return ok
}

// text returns an argument as text: numbers and booleans as JSON writes
// them, "" when it is null or not there. Objects and lists are an error.
func (a *args) text(name string) string {
	v, _ := a.get(name)
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	case nil:
		return ""
	}
	a.refuse(name, "a text")
	return ""
}

// number returns a whole number of at least 0, or absent when it is not there.
func (a *args) number(name string, absent int64) int64 {
	s := a.text(name)
	if s == "" {
		return absent
	}
	n, err := json.Number(s).Int64()
	if err != nil || n < 0 {
		a.refuse(name, "a whole number of at least 0")
	}
	return n
}

// flag returns a boolean, or absent when it is not there.
func (a *args) flag(name string, absent bool) bool {
	switch strings.ToLower(a.text(name)) {
	case "":
		return absent
	case "true", "1", "on", "yes":
		return true
	case "false", "0", "off", "no":
		return false
	}
	a.refuse(name, "true or false")
	return absent
}

// list returns a list of texts: a JSON list, or a text with commas.
func (a *args) list(name string) []string {
	v, _ := a.get(name)
	items, ok := v.([]any)
	if !ok {
		return strings.FieldsFunc(a.text(name), func(r rune) bool { return r == ',' || r == ' ' })
	}
	var list []string
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			a.refuse(name, "a list of texts")
		}
		list = append(list, s)
	}
	return list
}

// refuse notes that an argument made no sense.
func (a *args) refuse(name, want string) {
	if a.err == nil {
		a.err = plain(400, name+" has to be "+want)
	}
}

// take removes an argument from query and body and returns it.
func (a *args) take(name string) string {
	v := a.text(name)
	delete(a.body, name)
	delete(a.query, name)
	return v
}
