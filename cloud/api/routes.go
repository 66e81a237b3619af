package api

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"localcloud/cloud"
)

// route is one line of the table.
type route struct {
	method string
	path   string
	scope  cloud.Scope // what the token must allow
	handle func(*Server, *request) (any, error)
}

// Scopes of routes that are none.
const (
	open     cloud.Scope = ""        // the handler finds out itself who asks, if it matters
	anyToken cloud.Scope = "any"     // every token that is good
	ambient  cloud.Scope = "ambient" // as open, for pages of this cloud only; see ambient.go

	clientsList   cloud.Scope = "clients:list"
	clientsCreate cloud.Scope = "clients:create"
	clientsUpdate cloud.Scope = "clients:update"
	clientsRemove cloud.Scope = "clients:remove"

	devicesRelease cloud.Scope = "devices:release"
	vitalsUpdate   cloud.Scope = "devices.diagnostics:update"
	vitalsMetadata cloud.Scope = "devices.diagnostics.metadata:get"
	vitalsSummary  cloud.Scope = "devices.diagnostics.summary:get"
	productsList   cloud.Scope = "products:list"
	productsGet    cloud.Scope = "products:get"
	productsUpdate cloud.Scope = "products:update"
	teamList       cloud.Scope = "teams.users:list"
	teamUpdate     cloud.Scope = "teams.users:update"
	teamRemove     cloud.Scope = "teams.users:remove"
	firmwareList   cloud.Scope = "firmware:list"
	firmwareCreate cloud.Scope = "firmware:create"
	customersList  cloud.Scope = "customers:list"
	customersMake  cloud.Scope = "customers:create"
	customersEdit  cloud.Scope = "customers:update"
	customersDrop  cloud.Scope = "customers:remove"
	simsList       cloud.Scope = "sims:list"
	simsImport     cloud.Scope = "sims:import"
	locationsGet   cloud.Scope = "locations:get"
)

// routes is the whole API. The first line that fits counts.
func routes() []route {
	const (
		get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
		events              = cloud.ScopeEventsGet
		admin               = cloud.ScopeAdmin
		lc                  = "/v1/localcloud"
	)
	return []route{
		{get, "/v1/openapi.json", open, (*Server).showDocument},
		{post, "/oauth/token", open, (*Server).logIn},
		{get, "/v1/access_tokens", open, (*Server).listTokens},
		{post, "/v1/access_tokens", cloud.ScopeTokens, (*Server).issueOwnToken},
		{del, "/v1/access_tokens", cloud.ScopeTokens, (*Server).revokeAllTokens},
		{get, "/v1/access_tokens/current", anyToken, (*Server).currentToken},
		{del, "/v1/access_tokens/current", anyToken, (*Server).revokeCurrentToken},
		{del, "/v1/access_tokens/{token}", open, (*Server).revokeToken},
		{get, "/v1/clients", clientsList, (*Server).listClients},
		{post, "/v1/clients", clientsCreate, (*Server).addClient},
		{get, "/v1/clients/{client}", clientsList, (*Server).showClient},
		{put, "/v1/clients/{client}", clientsUpdate, (*Server).updateClient},
		{del, "/v1/clients/{client}", clientsRemove, (*Server).removeClient},
		{get, "/v1/user", cloud.ScopeUserGet, (*Server).showUser},
		{put, "/v1/user", cloud.ScopeUserUpdate, (*Server).updateUser},
		{del, "/v1/user", cloud.ScopeUserUpdate, (*Server).deleteUser},
		{post, "/v1/user/password-reset", open, (*Server).resetPassword},
		{post, "/v1/users", open, (*Server).signUp},

		{get, "/v1/devices/events", events, (*Server).streamMine},
		{get, "/v1/devices/events/{prefix:.*}", events, (*Server).streamMine},
		{post, "/v1/devices/events", cloud.ScopeEventsSend, (*Server).publish},
		{get, "/v1/events", events, (*Server).streamPublic},
		{get, "/v1/events/{prefix:.*}", events, (*Server).streamPublic},
		{get, "/v1/devices/{id}/events", events, (*Server).streamDevice},
		{get, "/v1/devices/{id}/events/{prefix:.*}", events, (*Server).streamDevice},

		{get, "/v1/devices", cloud.ScopeDevicesList, (*Server).listDevices},
		{post, "/v1/devices", cloud.ScopeDevicesImport, (*Server).claimDevice},
		{get, "/v1/devices/{id}", cloud.ScopeDevicesGet, (*Server).showDevice},
		{put, "/v1/devices/{id}", cloud.ScopeDevicesUpdate, (*Server).updateDevice},
		{del, "/v1/devices/{id}", cloud.ScopeDevicesRemove, (*Server).releaseDevice},
		{put, "/v1/devices/{id}/ping", cloud.ScopeDevicesPing, (*Server).pingDevice},
		{get, "/v1/devices/{id}/{variable}", cloud.ScopeVariableGet, (*Server).readVariable},
		{post, "/v1/devices/{id}/{function}", cloud.ScopeFunctionCall, (*Server).callFunction},
		{post, "/v1/device_claims", cloud.ScopeDevicesImport, (*Server).createClaim},
		{post, "/v1/provisioning/{id}", cloud.ScopeDevicesImport, (*Server).provisionDevice},
		{post, "/v1/binaries", cloud.ScopeDevicesUpdate, notYet(errNoBuild)},
		{get, "/v1/server/key", open, (*Server).serverKey},

		{get, "/v1/diagnostics/{id}", cloud.ScopeDiagnosticsGet, (*Server).listVitals},
		{get, "/v1/diagnostics/{id}/last", cloud.ScopeDiagnosticsGet, (*Server).lastVitals},
		{get, "/v1/diagnostics/{id}/summary", vitalsSummary, (*Server).vitalsMetadata},
		{get, "/v1/diagnostics/{id}/metadata", vitalsMetadata, (*Server).vitalsMetadata},
		{post, "/v1/diagnostics/{id}/update", vitalsUpdate, (*Server).updateVitals},
		{get, productPath + "/diagnostics/{id}/last", cloud.ScopeDiagnosticsGet, (*Server).lastVitals},
		{get, productPath + "/diagnostics/{id}", cloud.ScopeDiagnosticsGet, (*Server).listVitals},
		{post, productPath + "/diagnostics/{id}/update", vitalsUpdate, (*Server).updateVitals},
		{get, "/v1/binaries/{binary}", cloud.ScopeDevicesUpdate, notYet(errNoBinary)},
		{get, "/v1/build_targets", anyToken, listBuildTargets},
		{get, "/v1/device-os/versions", open, listOSVersions},
		{get, "/v1/device-os/versions/{version}", open, notYet(errNoOSBuild)},
		{get, "/v1/libraries", anyToken, listLibraries},
		{post, "/v1/libraries", anyToken, notYet(errNoLibraries)},
		{get, "/v1/libraries/{library}", anyToken, notYet(errNoLibrary)},
		{get, "/v1/libraries/{library}/{rest:.*}", anyToken, notYet(errNoLibrary)},
		{get, "/v1/orgs", anyToken, listOrgs},
		{get, "/v1/orgs/{org}", anyToken, notYet(errNoOrg)},
		{get, "/v1/orgs/{org}/{rest:.*}", anyToken, notYet(errNoOrg)},
		{post, "/v1/orgs/{org}/{rest:.*}", anyToken, notYet(errNoOrg)},
		{get, "/v1/sims", anyToken, noneYet},
		{get, "/v1/sims/{iccid}", anyToken, notYet(errNoSIM)},
		{http.MethodHead, "/v1/sims/{iccid}", anyToken, notYet(errNoSIM)},
		{put, "/v1/sims/{iccid}", anyToken, notYet(errNoSIM)},
		{del, "/v1/sims/{iccid}", anyToken, notYet(errNoSIM)},
		{get, "/v1/sims/{iccid}/{rest:.*}", anyToken, notYet(errNoSIM)},
		{get, "/v1/serial_numbers/{serial}", cloud.ScopeDevicesList, (*Server).lookUpSerial},

		{get, "/v1/products", productsList, (*Server).listProducts},
		{post, "/v1/products", productsUpdate, (*Server).addProduct},
		{get, "/v1/user/products", productsList, (*Server).listProducts},
		{post, "/v1/user/products", productsUpdate, (*Server).addProduct},
		{get, productPath, productsGet, (*Server).showProduct},
		{put, productPath, productsUpdate, (*Server).updateProduct},
		{del, productPath, productsUpdate, (*Server).removeProduct},
		{get, productPath + "/groups", productsGet, (*Server).listGroups},
		{get, productPath + "/team", teamList, (*Server).listTeam},
		{post, productPath + "/team", teamUpdate, (*Server).addMember},
		{put, productPath + "/team/{username}", teamUpdate, (*Server).changeMemberScopes},
		{post, productPath + "/team/{username}", teamUpdate, (*Server).changeMemberScopes},
		{del, productPath + "/team/{username}", teamRemove, (*Server).removeMember},
		{get, productPath + "/firmware", firmwareList, noneYet},
		{post, productPath + "/firmware", firmwareCreate, notYet(errNotYet)},
		{put, productPath + "/firmware/release", firmwareCreate, notYet(errNotYet)},
		{get, productPath + "/firmware/{version}", firmwareList, notYet(errNoFirmware)},
		{put, productPath + "/firmware/{version}", firmwareCreate, notYet(errNoFirmware)},
		{del, productPath + "/firmware/{version}", firmwareCreate, notYet(errNoFirmware)},
		{get, productPath + "/firmware/{version}/binary", firmwareList, notYet(errNoFirmware)},
		{get, productPath + "/events", events, (*Server).streamProduct},
		{get, productPath + "/events/{prefix:.*}", events, (*Server).streamProduct},
		{post, productPath + "/events", cloud.ScopeEventsSend, (*Server).publish},
		{get, productPath + "/devices/{id}/events", events, (*Server).streamDevice},
		{get, productPath + "/devices/{id}/events/{prefix:.*}", events, (*Server).streamDevice},
		{post, productPath + "/device_claims", cloud.ScopeDevicesImport, (*Server).createClaim},
		{get, productPath + "/devices", cloud.ScopeDevicesList, (*Server).listProductDevices},
		{post, productPath + "/devices", cloud.ScopeDevicesImport, (*Server).addProductDevices},
		{get, productPath + "/devices/{id}", cloud.ScopeDevicesGet, (*Server).showDevice},
		{put, productPath + "/devices/{id}", cloud.ScopeDevicesUpdate, (*Server).updateDevice},
		{del, productPath + "/devices/{id}", cloud.ScopeDevicesRemove, (*Server).removeProductDevice},
		{del, productPath + "/devices/{id}/owner", devicesRelease, (*Server).releaseProductDevice},
		{put, productPath + "/devices/{id}/ping", cloud.ScopeDevicesPing, (*Server).pingDevice},
		{get, productPath + "/devices/{id}/{variable}", cloud.ScopeVariableGet, (*Server).readVariable},
		{post, productPath + "/devices/{id}/{function}", cloud.ScopeFunctionCall, (*Server).callFunction},

		// What products have at Particle, and not here.
		{get, productPath + "/customers", customersList, listCustomers},
		{post, productPath + "/customers", customersMake, notYet(errNoCustomers)},
		{put, productPath + "/customers/{email}", customersEdit, notYet(errNoCustomer)},
		{del, productPath + "/customers/{email}", customersDrop, notYet(errNoCustomer)},
		{get, productPath + "/clients", clientsList, listProductClients},
		{post, productPath + "/clients", clientsCreate, notYet(errNoProductClients)},
		{put, productPath + "/clients/{client}", clientsUpdate, notYet(errNoOneClient)},
		{del, productPath + "/clients/{client}", clientsRemove, notYet(errNoOneClient)},
		{get, productPath + "/sims", simsList, listProductSIMs},
		{post, productPath + "/sims", simsImport, notYet(errNoSIMs)},
		{get, productPath + "/sims/{rest:.*}", simsList, notYet(errNoSIM)},
		{put, productPath + "/sims/{rest:.*}", simsImport, notYet(errNoSIM)},
		{del, productPath + "/sims/{rest:.*}", simsImport, notYet(errNoSIM)},
		{get, productPath + "/config", productsGet, notYet(errNoConfig)},
		{put, productPath + "/config", productsUpdate, notYet(errNoConfig)},
		{get, productPath + "/config/{rest:.*}", productsGet, notYet(errNoConfig)},
		{put, productPath + "/config/{rest:.*}", productsUpdate, notYet(errNoConfig)},
		{get, productPath + "/locations", locationsGet, listLocations},
		{get, productPath + "/locations/{rest:.*}", locationsGet, notYet(errNoLocation)},

		// Webhooks, under two names, of the user and of a product.
		{get, "/v1/webhooks", cloud.ScopeHooksList, (*Server).listHooks},
		{post, "/v1/webhooks", cloud.ScopeHooksCreate, (*Server).createHook},
		{get, "/v1/webhooks/{hook}", cloud.ScopeHooksGet, (*Server).showHook},
		{put, "/v1/webhooks/{hook}", cloud.ScopeHooksUpdate, (*Server).replaceHook},
		{del, "/v1/webhooks/{hook}", cloud.ScopeHooksRemove, (*Server).removeHook},
		{get, "/v1/integrations", cloud.ScopeHooksList, (*Server).listHooks},
		{post, "/v1/integrations", cloud.ScopeHooksCreate, (*Server).createHook},
		{get, "/v1/integrations/{hook}", cloud.ScopeHooksGet, (*Server).showHook},
		{put, "/v1/integrations/{hook}", cloud.ScopeHooksUpdate, (*Server).replaceHook},
		{del, "/v1/integrations/{hook}", cloud.ScopeHooksRemove, (*Server).removeHook},
		{post, "/v1/integrations/{hook}/test", cloud.ScopeHooksTest, (*Server).testHook},
		{get, "/v1/integrations/{hook}/log", cloud.ScopeHooksGet, (*Server).showHookLog},
		{get, productPath + "/webhooks", cloud.ScopeHooksList, (*Server).listHooks},
		{post, productPath + "/webhooks", cloud.ScopeHooksCreate, (*Server).createHook},
		{get, productPath + "/webhooks/{hook}", cloud.ScopeHooksGet, (*Server).showHook},
		{put, productPath + "/webhooks/{hook}", cloud.ScopeHooksUpdate, (*Server).replaceHook},
		{del, productPath + "/webhooks/{hook}", cloud.ScopeHooksRemove, (*Server).removeHook},
		{get, productPath + "/integrations", cloud.ScopeHooksList, (*Server).listHooks},
		{post, productPath + "/integrations", cloud.ScopeHooksCreate, (*Server).createHook},
		{get, productPath + "/integrations/{hook}", cloud.ScopeHooksGet, (*Server).showHook},
		{put, productPath + "/integrations/{hook}", cloud.ScopeHooksUpdate, (*Server).replaceHook},
		{del, productPath + "/integrations/{hook}", cloud.ScopeHooksRemove, (*Server).removeHook},
		{post, productPath + "/integrations/{hook}/test", cloud.ScopeHooksTest, (*Server).testHook},
		{get, productPath + "/integrations/{hook}/log", cloud.ScopeHooksGet, (*Server).showHookLog},

		// Browsers.
		{get, lc + "/session", open, (*Server).showSession},
		{post, lc + "/session", ambient, (*Server).beginSession},
		{del, lc + "/session", ambient, (*Server).endSession},
		{post, lc + "/setup", ambient, (*Server).setUp},

		// What the commands of localcloud need.
		{get, lc + "/status", admin, (*Server).showStatus},
		{get, lc + "/ca", open, (*Server).showAuthority},
		{get, lc + "/ca/help", open, (*Server).showTrustHelp},
		{post, lc + "/ca", admin, (*Server).makeAuthority},
		{get, lc + "/hosts", admin, (*Server).listHosts},
		{post, lc + "/hosts", admin, (*Server).addHost},
		{del, lc + "/hosts/{host}", admin, (*Server).removeHost},
		{get, lc + "/users", admin, (*Server).listUsers},
		{post, lc + "/users", admin, (*Server).addUser},
		{put, lc + "/users/{name}", admin, (*Server).updateAnyUser},
		{del, lc + "/users/{name}", admin, (*Server).removeUser},
		{get, lc + "/tokens", admin, (*Server).listAllTokens},
		{post, lc + "/tokens", admin, (*Server).issueToken},
		{del, lc + "/tokens/{token}", admin, (*Server).revokeAnyToken},
		{get, lc + "/devices", admin, (*Server).listAllDevices},
		{post, lc + "/devices", admin, (*Server).registerDevice},
		{get, lc + "/devices/{id}", admin, (*Server).showAnyDevice},
		{del, lc + "/devices/{id}", admin, (*Server).forgetDevice},
		{put, lc + "/devices/{id}/policy", admin, (*Server).setDevicePolicy},
		{get, lc + "/virtual", admin, (*Server).showTrial},
		{post, lc + "/virtual", admin, (*Server).startTrial},
		{del, lc + "/virtual", admin, (*Server).stopTrial},
		{get, lc + "/selftest", admin, (*Server).showSelfTest},
		{post, lc + "/selftest", admin, (*Server).startSelfTest},
		{del, lc + "/selftest", admin, (*Server).stopSelfTest},
		{get, lc + "/unknown", admin, (*Server).listUnknown},
		{post, lc + "/unknown/{id}/adopt", admin, (*Server).adoptDevice},
		{get, "/reach", open, (*Server).reach},
		{get, lc + "/registry", admin, (*Server).dumpRegistry},
		{get, lc + "/doctor", admin, (*Server).doctor},
		{get, lc + "/devices/{id}/doctor", cloud.ScopeDevicesGet, (*Server).deviceDoctor},
		{get, lc + "/connect", admin, (*Server).connectLines},
		{get, lc + "/keys", anyToken, (*Server).listKeys},
		{post, lc + "/keys/rotate", admin, (*Server).rotateKeys},
		{get, lc + "/boards", cloud.ScopeDevicesImport, (*Server).listBoards},
		{post, lc + "/boards/{id}/backups", cloud.ScopeDevicesImport, (*Server).putBackup},
		{get, lc + "/boards/{id}/backups/{backup}", cloud.ScopeDevicesImport, (*Server).getBackup},
		{put, lc + "/boards/{id}/given", cloud.ScopeDevicesImport, (*Server).setGiven},
		{get, lc + "/policy", admin, (*Server).showPolicy},
		{put, lc + "/policy", admin, (*Server).setPolicy},
		{put, lc + "/products/{product}/policy", admin, (*Server).setProductPolicy},
		{get, lc + "/clock", admin, (*Server).showClock},
		{put, lc + "/clock", admin, (*Server).setClock},
		{get, lc + "/webhook-targets", admin, (*Server).listHookTargets},
		{post, lc + "/webhook-targets", admin, (*Server).addHookTarget},
		{del, lc + "/webhook-targets/{target}", admin, (*Server).removeHookTarget},
		{get, lc + "/limits", admin, (*Server).showLimits},
		{put, lc + "/limits", admin, (*Server).setLimits},
		{get, lc + "/relay", admin, (*Server).askRelay},
		{get, lc + "/relay/overview", cloud.ScopeRelayGet, (*Server).showRelay},
		{get, lc + "/relay/lines", cloud.ScopeRelayGet, (*Server).streamRelay},
		{get, lc + "/relay/{rest:.*}", admin, (*Server).askRelay},
		{post, lc + "/relay/{rest:.*}", admin, (*Server).askRelay},
		{put, lc + "/relay/{rest:.*}", admin, (*Server).askRelay},
		{del, lc + "/relay/{rest:.*}", admin, (*Server).askRelay},
		{get, lc + "/settings", admin, (*Server).showSettings},
		{put, lc + "/settings", admin, (*Server).setSettings},
	}
}

// methods returns what the route answers to. HEAD is GET without a body.
func (rt route) methods() []string {
	if rt.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{rt.method}
}

// notYet is a handler for what this server cannot do.
func notYet(f *failure) func(*Server, *request) (any, error) {
	return func(*Server, *request) (any, error) { return nil, f }
}

// noneYet is a handler for lists that are always empty.
func noneYet(*Server, *request) (any, error) { return []string{}, nil }

// newRouter puts the table into a router that matches the path as it came: an
// encoded slash in a name does not split it, and nothing is redirected.
func (s *Server) newRouter() *mux.Router {
	m := mux.NewRouter().UseEncodedPath().SkipClean(true)
	for _, rt := range routes() {
		m.HandleFunc(rt.path, func(w http.ResponseWriter, r *http.Request) {
			if rec, ok := w.(*recorder); ok {
				rec.route = rt.path
			}
			answer, err := s.answer(rt, w, r)
			if err != nil {
				s.fail(w, err)
				return
			}
			s.write(w, answer)
		}).Methods(rt.methods()...)
	}
	m.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.fail(w, errNoRoute) })
	m.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(allowed(m, r), ", "))
		s.fail(w, errMethod)
	})
	return m
}

// allowed returns the methods that the path of r takes.
func allowed(m *mux.Router, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := *r
		other.Method = method
		var match mux.RouteMatch
		if m.Match(&other, &match) && match.MatchErr == nil {
			methods = append(methods, method)
		}
	}
	return methods
}
