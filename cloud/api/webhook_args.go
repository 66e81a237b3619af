package api

import (
	"encoding/json"
	"maps"
	"strings"

	"localcloud/cloud"
)

// hookFrom reads a webhook from a request, in all the spellings of the clients (http-api.md, 5.1).
func (s *Server) hookFrom(q *request, owner cloud.UserID) (cloud.Hook, error) {
	a := &q.args
	if kind := a.text("integration_type"); kind != "" && !strings.EqualFold(kind, webhookType) {
		return cloud.Hook{}, plain(400, "The only integration_type of this server is "+webhookType)
	}
	h := cloud.Hook{
		Owner: owner, Product: hookProduct(q),
		Event: a.firstText("event", "eventName"), Name: a.text("name"), Disabled: a.flag("disabled", false),
		URL: strings.TrimSpace(a.text("url")), Method: strings.ToUpper(a.text("requestType")),
		JSON: a.template("json"), Form: a.texts("form"), Body: a.bodyText("body"), Query: a.texts("query"), Headers: a.texts("headers"),
		Auth: a.hookAuth(), NoDefaults: a.flag("noDefaults", false), Insecure: !a.flag("rejectUnauthorized", true),
		ResponseTemplate: a.template("responseTemplate"), ResponseTopic: a.text("responseTopic"), ErrorResponseTopic: a.text("errorResponseTopic"),
		Unchunked: a.flag("unchunked", false), DataURL: a.flag("dataUrlResponseEvent", false),
	}
	if h.Method == "" {
		h.Method = "POST"
	}
	var err error
	if h.Owner, err = s.hookOwner(q, owner); err != nil {
		return cloud.Hook{}, err
	}
	if h.Device, err = s.hookDevice(q, h.Owner); err != nil {
		return cloud.Hook{}, err
	}
	if a.err != nil {
		return cloud.Hook{}, a.err
	}
	if len(h.Name) > 128 {
		return cloud.Hook{}, plain(400, "The name of a webhook has at most 128 bytes")
	}
	return h, s.Webhooks.Check(h)
}

// hookOwner returns whose webhook it becomes: that of who asks, unless an admin names
// somebody else; a product's is that of the product's owner.
func (s *Server) hookOwner(q *request, owner cloud.UserID) (cloud.UserID, error) {
	if q.product.Owner != "" {
		return q.product.Owner, nil
	}
	if name := q.args.text("owner"); name != "" && q.access.User.Admin && q.Method == "POST" {
		u, err := s.user(name)
		return u.ID, err
	}
	return owner, nil
}

// firstText returns the first of several arguments that is there.
func (a *args) firstText(names ...string) string {
	for _, name := range names {
		if v := a.text(name); v != "" {
			return v
		}
	}
	return ""
}

// nested returns an argument that may be an object. In a form it may be JSON, or stand in keys such as json[channel].
func (a *args) nested(name string) any {
	v, ok := a.get(name)
	if ok {
		return v
	}
	object := map[string]any{}
	for key, v := range a.body {
		rest, ok := strings.CutPrefix(key, name+"[")
		if !ok || !strings.HasSuffix(rest, "]") {
			continue
		}
		into := object
		path := strings.Split(strings.TrimSuffix(rest, "]"), "][")
		for _, part := range path[:len(path)-1] {
			inner, ok := into[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				into[part] = inner
			}
			into = inner
		}
		into[path[len(path)-1]] = v
	}
	if len(object) == 0 {
		return nil
	}
	return object
}

// template returns a template that is a text, or an object or a list of them; nil when there is none.
func (a *args) template(name string) json.RawMessage {
	v := a.nested(name)
	if v == nil || v == "" {
		return nil
	}
	b, err := encodeJSON(v)
	if err != nil {
		a.refuse(name, "a text or an object")
	}
	return b
}

// bodyText returns a text; an object is taken for its JSON.
func (a *args) bodyText(name string) string {
	v, _ := a.get(name)
	switch v.(type) {
	case map[string]any, []any:
		return string(a.template(name))
	}
	return a.text(name)
}

// texts returns an object of texts; nil when there is none. What is nested gets the name a[b], as in forms.
func (a *args) texts(name string) map[string]string {
	v := a.nested(name)
	if s, ok := v.(string); ok {
		var inside args
		if inside.parseJSON([]byte(s)) == nil {
			v = inside.body
		}
	}
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		return a.flat(name, "", v)
	case string:
		if v == "" {
			return nil
		}
	}
	a.refuse(name, "an object of texts")
	return nil
}

func (a *args) flat(name, prefix string, object map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range object {
		if prefix != "" {
			k = prefix + "[" + k + "]"
		}
		switch v := v.(type) {
		case map[string]any:
			maps.Copy(out, a.flat(name, k, v))
		case []any:
			a.refuse(name, "an object of texts")
		case nil:
			out[k] = ""
		default:
			one := args{body: map[string]any{k: v}} // text, number or boolean
			out[k] = one.text(k)
		}
	}
	return out
}

// hookAuth reads {username, password}, {user, pass} or {bearer}.
func (a *args) hookAuth() cloud.HookAuth {
	m := a.texts("auth")
	auth := cloud.HookAuth{Username: m["username"], Password: m["password"], Bearer: m["bearer"]}
	if auth.Username == "" {
		auth.Username = m["user"]
	}
	if auth.Password == "" {
		auth.Password = m["pass"]
	}
	return auth
}

// hookProduct returns the product whose webhooks a route is about, or 0.
func hookProduct(q *request) int { return q.product.ID }
