package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// document returns what a client gets, decoded.
func document(t *testing.T) map[string]any {
	t.Helper()
	w := newWorld(t)
	return w.do("GET /v1/openapi.json").has(200, `{"openapi":"3.1.0"}`).object()
}

func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func TestEveryHandlerIsDescribed(t *testing.T) {
	used := map[string]bool{}
	for _, rt := range routes() {
		name := handlerName(rt)
		used[name] = true
		if d, ok := descriptions[name]; !ok || !strings.HasSuffix(d.summary, ".") {
			t.Errorf("%s %s leads to %s, which has no line in describe.go", rt.method, rt.path, name)
		}
	}
	for name := range descriptions {
		if !used[name] {
			t.Errorf("describe.go has a line for %s, to which no route leads", name)
		}
	}
}

func TestDocumentAndRoutesAreTheSame(t *testing.T) {
	paths, _ := document(t)["paths"].(map[string]any)
	told := map[string]bool{}
	for path, item := range paths {
		for method := range item.(map[string]any) {
			told[strings.ToUpper(method)+" "+variables.ReplaceAllString(path, "{}")] = true
		}
	}
	served := map[string]bool{}
	for _, rt := range routes() {
		served[rt.method+" "+variables.ReplaceAllString(publicPath(rt.path), "{}")] = true
	}
	for r := range served {
		if !told[r] {
			t.Errorf("the document leaves out %s", r)
		}
	}
	for r := range told {
		if !served[r] {
			t.Errorf("the document has %s, which nothing serves", r)
		}
	}
}

// The rules of OpenAPI 3.1 that are easily broken.
func TestDocumentIsValid(t *testing.T) {
	doc := document(t)
	ids := map[string]string{}
	schemes, _ := at(doc, "components", "securitySchemes").(map[string]any)
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			where := method + " " + path
			id, _ := at(op, "operationId").(string)
			if other, taken := ids[id]; taken || id == "" {
				t.Errorf("%s and %s have the operationId %q", where, other, id)
			}
			ids[id] = where
			declared := map[string]int{}
			parameters, _ := at(op, "parameters").([]any)
			for _, p := range parameters {
				declared[fmt.Sprint(at(p, "in"), " ", at(p, "name"))]++
				if at(p, "schema", "type") == nil {
					t.Errorf("%s: a parameter has no type: %v", where, p)
				}
			}
			for _, v := range variables.FindAllStringSubmatch(path, -1) {
				if declared["path "+v[1]] != 1 {
					t.Errorf("%s: %s is declared %d times", where, v[1], declared["path "+v[1]])
				}
			}
			for name, n := range declared {
				if in, bare, _ := strings.Cut(name, " "); n > 1 || in == "path" && !strings.Contains(path, "{"+bare+"}") {
					t.Errorf("%s: parameter %s", where, name)
				}
			}
			security, _ := at(op, "security").([]any)
			for _, s := range security {
				for name := range s.(map[string]any) {
					if schemes[name] == nil {
						t.Errorf("%s: there is no security scheme %s", where, name)
					}
				}
			}
			if at(op, "responses", "default") == nil {
				t.Errorf("%s: no word of errors", where)
			}
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(b), `"$ref":"#/components/schemas/`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); at(doc, "components", "schemas", name) == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
}

// What the table of access_test.go says of success is what the document says.
func TestDocumentNamesTheStatusOfSuccess(t *testing.T) {
	doc := document(t)
	written := map[string]string{}
	for path := range doc["paths"].(map[string]any) {
		written[variables.ReplaceAllString(path, "{}")] = path
	}
	for _, row := range may {
		method, path, _ := strings.Cut(row.route, " ")
		for _, status := range row.status {
			if status/100 != 2 && status != http.StatusNotImplemented {
				continue
			}
			responses := at(doc, "paths", written[variables.ReplaceAllString(publicPath(path), "{}")], strings.ToLower(method), "responses")
			if status/100 == 2 && at(responses, fmt.Sprint(status)) == nil {
				t.Errorf("%s answers with %d, the document has %v", row.route, status, responses)
				break
			}
		}
	}
}

func TestDeviceInTheDocumentIsTheDeviceOfTheAPI(t *testing.T) {
	w := newWorld(t)
	properties, _ := at(document(t), "components", "schemas", "Device", "properties").(map[string]any)
	for key := range w.do("GET /v1/devices/lamp", as(w.alice)).object() {
		if properties[key] == nil {
			t.Errorf("the document does not know %s of a device", key)
		}
	}
}

func TestErrorInTheDocumentIsTheErrorOfTheAPI(t *testing.T) {
	w := newWorld(t)
	properties, _ := at(document(t), "components", "schemas", "Error", "properties").(map[string]any)
	for key := range w.do("GET /v1/devices/nobody", as(w.alice)).object() {
		if properties[key] == nil {
			t.Errorf("the document does not know %s of an error", key)
		}
	}
}
