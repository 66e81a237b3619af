package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"localcloud/cloud"
	"localcloud/keys"
)

// callers are who sends each request, in the order of the columns below.
var callers = []struct {
	name string
	come func(w *world) option
}{
	{"no token", func(*world) option { return func(*http.Request) {} }},
	{"bad token", func(*world) option { return as("0123456789012345678901234567890123456789") }},
	{"another user", func(w *world) option { return as(w.bob) }},
	{"read-only", func(w *world) option { return as(w.token("alice", cloud.ScopeReadOnly)) }},
	{"tied to lamp", func(w *world) option { return as(w.token("alice", "device:"+lampID)) }},
	{"tied elsewhere", func(w *world) option { return as(w.token("alice", "device:"+strayID)) }},
	{"owner", func(w *world) option { return as(w.alice) }},
	{"admin", func(w *world) option { return as(w.root) }},
}

// may says who may do what. Every route has a row: what it is sent, and the
// status that each caller gets. 400 in the first column is "no token".
var may = []struct {
	route  string // as in routes.go
	path   string // what is sent; "SECRET" and "PUBLIC" stand for a token of alice and its id, "HOOK" for a webhook of hers, "FLEETHOOK" for one of her product
	body   string
	status [8]int
}{
	// route, path, body,                                            none bad  other read lamp else owner admin
	{"GET /v1/openapi.json", "/v1/openapi.json", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	{"POST /oauth/token", "/oauth/token", "grant_type=magic", [8]int{400, 400, 400, 400, 400, 400, 400, 400}},
	{"GET /v1/access_tokens", "/v1/access_tokens", "", [8]int{400, 401, 200, 403, 403, 403, 200, 200}},
	{"POST /v1/access_tokens", "/v1/access_tokens", "scopes=events", [8]int{400, 401, 201, 403, 403, 403, 201, 201}},
	{"DELETE /v1/access_tokens", "/v1/access_tokens", "", [8]int{400, 401, 200, 403, 403, 403, 200, 200}},
	{"GET /v1/access_tokens/current", "/v1/access_tokens/current", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"DELETE /v1/access_tokens/current", "/v1/access_tokens/current", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"DELETE /v1/access_tokens/{token}", "/v1/access_tokens/SECRET", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	{"DELETE /v1/access_tokens/{token}", "/v1/access_tokens/PUBLIC", "", [8]int{404, 401, 404, 403, 403, 403, 200, 404}},
	{"GET /v1/clients", "/v1/clients", "", [8]int{400, 401, 200, 200, 403, 403, 200, 200}},
	{"POST /v1/clients", "/v1/clients", "name=Node-RED", [8]int{400, 401, 200, 403, 403, 403, 200, 200}},
	{"GET /v1/clients/{client}", "/v1/clients/x", "", [8]int{400, 401, 404, 404, 403, 403, 404, 404}},
	{"PUT /v1/clients/{client}", "/v1/clients/x", "name=y", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"DELETE /v1/clients/{client}", "/v1/clients/x", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/user", "/v1/user", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"PUT /v1/user", "/v1/user", "account_info=x", [8]int{400, 401, 200, 403, 403, 403, 200, 200}},
	{"DELETE /v1/user", "/v1/user", "password=" + "correct+horse", [8]int{400, 401, 200, 403, 403, 403, 200, 409}},
	{"POST /v1/user/password-reset", "/v1/user/password-reset", "username=alice", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	{"POST /v1/users", "/v1/users", "username=eve&password=long+enough", [8]int{403, 403, 403, 403, 403, 403, 403, 403}},

	{"GET /v1/devices/events", "/v1/devices/events", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/devices/events/{prefix:.*}", "/v1/devices/events/my/ev", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"POST /v1/devices/events", "/v1/devices/events", "name=x", [8]int{400, 401, 200, 403, 403, 403, 200, 200}},
	{"GET /v1/events", "/v1/events", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/events/{prefix:.*}", "/v1/events/x", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/devices/{id}/events", "/v1/devices/lamp/events", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},
	{"GET /v1/devices/{id}/events/{prefix:.*}", "/v1/devices/" + lampID + "/events/x%2Fy", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},

	{"GET /v1/devices", "/v1/devices", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"POST /v1/devices", "/v1/devices", "id=" + strayID, [8]int{400, 401, 200, 403, 403, 200, 200, 200}},
	{"POST /v1/devices", "/v1/devices", "id=" + lampID, [8]int{400, 401, 403, 403, 200, 403, 200, 403}},
	{"GET /v1/devices/{id}", "/v1/devices/lamp", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},
	{"GET /v1/devices/{id}", "/v1/devices/" + strayID, "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"PUT /v1/devices/{id}", "/v1/devices/lamp", "notes=x", [8]int{400, 401, 403, 403, 200, 403, 200, 200}},
	{"PUT /v1/devices/{id}", "/v1/devices/" + lampID, "signal=1", [8]int{400, 401, 403, 403, 200, 403, 200, 200}},
	{"DELETE /v1/devices/{id}", "/v1/devices/lamp", "", [8]int{400, 401, 403, 403, 200, 403, 200, 200}},
	{"PUT /v1/devices/{id}/ping", "/v1/devices/lamp/ping", "", [8]int{400, 401, 403, 403, 200, 403, 200, 200}},
	{"GET /v1/devices/{id}/{variable}", "/v1/devices/lamp/temp", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},
	{"POST /v1/devices/{id}/{function}", "/v1/devices/lamp/led", "args=x", [8]int{400, 401, 403, 403, 200, 403, 200, 200}},
	{"POST /v1/device_claims", "/v1/device_claims", "", [8]int{400, 401, 200, 403, 403, 403, 200, 200}},
	{"POST /v1/provisioning/{id}", "/v1/provisioning/" + lampID, "KEY", [8]int{400, 401, 403, 403, 200, 403, 200, 200}},
	{"POST /v1/provisioning/{id}", "/v1/provisioning/" + strayID, "KEY", [8]int{400, 401, 200, 403, 403, 200, 200, 200}},
	{"POST /v1/binaries", "/v1/binaries", "", [8]int{400, 401, 501, 403, 501, 501, 501, 501}},
	{"GET /v1/server/key", "/v1/server/key", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},

	{"GET /v1/diagnostics/{id}", "/v1/diagnostics/lamp", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},
	{"GET /v1/diagnostics/{id}/last", "/v1/diagnostics/lamp/last", "", [8]int{400, 401, 403, 404, 404, 403, 404, 404}},
	{"GET /v1/diagnostics/{id}/summary", "/v1/diagnostics/lamp/summary", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},
	{"GET /v1/diagnostics/{id}/metadata", "/v1/diagnostics/lamp/metadata", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},
	{"POST /v1/diagnostics/{id}/update", "/v1/diagnostics/lamp/update", "", [8]int{400, 401, 403, 403, 202, 403, 202, 202}},
	{"GET /v1/products/{product}/diagnostics/{id}/last", "/v1/products/1200/diagnostics/lamp/last", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/products/{product}/diagnostics/{id}", "/v1/products/1200/diagnostics/lamp", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"POST /v1/products/{product}/diagnostics/{id}/update", "/v1/products/1200/diagnostics/lamp/update", "", [8]int{400, 401, 404, 403, 404, 404, 202, 202}},
	{"GET /v1/binaries/{binary}", "/v1/binaries/x", "", [8]int{400, 401, 404, 403, 404, 404, 404, 404}},
	{"GET /v1/build_targets", "/v1/build_targets", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/libraries", "/v1/libraries", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"POST /v1/libraries", "/v1/libraries", "", [8]int{400, 401, 501, 501, 501, 501, 501, 501}},
	{"GET /v1/libraries/{library}", "/v1/libraries/x", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/libraries/{library}/{rest:.*}", "/v1/libraries/x/versions", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/orgs", "/v1/orgs", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/orgs/{org}", "/v1/orgs/x", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/orgs/{org}/{rest:.*}", "/v1/orgs/x/products", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"POST /v1/orgs/{org}/{rest:.*}", "/v1/orgs/x/products", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/sims", "/v1/sims", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/sims/{iccid}", "/v1/sims/1", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"HEAD /v1/sims/{iccid}", "/v1/sims/1", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"PUT /v1/sims/{iccid}", "/v1/sims/1", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"DELETE /v1/sims/{iccid}", "/v1/sims/1", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/sims/{iccid}/{rest:.*}", "/v1/sims/1/status", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/device-os/versions", "/v1/device-os/versions", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/device-os/versions/{version}", "/v1/device-os/versions/2.3.1", "", [8]int{404, 404, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/serial_numbers/{serial}", "/v1/serial_numbers/S1", "", [8]int{400, 401, 404, 200, 200, 404, 200, 200}},

	// Product 1200 is alice's, and the lamp is in it.
	{"GET /v1/products", "/v1/products", "", [8]int{400, 401, 200, 200, 403, 403, 200, 200}},
	{"POST /v1/products", "/v1/products", "name=x", [8]int{400, 401, 201, 403, 403, 403, 201, 201}},
	{"GET /v1/user/products", "/v1/user/products", "", [8]int{400, 401, 200, 200, 403, 403, 200, 200}},
	{"POST /v1/user/products", "/v1/user/products", "name=x", [8]int{400, 401, 201, 403, 403, 403, 201, 201}},
	{"GET /v1/products/{product}", "/v1/products/1200", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"PUT /v1/products/{product}", "/v1/products/1200", "name=x", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"DELETE /v1/products/{product}", "/v1/products/1200", "", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"GET /v1/products/{product}/groups", "/v1/products/1200/groups", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"GET /v1/products/{product}/team", "/v1/products/1200/team", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/team", "/v1/products/1200/team", "friendly_name=x&scopes=events:get", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"PUT /v1/products/{product}/team/{username}", "/v1/products/1200/team/x", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"POST /v1/products/{product}/team/{username}", "/v1/products/1200/team/x", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"DELETE /v1/products/{product}/team/{username}", "/v1/products/1200/team/x", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/firmware", "/v1/products/1200/firmware", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/firmware", "/v1/products/1200/firmware", "", [8]int{400, 401, 404, 403, 403, 403, 501, 501}},
	{"PUT /v1/products/{product}/firmware/release", "/v1/products/1200/firmware/release", "", [8]int{400, 401, 404, 403, 403, 403, 501, 501}},
	{"GET /v1/products/{product}/firmware/{version}", "/v1/products/1200/firmware/3", "", [8]int{400, 401, 404, 404, 403, 403, 404, 404}},
	{"PUT /v1/products/{product}/firmware/{version}", "/v1/products/1200/firmware/3", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"DELETE /v1/products/{product}/firmware/{version}", "/v1/products/1200/firmware/3", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/firmware/{version}/binary", "/v1/products/1200/firmware/3/binary", "", [8]int{400, 401, 404, 404, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/events", "/v1/products/1200/events", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"GET /v1/products/{product}/events/{prefix:.*}", "/v1/products/1200/events/x/y", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"POST /v1/products/{product}/events", "/v1/products/1200/events", "name=x", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"GET /v1/products/{product}/devices/{id}/events", "/v1/products/1200/devices/lamp/events", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"GET /v1/products/{product}/devices/{id}/events/{prefix:.*}", "/v1/products/1200/devices/lamp/events/x", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"POST /v1/products/{product}/device_claims", "/v1/products/1200/device_claims", "", [8]int{400, 401, 404, 403, 404, 404, 200, 200}},
	{"GET /v1/products/{product}/devices", "/v1/products/1200/devices", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"POST /v1/products/{product}/devices", "/v1/products/1200/devices", "id=" + lampID, [8]int{400, 401, 404, 403, 404, 404, 200, 200}},
	{"GET /v1/products/{product}/devices/{id}", "/v1/products/1200/devices/lamp", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"PUT /v1/products/{product}/devices/{id}", "/v1/products/1200/devices/lamp", "notes=x", [8]int{400, 401, 404, 403, 404, 404, 200, 200}},
	{"DELETE /v1/products/{product}/devices/{id}", "/v1/products/1200/devices/lamp", "", [8]int{400, 401, 404, 403, 404, 404, 200, 200}},
	{"DELETE /v1/products/{product}/devices/{id}/owner", "/v1/products/1200/devices/lamp/owner", "", [8]int{400, 401, 404, 403, 404, 404, 200, 200}},
	{"PUT /v1/products/{product}/devices/{id}/ping", "/v1/products/1200/devices/lamp/ping", "", [8]int{400, 401, 404, 403, 404, 404, 200, 200}},
	{"GET /v1/products/{product}/devices/{id}/{variable}", "/v1/products/1200/devices/lamp/temp", "", [8]int{400, 401, 404, 200, 404, 404, 200, 200}},
	{"POST /v1/products/{product}/devices/{id}/{function}", "/v1/products/1200/devices/lamp/led", "args=x", [8]int{400, 401, 404, 403, 404, 404, 200, 200}},
	{"GET /v1/products/{product}/customers", "/v1/products/1200/customers", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/customers", "/v1/products/1200/customers", "email=x@example.com", [8]int{400, 401, 404, 403, 403, 403, 501, 501}},
	{"PUT /v1/products/{product}/customers/{email}", "/v1/products/1200/customers/x@example.com", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"DELETE /v1/products/{product}/customers/{email}", "/v1/products/1200/customers/x@example.com", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/clients", "/v1/products/1200/clients", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/clients", "/v1/products/1200/clients", "name=x", [8]int{400, 401, 404, 403, 403, 403, 501, 501}},
	{"PUT /v1/products/{product}/clients/{client}", "/v1/products/1200/clients/x", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"DELETE /v1/products/{product}/clients/{client}", "/v1/products/1200/clients/x", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/sims", "/v1/products/1200/sims", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/sims", "/v1/products/1200/sims", "", [8]int{400, 401, 404, 403, 403, 403, 501, 501}},
	{"GET /v1/products/{product}/sims/{rest:.*}", "/v1/products/1200/sims/1/data_usage", "", [8]int{400, 401, 404, 404, 403, 403, 404, 404}},
	{"PUT /v1/products/{product}/sims/{rest:.*}", "/v1/products/1200/sims/1", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"DELETE /v1/products/{product}/sims/{rest:.*}", "/v1/products/1200/sims/1", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/config", "/v1/products/1200/config", "", [8]int{400, 401, 404, 404, 403, 403, 404, 404}},
	{"PUT /v1/products/{product}/config", "/v1/products/1200/config", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/config/{rest:.*}", "/v1/products/1200/config/lamp", "", [8]int{400, 401, 404, 404, 403, 403, 404, 404}},
	{"PUT /v1/products/{product}/config/{rest:.*}", "/v1/products/1200/config/lamp", "", [8]int{400, 401, 404, 403, 403, 403, 404, 404}},
	{"GET /v1/products/{product}/locations", "/v1/products/1200/locations", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"GET /v1/products/{product}/locations/{rest:.*}", "/v1/products/1200/locations/lamp", "", [8]int{400, 401, 404, 404, 403, 403, 404, 404}},

	{"GET /v1/webhooks", "/v1/webhooks", "", [8]int{400, 401, 200, 200, 403, 403, 200, 200}},
	{"POST /v1/webhooks", "/v1/webhooks", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 201, 403, 403, 403, 201, 201}},
	{"GET /v1/webhooks/{hook}", "/v1/webhooks/HOOK", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"PUT /v1/webhooks/{hook}", "/v1/webhooks/HOOK", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"DELETE /v1/webhooks/{hook}", "/v1/webhooks/HOOK", "", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"GET /v1/integrations", "/v1/integrations", "", [8]int{400, 401, 200, 200, 403, 403, 200, 200}},
	{"POST /v1/integrations", "/v1/integrations", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 201, 403, 403, 403, 201, 201}},
	{"GET /v1/integrations/{hook}", "/v1/integrations/HOOK", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"PUT /v1/integrations/{hook}", "/v1/integrations/HOOK", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"DELETE /v1/integrations/{hook}", "/v1/integrations/HOOK", "", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"POST /v1/integrations/{hook}/test", "/v1/integrations/HOOK/test", "", [8]int{400, 401, 404, 403, 403, 403, 502, 502}},
	{"GET /v1/integrations/{hook}/log", "/v1/integrations/HOOK/log", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"GET /v1/products/{product}/webhooks", "/v1/products/1200/webhooks", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/webhooks", "/v1/products/1200/webhooks", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 404, 403, 403, 403, 201, 201}},
	{"GET /v1/products/{product}/webhooks/{hook}", "/v1/products/1200/webhooks/FLEETHOOK", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"PUT /v1/products/{product}/webhooks/{hook}", "/v1/products/1200/webhooks/FLEETHOOK", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"DELETE /v1/products/{product}/webhooks/{hook}", "/v1/products/1200/webhooks/FLEETHOOK", "", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"GET /v1/products/{product}/integrations", "/v1/products/1200/integrations", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/integrations", "/v1/products/1200/integrations", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 404, 403, 403, 403, 201, 201}},
	{"GET /v1/products/{product}/integrations/{hook}", "/v1/products/1200/integrations/FLEETHOOK", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},
	{"PUT /v1/products/{product}/integrations/{hook}", "/v1/products/1200/integrations/FLEETHOOK", "event=x&url=http://192.0.2.1/", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"DELETE /v1/products/{product}/integrations/{hook}", "/v1/products/1200/integrations/FLEETHOOK", "", [8]int{400, 401, 404, 403, 403, 403, 200, 200}},
	{"POST /v1/products/{product}/integrations/{hook}/test", "/v1/products/1200/integrations/FLEETHOOK/test", "", [8]int{400, 401, 404, 403, 403, 403, 502, 502}},
	{"GET /v1/products/{product}/integrations/{hook}/log", "/v1/products/1200/integrations/FLEETHOOK/log", "", [8]int{400, 401, 404, 200, 403, 403, 200, 200}},

	{"GET /v1/localcloud/status", "/v1/localcloud/status", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/session", "/v1/localcloud/session", "", [8]int{403, 200, 200, 200, 200, 200, 200, 200}}, // these pages come by a foreign name
	{"POST /v1/localcloud/session", "/v1/localcloud/session", "", [8]int{403, 403, 403, 403, 403, 403, 403, 403}},
	{"DELETE /v1/localcloud/session", "/v1/localcloud/session", "", [8]int{403, 403, 403, 403, 403, 403, 403, 403}},
	{"POST /v1/localcloud/setup", "/v1/localcloud/setup", "", [8]int{403, 403, 403, 403, 403, 403, 403, 403}},
	{"GET /v1/localcloud/ca", "/v1/localcloud/ca", "", [8]int{501, 501, 501, 501, 501, 501, 501, 501}},
	{"GET /v1/localcloud/ca/help", "/v1/localcloud/ca/help", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	{"POST /v1/localcloud/ca", "/v1/localcloud/ca", "", [8]int{400, 401, 403, 403, 403, 403, 403, 501}},
	{"GET /v1/localcloud/hosts", "/v1/localcloud/hosts", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"POST /v1/localcloud/hosts", "/v1/localcloud/hosts", "host=cloud.example", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"DELETE /v1/localcloud/hosts/{host}", "/v1/localcloud/hosts/cloud.example", "", [8]int{400, 401, 403, 403, 403, 403, 403, 404}},
	{"GET /v1/localcloud/users", "/v1/localcloud/users", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"POST /v1/localcloud/users", "/v1/localcloud/users", "name=d&password=short", [8]int{400, 401, 403, 403, 403, 403, 403, 400}},
	{"PUT /v1/localcloud/users/{name}", "/v1/localcloud/users/alice", "password=short", [8]int{400, 401, 403, 403, 403, 403, 403, 400}},
	{"DELETE /v1/localcloud/users/{name}", "/v1/localcloud/users/bob", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/tokens", "/v1/localcloud/tokens", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"POST /v1/localcloud/tokens", "/v1/localcloud/tokens", "user=alice", [8]int{400, 401, 403, 403, 403, 403, 403, 201}},
	{"DELETE /v1/localcloud/tokens/{token}", "/v1/localcloud/tokens/PUBLIC", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/devices", "/v1/localcloud/devices", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"POST /v1/localcloud/devices", "/v1/localcloud/devices", "id=" + newID, [8]int{400, 401, 403, 403, 403, 403, 403, 201}},
	{"GET /v1/localcloud/devices/{id}", "/v1/localcloud/devices/lamp", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"DELETE /v1/localcloud/devices/{id}", "/v1/localcloud/devices/lamp", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"PUT /v1/localcloud/devices/{id}/policy", "/v1/localcloud/devices/lamp/policy", "policy=off", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/virtual", "/v1/localcloud/virtual", "", [8]int{400, 401, 403, 403, 403, 403, 403, 501}},
	{"POST /v1/localcloud/virtual", "/v1/localcloud/virtual", "", [8]int{400, 401, 403, 403, 403, 403, 403, 501}},
	{"DELETE /v1/localcloud/virtual", "/v1/localcloud/virtual", "", [8]int{400, 401, 403, 403, 403, 403, 403, 501}},
	{"GET /v1/localcloud/selftest", "/v1/localcloud/selftest", "", [8]int{400, 401, 403, 403, 403, 403, 403, 501}},
	{"POST /v1/localcloud/selftest", "/v1/localcloud/selftest", "", [8]int{400, 401, 403, 403, 403, 403, 403, 501}},
	{"DELETE /v1/localcloud/selftest", "/v1/localcloud/selftest", "", [8]int{400, 401, 403, 403, 403, 403, 403, 501}},
	{"GET /v1/localcloud/unknown", "/v1/localcloud/unknown", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"POST /v1/localcloud/unknown/{id}/adopt", "/v1/localcloud/unknown/" + newID + "/adopt", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /reach", "/reach", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	{"GET /v1/localcloud/registry", "/v1/localcloud/registry", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/doctor", "/v1/localcloud/doctor", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/devices/{id}/doctor", "/v1/localcloud/devices/lamp/doctor", "", [8]int{400, 401, 403, 200, 200, 403, 200, 200}},
	{"GET /v1/localcloud/connect", "/v1/localcloud/connect", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/keys", "/v1/localcloud/keys", "", [8]int{400, 401, 200, 200, 200, 200, 200, 200}},
	{"POST /v1/localcloud/keys/rotate", "/v1/localcloud/keys/rotate", "step=finish", [8]int{400, 401, 403, 403, 403, 403, 403, 409}},
	{"GET /v1/localcloud/boards", "/v1/localcloud/boards", "", [8]int{400, 401, 200, 403, 200, 200, 200, 200}},
	{"POST /v1/localcloud/boards/{id}/backups", "/v1/localcloud/boards/" + newID + "/backups", "sealed=AAAA", [8]int{400, 401, 400, 403, 403, 403, 400, 400}},
	{"POST /v1/localcloud/boards/{id}/backups", "/v1/localcloud/boards/" + lampID + "/backups", "sealed=AAAA", [8]int{400, 401, 403, 403, 400, 403, 400, 400}},
	{"GET /v1/localcloud/boards/{id}/backups/{backup}", "/v1/localcloud/boards/" + newID + "/backups/20261121T120000.000Z", "", [8]int{400, 401, 403, 403, 403, 403, 403, 404}},
	{"PUT /v1/localcloud/boards/{id}/given", "/v1/localcloud/boards/" + newID + "/given", "platform=photon&transport=tcp&host=10.0.0.1", [8]int{400, 401, 200, 403, 403, 403, 200, 200}},
	{"PUT /v1/localcloud/boards/{id}/given", "/v1/localcloud/boards/" + lampID + "/given", "platform=photon&transport=tcp&host=10.0.0.1", [8]int{400, 401, 403, 403, 200, 403, 200, 200}},
	{"GET /v1/localcloud/relay", "/v1/localcloud/relay", "", [8]int{400, 401, 403, 403, 403, 403, 403, 404}}, // this one has no relay
	{"GET /v1/localcloud/relay/overview", "/v1/localcloud/relay/overview", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/localcloud/relay/lines", "/v1/localcloud/relay/lines", "", [8]int{400, 401, 404, 404, 404, 404, 404, 404}},
	{"GET /v1/localcloud/relay/{rest:.*}", "/v1/localcloud/relay/channels", "", [8]int{400, 401, 403, 403, 403, 403, 403, 404}},
	{"POST /v1/localcloud/relay/{rest:.*}", "/v1/localcloud/relay/channels/lamp/kick", "", [8]int{400, 401, 403, 403, 403, 403, 403, 404}},
	{"PUT /v1/localcloud/relay/{rest:.*}", "/v1/localcloud/relay/allow/lamp", "", [8]int{400, 401, 403, 403, 403, 403, 403, 404}},
	{"DELETE /v1/localcloud/relay/{rest:.*}", "/v1/localcloud/relay/channels/lamp", "", [8]int{400, 401, 403, 403, 403, 403, 403, 404}},
	{"GET /v1/localcloud/policy", "/v1/localcloud/policy", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"PUT /v1/localcloud/policy", "/v1/localcloud/policy", "device=off", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"PUT /v1/localcloud/products/{product}/policy", "/v1/localcloud/products/12/policy", "policy=off", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/clock", "/v1/localcloud/clock", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"PUT /v1/localcloud/clock", "/v1/localcloud/clock", "time=2026-11-21T12:00:00Z", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/webhook-targets", "/v1/localcloud/webhook-targets", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"POST /v1/localcloud/webhook-targets", "/v1/localcloud/webhook-targets", "target=127.0.0.1", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"DELETE /v1/localcloud/webhook-targets/{target}", "/v1/localcloud/webhook-targets/127.0.0.0%2F8", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/limits", "/v1/localcloud/limits", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"PUT /v1/localcloud/limits", "/v1/localcloud/limits", "streams=off", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"GET /v1/localcloud/settings", "/v1/localcloud/settings", "", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
	{"PUT /v1/localcloud/settings", "/v1/localcloud/settings", "trust_first_use=1", [8]int{400, 401, 403, 403, 403, 403, 403, 200}},
}

func TestEveryRouteLetsInWhoItShould(t *testing.T) {
	for _, row := range may {
		t.Run(row.route, func(t *testing.T) { // so that its clouds are closed before the next
			shared := newWorld(t)
			for i, caller := range callers {
				w, want := shared, row.status[i]
				if changes(row.route, want) {
					w = newWorld(t)
				}
				a := w.row(row.route, row.path, row.body, caller.come(w))
				if a.status != want {
					t.Errorf("%s by %s: %d %s, want %d", row.path, caller.name, a.status, a.body, want)
				}
				if a.status == 400 && i == 0 && a.text("error_description") != errNoToken.text && row.route != "POST /oauth/token" {
					t.Errorf("%s: %s, want what is said of no token", row.path, a.body)
				}
			}
		})
	}
}

// changes reports whether a request that is answered with the status changes the cloud, so that the next needs a new one.
func changes(route string, status int) bool { return !strings.HasPrefix(route, "GET ") && status < 400 }

// cancelled makes a stream whose client has gone, so that it ends at once.
func cancelled(r *http.Request) {
	if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/events") {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	*r = *r.WithContext(ctx)
}

func TestEveryRouteHasARow(t *testing.T) {
	w := newWorld(t)
	rows := map[string]bool{}
	for _, row := range may {
		method, _, _ := strings.Cut(row.route, " ")
		var match mux.RouteMatch
		if !w.server.router.Match(normalise(httptest.NewRequest(method, row.path, nil)), &match) || match.Route == nil {
			t.Errorf("%s: %s leads nowhere", row.route, row.path)
			continue
		}
		template, _ := match.Route.GetPathTemplate()
		if got := method + " " + template; got != row.route {
			t.Errorf("the row of %s tests %s", row.route, got)
		}
		rows[row.route] = true
	}
	for _, rt := range routes() {
		if !rows[rt.method+" "+rt.path] {
			t.Errorf("%s %s has no row in this test: who may use it?", rt.method, rt.path)
		}
	}
}

func TestControlSecretActsAsTheOldestAdmin(t *testing.T) {
	shared := newWorld(t)
	for _, row := range may {
		if !strings.Contains(row.path, "/localcloud/") {
			continue
		}
		w := shared
		if changes(row.route, row.status[7]) {
			w = newWorld(t)
		}
		w.knocks.Record(keys.Knock{ID: id(newID), Key: eccKey(), Transport: "udp", Reason: keys.ReasonUnknownDevice})
		method, _, _ := strings.Cut(row.route, " ")
		path := strings.ReplaceAll(row.path, "PUBLIC", string(w.alice.ID()))
		if a := w.do(method+" "+path, as(control), body("", row.body)); a.status != row.status[7] {
			t.Errorf("%s: %d %s, want %d", row.route, a.status, a.body, row.status[7])
		}
	}
}

func TestScopesOfATokenDecide(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		scopes  []cloud.Scope
		request string
		status  int
	}{
		{[]cloud.Scope{cloud.ScopeFunctionCall}, "POST /v1/devices/lamp/led", 200},
		{[]cloud.Scope{cloud.ScopeFunctionCall}, "GET /v1/devices/lamp/temp", 403},
		{[]cloud.Scope{cloud.ScopeVariableGet}, "GET /v1/devices/lamp/temp", 200},
		{[]cloud.Scope{cloud.ScopeVariableGet}, "GET /v1/devices/lamp", 403},
		{[]cloud.Scope{cloud.ScopeEvents}, "POST /v1/devices/events?name=x", 200},
		{[]cloud.Scope{cloud.ScopeEventsGet}, "POST /v1/devices/events?name=x", 403},
		{[]cloud.Scope{cloud.ScopeAll}, "DELETE /v1/access_tokens/" + string(w.bob.ID()), 404},
		{[]cloud.Scope{cloud.ScopeEventsGet}, "GET /v1/access_tokens/current", 200},
		{[]cloud.Scope{"device:" + lampID, cloud.ScopeEventsSend}, "POST /v1/devices/events?name=x", 200},
		{[]cloud.Scope{"device:" + lampID, cloud.ScopeVariableGet}, "GET /v1/devices/lamp/temp", 200},
		{[]cloud.Scope{"device:" + lampID, cloud.ScopeVariableGet}, "POST /v1/devices/lamp/led", 403},
		{[]cloud.Scope{"device:" + lampID, cloud.ScopeAll}, "DELETE /v1/access_tokens", 403},
	}
	for _, tt := range tests {
		if a := w.do(tt.request, as(w.token("alice", tt.scopes...))); a.status != tt.status {
			t.Errorf("%v, %s: %d %s, want %d", tt.scopes, tt.request, a.status, a.body, tt.status)
		}
	}
	w.do("GET /v1/devices/lamp", as(w.token("alice", cloud.ScopeEventsGet))).
		fails(403, "unauthorized", "This token may not do that: it needs the scope devices:get")
	for scopes, status := range map[cloud.Scope]int{cloud.ScopeAdmin: 200, cloud.ScopeAll: 200, cloud.ScopeReadOnly: 403, "device:" + lampID: 403} {
		if a := w.do("GET /v1/localcloud/status", as(w.token("root", scopes))); a.status != status {
			t.Errorf("an admin with %s: %d %s, want %d", scopes, a.status, a.body, status)
		}
	}
	w.do("GET /v1/localcloud/status", as(w.token("alice", cloud.ScopeAdmin))).fails(403, "unauthorized", "Only an administrator may do that")
}

func TestBodyIsNotReadForABadToken(t *testing.T) {
	w := newWorld(t)
	for what, o := range map[string]option{"bad": as("nonsense"), "too narrow": as(w.token("alice", cloud.ScopeReadOnly))} {
		untouched := func(r *http.Request) { r.Body, r.ContentLength = untouchable{t}, 1000 }
		if a := w.do("POST /v1/devices/events", o, untouched); a.status != 401 && a.status != 403 {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
}

// untouchable is a body that nobody may read.
type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, http.ErrBodyReadAfterClose
}
func (untouchable) Close() error { return nil }
