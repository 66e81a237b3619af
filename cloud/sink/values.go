package sink

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strconv"

	"localcloud/cloud"
)

// publishedLayout is ISO 8601 in UTC with milliseconds.
const publishedLayout = "2006-01-02T15:04:05.000Z"

// valuesOf returns what templates of a hook can name: the keys of the
// event's data, when that is a JSON object, and over them the names that Particle gives (http-api.md, 5.2).
func valuesOf(ev *cloud.Event, d cloud.Device) []any {
	published := ev.PublishedAt.UTC().Format(publishedLayout)
	product := cmp.Or(d.Product, d.ProductID)
	whole := string(encodeJSON(map[string]any{
		"event": ev.Name, "data": string(ev.Data), "coreid": ev.CoreID(), "published_at": published, "ttl": ev.TTL,
	}))
	return []any{decodeJSON(ev.Data), map[string]any{
		"PARTICLE_DEVICE_ID": ev.CoreID(), "PARTICLE_EVENT_NAME": ev.Name, "PARTICLE_EVENT_VALUE": string(ev.Data),
		"PARTICLE_PUBLISHED_AT": published, "PARTICLE_EVENT_ID": ev.ID.String(),
		"SPARK_CORE_ID": ev.CoreID(), "SPARK_EVENT_NAME": ev.Name, "SPARK_EVENT_VALUE": string(ev.Data), "SPARK_PUBLISHED_AT": published,
		"PRODUCT_ID": json.Number(strconv.Itoa(product)), "PRODUCT_VERSION": json.Number(strconv.Itoa(d.ProductVersion)),
		"PRODUCT_USER_ID":     string(ev.Owner),
		"PARTICLE_EVENT_JSON": whole, "PARTICLE_EVENT_BASE64": base64.StdEncoding.EncodeToString([]byte(whole)),
	}}
}

// defaults are what a hook sends unless it says noDefaults, in the order of the official cloud.
var defaults = [...]struct{ key, template string }{
	{"event", "{{{PARTICLE_EVENT_NAME}}}"},
	{"data", "{{{PARTICLE_EVENT_VALUE}}}"},
	{"coreid", "{{{PARTICLE_DEVICE_ID}}}"},
	{"published_at", "{{{PARTICLE_PUBLISHED_AT}}}"},
}

// fill renders one template.
func fill(text string, values []any) (string, error) {
	t, err := parseTemplate(text)
	if err != nil {
		return "", err
	}
	return t.render(values...)
}

// fillMap renders keys and values of a map.
func fillMap(m map[string]string, values []any) (map[string]string, error) {
	out := make(map[string]string, len(m))
	for k, v := range m {
		key, err := fill(k, values)
		if err != nil {
			return nil, err
		}
		if out[key], err = fill(v, values); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fillJSON renders every key and every text in a JSON value.
func fillJSON(v any, values []any) (any, error) {
	switch v := v.(type) {
	case string:
		return fill(v, values)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = fillJSON(v[i], values); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			key, err := fill(k, values)
			if err != nil {
				return nil, err
			}
			if out[key], err = fillJSON(v[k], values); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}
