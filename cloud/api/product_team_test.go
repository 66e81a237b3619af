package api

import (
	"fmt"
	"strings"
	"testing"

	"localcloud/cloud"
)

func TestAPIUserOfAProduct(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "alice", lampID)
	create := func(who cloud.Secret, text string) (username string, token option) {
		t.Helper()
		a := w.do("POST /v1/products/1200/team", as(who), jsonText(text)).has(200, `{"ok":true}`)
		made, _ := a.object()["created"].(map[string]any)
		tokens, _ := made["tokens"].([]any)
		if made["is_programmatic"] != true || len(tokens) != 1 {
			t.Fatalf("created %s", a.body)
		}
		return made["username"].(string), as(cloud.Secret(tokens[0].(map[string]any)["token"].(string)))
	}
	name, token := create(w.root, `{"friendly_name":"My Bot","scopes":["events:get","devices:list"]}`)
	if !strings.HasPrefix(name, "my-bot+") || !strings.HasSuffix(name, "@api.particle.io") {
		t.Errorf("the user name is %s", name)
	}
	w.do("GET /v1/products/1200/devices", token).has(200, `{"meta":{"total_pages":1,"total_records":1}}`)
	w.do("GET /v1/access_tokens/current", token).has(200, `{"expires_at":null}`)
	w.do("POST /v1/products/1200/devices/lamp/led", token).has(403, `{}`)
	w.do("GET /v1/products/1200/team", as(w.alice)).is(200, fmt.Sprintf(`{"ok":true,"team":[
		{"username":"alice","role":{"id":"owner","name":"Owner"},"is_programmatic":false},
		{"username":%q,"role":{"id":"api","name":"API user"},"is_programmatic":true,"scopes":["events:get","devices:list"]}]}`, name))

	a := w.do("PUT /v1/products/1200/team/"+name, as(w.alice), jsonText(`{"scopes":["devices.function:call"]}`)).has(200, `{"ok":true}`)
	w.do("GET /v1/products/1200/devices", token).has(401, `{}`) // the old token is replaced
	made := a.object()["created"].(map[string]any)
	if made["username"] != name {
		t.Errorf("its name is now %v", made["username"])
	}
	token = as(cloud.Secret(made["tokens"].([]any)[0].(map[string]any)["token"].(string)))
	w.do("POST /v1/products/1200/devices/lamp/led", token).has(200, `{"return_value":42}`)
	w.do("DELETE /v1/products/1200/team/"+name, as(w.alice)).is(200, `{"ok":true}`)
	w.do("POST /v1/products/1200/devices/lamp/led", token).has(401, `{}`)

	for _, bad := range []string{`{}`, `{"friendly_name":"x"}`, `{"friendly_name":"x","scopes":["magic"]}`, `{"scopes":["events:get"]}`,
		`{"friendly_name":"x","scopes":["events:get","product:1300"]}`} {
		if a := w.do("POST /v1/products/1200/team", as(w.alice), jsonText(bad)); a.status != 400 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	w.do("POST /v1/products/1200/team", as(w.alice), jsonText(`{"username":"bob"}`)).has(501, `{}`)
}
