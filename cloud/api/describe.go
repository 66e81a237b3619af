package api

// description says what a route is for, in the document that GET /v1/openapi.json
// answers with. There is one line for each handler; several addresses may lead to one.
// A new route needs a line here, or the test of the document fails.
type description struct {
	summary string
	// sends are the fields that the body takes: "name! ttl:integer private:boolean
	// scopes:array data" with ! for those that have to be there. Without a type it is a text.
	sends   string
	asks    string // fields of the query, in the same form
	answers string // status and shape of what comes back when it went well; "" is "200 object"
}

// Shapes in answers: object, array, text, file, events, Token, Device, Devices, OK.

// descriptions are the lines, by the name of the handler.
var descriptions = map[string]description{
	"logIn": {
		"Get an access token (OAuth): grant_type password, refresh_token or client_credentials. The client may come as HTTP Basic.",
		"grant_type! username password refresh_token client_id client_secret scope expires_in:integer expires_at", "", "200 Token",
	},
	"listTokens":         {"List your access tokens by their public ids. Takes name and password as HTTP Basic, too.", "", "", "200 array"},
	"issueOwnToken":      {"Make an access token for yourself, with the scopes that you choose; it is shown once.", "scopes:array note expires_in:integer expires_at", "", "201 object"},
	"revokeAllTokens":    {"Revoke all your access tokens.", "", "", "200 OK"},
	"currentToken":       {"Show the access token of this request.", "", "", ""},
	"revokeCurrentToken": {"Revoke the access token of this request: log out.", "", "", "200 OK"},
	"revokeToken":        {"Revoke a token: it is its own credential; its public id needs a password or another token.", "", "", "200 OK"},
	"listClients":        {"List your OAuth clients.", "", "", ""},
	"addClient":          {"Make an OAuth client, with which a program logs in as you (client_credentials). Its secret is shown once.", "name! type redirect_uri", "", ""},
	"showClient":         {"Show one of your OAuth clients.", "", "", ""},
	"updateClient":       {"Change one of your OAuth clients.", "name type redirect_uri", "", ""},
	"removeClient":       {"Remove one of your OAuth clients, with the tokens it got.", "", "", "200 OK"},
	"showUser":           {"Show your account.", "", "", ""},
	"updateUser":         {"Change your password or name.", "password username current_password account_info:object invalidate_tokens:boolean", "", "200 OK"},
	"deleteUser":         {"Delete your account.", "password!", "", "200 OK"},
	"resetPassword":      {"Say how to get another password: this cloud sends no mail.", "username", "", "200 OK"},
	"signUp":             {"Make an account, where the owner allows it.", "username! password! account_info:object", "", "200 OK"},

	"streamMine":    {"Stream the events of your devices and your own, by the beginning of their names.", "", "last_event_id", "200 events"},
	"streamPublic":  {"Stream public events of everybody and your own, by the beginning of their names.", "", "last_event_id", "200 events"},
	"streamDevice":  {"Stream the events of one device, by the beginning of their names.", "", "last_event_id", "200 events"},
	"streamProduct": {"Stream the events of a product's devices, by the beginning of their names.", "", "last_event_id", "200 events"},
	"publish":       {"Publish an event. Without private it is private.", "name! data private:boolean ttl:integer", "", "200 OK"},

	"listDevices":   {"List your devices; an administrator's list holds those of everybody.", "", "", "200 Devices"},
	"claimDevice":   {"Claim a device, or with product_id make a new device id.", "id product_id:integer request_transfer:boolean", "", "200 OK"},
	"showDevice":    {"Show a device, by id or name.", "", "", "200 Device"},
	"updateDevice":  {"Change one thing of a device: its name, notes, attributes, or let it signal.", "name signal notes serial_number product_id:integer development:boolean desired_firmware_version groups:array firmware_updates_forced:boolean", "", ""},
	"releaseDevice": {"Release a device: it becomes nobody's.", "", "", "200 OK"},
	"pingDevice":    {"Ask a device whether it is there.", "", "", ""},
	"readVariable":  {"Read a variable of a device. format=raw answers with its text alone.", "", "format", ""},
	"callFunction": {
		"Call a function of a device. The argument may be called args, arg or params. format=raw answers with the number alone.",
		"args arg params format", "", "",
	},
	"listVitals":       {"List the diagnostics that a device reported, one record an hour and those that were asked for; Accept: text/csv gets a table.", "", "start_date end_date", ""},
	"lastVitals":       {"Show what a device last reported of itself.", "", "", ""},
	"vitalsMetadata":   {"Say what the numbers of the diagnostics mean.", "", "", ""},
	"updateVitals":     {"Ask a device for its diagnostics now.", "", "", "202 OK"},
	"createClaim":      {"Make a claim code, by which a new device becomes yours.", "", "", ""},
	"provisionDevice":  {"Register the public key of a device (particle keys send).", "publicKey! deviceID algorithm filename order product_id:integer claim_code", "", ""},
	"serverKey":        {"Get the public key by which boards know this cloud (PEM).", "", "udp:boolean", "200 text"},
	"lookUpSerial":     {"Find a device by its serial number.", "", "mobile_secret", ""},
	"listBuildTargets": {"List build targets: there are none, since nothing is compiled here.", "", "featured:boolean", ""},
	"listOSVersions":   {"List versions of Device OS: none is kept here.", "", "platform_id:integer", ""},
	"listLibraries":    {"List libraries: there are none.", "", "filter", ""},
	"listOrgs":         {"List organizations: there are none.", "", "", ""},

	"listProducts":         {"List the products that you may see.", "", "", ""},
	"addProduct":           {"Make a product. The fields may stand in an object product.", "id:integer name! description platform_id:integer owner product:object", "", "201 object"},
	"showProduct":          {"Show a product.", "", "", ""},
	"updateProduct":        {"Change a product.", "name description platform_id:integer product:object", "", ""},
	"removeProduct":        {"Remove a product.", "", "", "200 OK"},
	"listGroups":           {"List the groups of a product's devices.", "", "", ""},
	"listTeam":             {"List a product's team and API users.", "", "", ""},
	"addMember":            {"Make an API user of a product: a token with scopes that never expires.", "friendly_name scopes:array username", "", ""},
	"changeMemberScopes":   {"Give an API user other scopes; its token is replaced.", "friendly_name scopes:array", "", ""},
	"removeMember":         {"Remove an API user of a product.", "", "", "200 OK"},
	"listProductDevices":   {"List a product's devices, page by page.", "", "page:integer per_page:integer deviceId deviceName groups serialNumber sortAttr sortDir quarantined:boolean", ""},
	"addProductDevices":    {"Bring devices into a product: one id, a list, or a file with one in each line.", "id ids:array file", "", ""},
	"removeProductDevice":  {"Take a device out of a product.", "", "", "200 OK"},
	"releaseProductDevice": {"Release a device of a product: it becomes nobody's.", "", "", "200 OK"},

	"listCustomers":      {"List a product's customers: there are none here.", "", "page:integer", ""},
	"listProductClients": {"List a product's OAuth clients: there are none here.", "", "", ""},
	"listProductSIMs":    {"List a product's SIM cards: there are none here.", "", "page:integer", ""},
	"listLocations":      {"List where a product's devices were: nothing is kept here.", "", "page:integer", ""},

	"listHooks": {"List webhooks.", "", "all:boolean", "200 array"},
	"createHook": {
		"Make a webhook: where events go whose names begin so.",
		"event! url! requestType name deviceid integration_type json:object form:object body query:object headers:object auth:object " +
			"responseTopic errorResponseTopic responseTemplate noDefaults:boolean rejectUnauthorized:boolean disabled:boolean",
		"", "201 object",
	},
	"showHook": {"Show a webhook.", "", "", ""},
	"replaceHook": {
		"Put another webhook in the place of one.",
		"event! url! requestType name deviceid integration_type json:object form:object body query:object headers:object auth:object " +
			"responseTopic errorResponseTopic responseTemplate noDefaults:boolean rejectUnauthorized:boolean disabled:boolean",
		"", "",
	},
	"removeHook":       {"Remove a webhook.", "", "", "200 OK"},
	"testHook":         {"Send a made-up event to a webhook and say what came back.", "event data", "", ""},
	"showHookLog":      {"Show what was lately sent to a webhook, and what came back.", "", "", ""},
	"listHookTargets":  {"List the addresses that webhooks may reach though they are this machine's or local.", "", "", ""},
	"addHookTarget":    {"Let webhooks reach an address or a network.", "target!", "", ""},
	"removeHookTarget": {"Keep webhooks from an address or a network again.", "", "", ""},

	"showSession":  {"Say who is logged in with this browser, and whether the cloud needs an owner yet.", "", "", ""},
	"beginSession": {"Log a browser in. With a one-time password new_password has to come too.", "username! password! new_password remember:boolean", "", ""},
	"endSession":   {"Log the browser out.", "", "", ""},
	"setUp":        {"Make the owner of a new cloud, with the set-up code that the server shows.", "code! username! password!", "", "201 object"},

	"showStatus":     {"Show how the cloud is, with warnings that each say the next step.", "", "", ""},
	"showAuthority":  {"Download the certificate that clients have to trust for HTTPS; format=pem gives text.", "", "format", "200 file"},
	"showTrustHelp":  {"Say where that certificate has to go.", "", "", "200 text"},
	"makeAuthority":  {"Make the certificate authority of this cloud if there is none, and get its certificate.", "", "", "200 text"},
	"listHosts":      {"List the names by which browsers may log in.", "", "", ""},
	"addHost":        {"Add such a name.", "host!", "", ""},
	"removeHost":     {"Remove one that was added.", "", "", ""},
	"listUsers":      {"List all accounts.", "", "", "200 array"},
	"addUser":        {"Make an account; one_time lets the cloud make a password that is good once.", "name! password admin:boolean one_time:boolean", "", "201 object"},
	"updateAnyUser":  {"Give an account another password or role.", "password one_time:boolean admin:boolean invalidate_tokens:boolean", "", ""},
	"removeUser":     {"Delete an account; its devices become nobody's.", "", "", "200 OK"},
	"listAllTokens":  {"List the access tokens of everybody, or of one user.", "", "user", "200 array"},
	"issueToken":     {"Make an access token for a user; it is shown once.", "user! scopes:array note expires_in:integer expires_at", "", "201 object"},
	"revokeAnyToken": {"Revoke a token by its public id.", "", "", "200 OK"},
	"listAllDevices": {
		"List all devices, with what only administrators see. With page, counted from 1, or per_page: an object with one page (devices), how many there are (meta) and the cloud's time; brief shortens each to what a list shows; connected_after, such a time, leaves those that connected since.",
		"", "page:integer per_page:integer brief:boolean connected_after deviceId deviceName groups serialNumber sortAttr sortDir", "200 Devices",
	},
	"registerDevice":   {"Register a device and its key before it connects for the first time.", "id! key name owner", "", "201 Device"},
	"showAnyDevice":    {"Show a device with what only administrators see.", "", "", "200 Device"},
	"forgetDevice":     {"Forget a device, its key included.", "", "", "200 OK"},
	"setDevicePolicy":  {"Give a device a rate limit of its own; null takes it away.", "policy!", "", ""},
	"listUnknown":      {"List devices that connected and were not let in, and why.", "", "", "200 array"},
	"adoptDevice":      {"Let one of them in.", "name owner", "", ""},
	"showPolicy":       {"Show how many events devices may send.", "", "", ""},
	"setPolicy":        {"Change that: off, particle, or 1/s:4 with warn, drop or reject.", "device server", "", ""},
	"setProductPolicy": {"Change that for all devices of one product together.", "policy!", "", ""},
	"showClock":        {"Show the cloud's time, and whether the machine's clock is in doubt.", "", "", ""},
	"setClock":         {"Tell the cloud the time.", "time!", "", ""},
	"showLimits":       {"Show what strangers may try.", "", "", ""},
	"setLimits":        {"Change that; 0 and off mean no limit.", "log_ins:integer lock_minutes:integer token_requests:integer stream_opens:integer streams:integer", "", ""},
	"showSettings":     {"Show the owner's switches, how much is logged, and how long and how many events are kept.", "", "", ""},
	"setSettings":      {"Change these; it works at once. events_max_age is in seconds, 0 no bound, null what is usual; so is events_max_bytes.", "trust_first_use:boolean sign_up:boolean log_level events_max_age:integer events_max_bytes:integer", "", ""},
	"listKeys":         {"List the fingerprints of this cloud's keys, and how many of your devices hold which; brief leaves out the ids of those that hold no present one.", "", "brief:boolean", "200 array"},
	"rotateKeys":       {"Rotate the keys by which devices know this cloud: step begin, finish or undo, for transport tcp, udp, or both.", "step! transport force:boolean", "", "200 array"},
	"listBoards":       {"List what is kept of boards: backups, and what they were given.", "", "", ""},
	"putBackup":        {"Keep a sealed backup of a board.", "sealed!", "", ""},
	"getBackup":        {"Get a backup of a board, sealed for somebody.", "", "to", ""},
	"setGiven":         {"Note what a board was given when it was re-keyed.", "given:object", "", ""},
	"showTrial":        {"Say whether the made-up board of the console runs.", "", "", ""},
	"startTrial":       {"Start a made-up board, to look around without hardware.", "", "", ""},
	"stopTrial":        {"Stop it, and forget it.", "", "", ""},
	"showSelfTest":     {"Say how far the test of this machine is, and what the last one found.", "", "", ""},
	"startSelfTest":    {"Measure for some seconds what this machine can do, with devices made of software in a cloud of their own.", "", "", ""},
	"stopSelfTest":     {"Stop that test.", "", "", ""},
	"reach":            {"Answer a phone in the boards' network: this cloud is there.", "", "", "200 text"},
	"doctor":           {"Say why boards may not come.", "", "", ""},
	"deviceDoctor":     {"Say why one device may not come.", "", "", ""},
	"connectLines":     {"Show the command lines by which boards get to this cloud.", "", "host platform", ""},
	"dumpRegistry":     {"Get all that the registry holds, for a backup of the whole cloud.", "", "", "200 object"},
	"showRelay":        {"List the channels of the relay that you see.", "", "", ""},
	"streamRelay":      {"Stream lines of the relay, each as channel, tab, milliseconds since 1970, tab, line.", "", "channels history:integer last_event_id", "200 events"},
	"askRelay":         {"Ask the relay; see its own description.", "", "", ""},
	"showDocument":     {"Get this document.", "", "", ""},

	"notYet":  {"Not available on this server: the answer says why.", "", "", "501 object"},
	"noneYet": {"An empty list: there is nothing of that here.", "", "", "200 array"},
}
