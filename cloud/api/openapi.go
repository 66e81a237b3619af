package api

import (
	"cmp"
	"maps"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"localcloud/cloud"
)

// The document of the API, OpenAPI 3.1. It is made of the table of routes and of
// the lines of describe.go, so that it cannot leave out a route; a test holds the two together.

// object is a JSON object of the document.
type object = map[string]any

// showDocument answers with the document.
func (s *Server) showDocument(*request) (any, error) { return openAPI(), nil }

func openAPI() object {
	paths := object{}
	named := map[string]string{} // by a path without the names of its variables: the path as it is written
	for _, rt := range routes() {
		path := publicPath(rt.path)
		path = firstOf(named, variables.ReplaceAllString(path, "{}"), path)
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		if method := strings.ToLower(rt.method); item[method] == nil { // the first line that fits counts
			item[method] = operation(rt, path)
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "localcloud", "version": "1",
			"description": "The Particle cloud API on your own network. Bodies may be JSON, forms or multipart. " +
				"Every error is a JSON object with error and error_description.",
		},
		"servers":    []any{object{"url": "/"}},
		"security":   []any{object{"bearer": []any{}}, object{"query": []any{}}, object{"session": []any{}}},
		"paths":      paths,
		"components": object{"securitySchemes": securitySchemes(), "schemas": schemas()},
	}
}

// firstOf returns what a key first stood for.
func firstOf(m map[string]string, key, value string) string {
	if first, ok := m[key]; ok {
		return first
	}
	m[key] = value
	return value
}

var (
	patterns  = regexp.MustCompile(`\{(\w+):[^}]*\}`)
	variables = regexp.MustCompile(`\{(\w+)\}`)
)

// publicPath is a path of the table without the patterns of its variables.
func publicPath(path string) string { return patterns.ReplaceAllString(path, "{$1}") }

// handlerName returns the name of a route's handler, as it stands in describe.go.
func handlerName(rt route) string {
	name := runtime.FuncForPC(reflect.ValueOf(rt.handle).Pointer()).Name()
	name = name[strings.LastIndex(name, "/")+1:]
	parts := strings.Split(name, ".") // api, (*Server), listDevices; or api, notYet, func1
	i := len(parts) - 1
	for i > 0 && strings.HasPrefix(parts[i], "func") {
		i--
	}
	return strings.TrimSuffix(parts[i], "-fm")
}

func operation(rt route, path string) object {
	d := descriptions[handlerName(rt)]
	op := object{
		"operationId": operationID(rt.method, path),
		"summary":     d.summary,
		"tags":        []any{tag(path)},
		"responses":   responses(d),
	}
	parameters := []any{}
	for _, v := range variables.FindAllStringSubmatch(path, -1) {
		parameters = append(parameters, object{"name": v[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, f := range fieldsOf(d.asks) {
		parameters = append(parameters, object{"name": f.name, "in": "query", "required": f.needed, "schema": f.schema()})
	}
	switch rt.scope {
	case open:
		op["security"] = []any{}
	case ambient:
		op["security"] = []any{object{"session": []any{}}, object{}}
		if rt.method != "GET" {
			parameters = append(parameters, object{
				"name": csrfHeader, "in": "header", "required": true, "schema": object{"type": "string"},
				"description": "Any value: pages of other addresses cannot send it.",
			})
		}
	case anyToken:
	default:
		op["description"] = "The token needs the scope " + string(rt.scope) + "."
		if rt.scope == cloud.ScopeAdmin {
			op["description"] = "For administrators. The token needs the scope " + string(rt.scope) + "."
		}
		op["x-scope"] = rt.scope
	}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if body := bodyOf(d.sends); body != nil {
		op["requestBody"] = body
	}
	return op
}

// operationID is the method and the words of the path: getV1DevicesId.
func operationID(method, path string) string {
	var id strings.Builder
	id.WriteString(strings.ToLower(method))
	for word := range strings.FieldsFuncSeq(path, func(r rune) bool { return strings.ContainsRune("/{}_-.", r) }) {
		id.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return id.String()
}

// tag is the subject of a path: devices, products, localcloud.
func tag(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/v1"), "/")
	return cmp.Or(strings.Trim(parts[min(1, len(parts)-1)], "{}"), "cloud")
}

// field is one of a description's fields.
type field struct {
	name, kind string
	needed     bool
}

func fieldsOf(text string) (fields []field) {
	for word := range strings.FieldsSeq(text) {
		name, kind, _ := strings.Cut(word, ":")
		bare := strings.TrimSuffix(name, "!")
		fields = append(fields, field{bare, cmp.Or(kind, "string"), bare != name})
	}
	return fields
}

func (f field) schema() object {
	if f.kind == "array" {
		return object{"type": "array", "items": object{"type": "string"}}
	}
	return object{"type": f.kind}
}

// bodyOf is the body of a request; all its forms hold the same fields.
func bodyOf(sends string) object {
	fields := fieldsOf(sends)
	if len(fields) == 0 {
		return nil
	}
	properties, required := object{}, []any{}
	for _, f := range fields {
		properties[f.name] = f.schema()
		if f.needed {
			required = append(required, f.name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	content := object{}
	for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"} {
		content[kind] = object{"schema": schema}
	}
	return object{"content": content, "required": len(required) > 0}
}

func responses(d description) object {
	status, shape, _ := strings.Cut(cmp.Or(d.answers, "200 object"), " ")
	content := object{"application/json": object{"schema": shapeOf(shape)}}
	switch shape {
	case "events":
		content = object{"text/event-stream": object{"schema": object{"type": "string"}}}
	case "text":
		content = object{"text/plain": object{"schema": object{"type": "string"}}}
	case "file":
		content = object{"application/octet-stream": object{"schema": object{"type": "string", "format": "binary"}}}
	}
	out := object{
		status:    object{"description": "It went well.", "content": content},
		"default": object{"description": "An error.", "content": object{"application/json": object{"schema": ref("Error")}}},
	}
	if status == "501" {
		out[status] = object{"description": "Not available here.", "content": object{"application/json": object{"schema": ref("Error")}}}
	}
	return out
}

func shapeOf(shape string) object {
	switch shape {
	case "array":
		return object{"type": "array", "items": object{}}
	case "Devices":
		return object{"type": "array", "items": ref("Device")}
	case "object", "events", "text", "file":
		return object{"type": "object"}
	}
	return ref(shape)
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func securitySchemes() object {
	return object{
		"bearer":  object{"type": "http", "scheme": "bearer", "description": "An access token. In a body it may come as access_token, too."},
		"query":   object{"type": "apiKey", "in": "query", "name": "access_token"},
		"session": object{"type": "apiKey", "in": "cookie", "name": "localcloud", "description": "The session of a browser. Requests that change something carry the header " + csrfHeader + "."},
	}
}

// schemas are the shapes that have names. Devices are described by what they are encoded from.
func schemas() object {
	text := func(names ...string) object {
		properties := object{}
		for _, n := range names {
			properties[n] = object{"type": "string"}
		}
		return properties
	}
	failed := text("error", "error_description", "info")
	failed["ok"] = object{"type": "boolean", "const": false}
	failed["errors"] = object{"type": "array", "items": object{"type": "string"}}
	token := text("access_token", "refresh_token", "token_type")
	token["expires_in"] = object{"type": "integer", "description": "Seconds; 0: never."}
	return object{
		"Error":  object{"type": "object", "properties": failed, "required": []any{"ok", "error", "error_description", "errors"}},
		"OK":     object{"type": "object", "properties": object{"ok": object{"type": "boolean", "const": true}}, "required": []any{"ok"}},
		"Token":  object{"type": "object", "properties": token, "required": slices.Sorted(maps.Keys(token))},
		"Device": object{"type": "object", "properties": propertiesOf(reflect.TypeFor[deviceObject]())},
	}
}

// propertiesOf returns the keys that a struct is encoded to, with their types.
func propertiesOf(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	properties := object{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			maps.Copy(properties, propertiesOf(f.Type))
		default:
			properties[cmp.Or(name, f.Name)] = schemaOf(f.Type)
		}
	}
	return properties
}

func schemaOf(t reflect.Type) object {
	if t == reflect.TypeFor[stamp]() {
		return object{"type": []any{"string", "null"}, "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		of := schemaOf(t.Elem())
		if kind, ok := of["type"].(string); ok {
			of["type"] = []any{kind, "null"}
		}
		return of
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Int32, reflect.Uint32:
		return object{"type": "integer"}
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	}
	return object{}
}
