package api

import (
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

// narrow are tokens that may do one sort of thing. What they may, they may as
// their user does, which the table of access_test.go says; everything else is refused.
var narrow = []struct {
	scope cloud.Scope
	may   func(need string) bool
}{
	{cloud.ScopeReadOnly, func(need string) bool { return strings.HasSuffix(need, ":get") || strings.HasSuffix(need, ":list") }},
	{cloud.ScopeEvents, oneOf("events:get", "events:send")},
	{cloud.ScopeEventsGet, oneOf("events:get")},
	{cloud.ScopeFunctionCall, oneOf("devices.function:call")},
	{cloud.ScopeRelayGet, oneOf("relay:get")},
	{cloud.ScopeRelaySend, oneOf("relay:send")},
}

func oneOf(needs ...string) func(string) bool {
	return func(need string) bool { return slices.Contains(needs, need) }
}

// narrowUsers are the users who come with such tokens, and their columns in the table.
var narrowUsers = []struct {
	name   string
	column int
}{{"alice", 6}, {"root", 7}}

func TestEveryRouteHoldsNarrowTokensToTheirScope(t *testing.T) {
	need := map[string]cloud.Scope{}
	for _, rt := range routes() {
		need[rt.method+" "+rt.path] = rt.scope
	}
	for _, n := range narrow {
		shared := newWorld(t)
		for _, user := range narrowUsers {
			narrow := shared.token(user.name, n.scope)
			for _, row := range may {
				scope := need[row.route]
				if scope == open || scope == ambient || scope == anyToken {
					continue
				}
				w, token, want := shared, narrow, 403
				if n.may(string(scope)) {
					want = row.status[user.column]
				}
				if changes(row.route, want) {
					w = newWorld(t)
					token = w.token(user.name, n.scope)
				}
				if a := w.row(row.route, row.path, row.body, as(token)); a.status != want {
					t.Errorf("%s of %s, %s %s: %d %s, want %d", n.scope, user.name, row.route, row.body, a.status, a.body, want)
				}
			}
		}
	}
}

// row sends what a row of the table says.
func (w *world) row(route, path, text string, who option) answer {
	w.Helper()
	_, there := w.registry.Product(1200)
	if !there && (strings.Contains(path, "1200") || strings.Contains(path, "serial_numbers")) {
		w.product(1200, "alice", lampID)
		w.serial(lampID, "S1")
	}
	w.knocks.Record(keys.Knock{ID: id(newID), Key: eccKey(), Transport: "udp", Reason: keys.ReasonUnknownDevice})
	victim := w.token("alice")
	path = strings.NewReplacer("FLEETHOOK", string(w.hook("alice", 1200)), "HOOK", string(w.hook("alice", 0)), "SECRET", string(victim), "PUBLIC", string(victim.ID())).Replace(path)
	if text == "KEY" {
		text = `{"publicKey":"` + strings.ReplaceAll(string(rsaKey().PEM()), "\n", `\n`) + `"}`
	}
	method, _, _ := strings.Cut(route, " ")
	return w.do(method+" "+path, who, body("", text), cancelled)
}

func TestTokenOfAProductReachesItsDevicesAlone(t *testing.T) {
	w := newWorld(t) // the product of lamp is 6
	token := as(w.token("alice", "product:6"))
	other := as(w.token("alice", "product:7"))
	w.device(fanID, "fan", "alice") // in no product, and of alice now
	for _, tt := range []struct {
		request     string
		in, outside int
	}{
		{"GET /v1/devices/lamp", 200, 403},
		{"POST /v1/devices/lamp/led", 200, 403},
		{"GET /v1/devices/lamp/temp", 200, 403},
		{"GET /v1/devices/fan", 403, 403},
		{"GET /v1/devices/lamp/events", 200, 403},
		{"GET /v1/devices/fan/events", 403, 403},
		{"POST /v1/devices/events?name=x", 403, 403},
		{"POST /v1/devices?id=" + strayID, 403, 403},
		{"DELETE /v1/access_tokens", 403, 403},
		{"POST /v1/clients?name=x", 403, 403},
	} {
		if a := w.do(tt.request, token, cancelled); a.status != tt.in {
			t.Errorf("of the product, %s: %d %s", tt.request, a.status, a.body)
		}
		if a := w.do(tt.request, other, cancelled); a.status != tt.outside {
			t.Errorf("of another product, %s: %d %s", tt.request, a.status, a.body)
		}
	}
	for who, want := range map[*option]int{&token: 1, &other: 0} {
		if list := w.do("GET /v1/devices", *who).list(); len(list) != want {
			t.Errorf("%d devices, want %d: %v", len(list), want, list)
		}
	}
}
