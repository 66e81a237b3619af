package sparkserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// hookFile takes a webhook of Brewskey's server.
func (r *reader) hookFile(name string, b []byte) {
	var h struct {
		Event, URL, RequestType, DeviceID, OwnerID string
		ResponseTemplate, ResponseTopic            string
		ErrorResponseTopic                         string
		Auth                                       struct{ Username, Password string }
		JSON                                       json.RawMessage
		Form, Query                                map[string]any
		Headers                                    map[string]string
		NoDefaults                                 bool
		RejectUnauthorized                         *bool
		ProductIDOrSlug                            string
	}
	if err := json.Unmarshal(b, &h); err != nil || h.Event == "" || h.URL == "" {
		r.skip(name, "it is no webhook")
		return
	}
	if h.ProductIDOrSlug != "" {
		r.skip(name, "a webhook of product "+h.ProductIDOrSlug+": products are not taken")
		return
	}
	if string(h.JSON) == "null" {
		h.JSON = nil
	}
	r.data.Hooks = append(r.data.Hooks, Hook{
		Owner: h.OwnerID, Event: h.Event, URL: h.URL, Method: h.RequestType, Device: h.DeviceID, JSON: h.JSON,
		Form: texts(h.Form), Query: texts(h.Query), Headers: h.Headers, Username: h.Auth.Username, Password: h.Auth.Password,
		NoDefaults: h.NoDefaults, Insecure: h.RejectUnauthorized != nil && !*h.RejectUnauthorized,
		ResponseTemplate: h.ResponseTemplate, ResponseTopic: h.ResponseTopic, ErrorTopic: h.ErrorResponseTopic,
	})
}

// texts makes a map of texts: what is no text is written as JSON.
func texts(m map[string]any) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if s, ok := m[k].(string); ok {
			out[k] = s
			continue
		}
		b, err := json.Marshal(m[k])
		if err != nil {
			b = fmt.Append(nil, m[k])
		}
		out[k] = string(b)
	}
	return out
}
