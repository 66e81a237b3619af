package api

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/sink"
	"localcloud/cloud/store"
	"localcloud/keys"
)

// world is a cloud in memory around the API: three users, three devices.
//
//	root   the first user, so an admin; owns nothing
//	alice  owns lamp, which is online
//	bob    owns fan, which is offline
//	nobody owns the third, stray
type world struct {
	*testing.T
	registry cloud.Registry
	hub      *cloud.Hub
	accounts *cloud.Accounts
	knocks   *cloud.Knocks
	server   *Server
	lamp     *board

	root, alice, bob cloud.Secret // tokens that may do everything

	// Only after serve.
	pipes  *pipes
	http   *http.Server
	client *http.Client

	mu  sync.Mutex
	log bytes.Buffer
}

const (
	lampID   = "0123456789abcdef01234567"
	fanID    = "fedcba9876543210fedcba98"
	strayID  = "5555555555555555555555aa"
	newID    = "e00fce68000000000000000a"
	password = "correct horse"
	control  = cloud.Secret("c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0")
)

// hashed is the hash of password, which takes long to make.
var hashed = sync.OnceValue(func() string { return cloud.HashPassword(password) })

// rsaKey and eccKey are public keys of devices.
var (
	rsaKey = sync.OnceValue(func() keys.PublicKey {
		k, err := keys.GenerateDeviceRSA()
		return must(keys.NewRSAPublicKey(&must(k, err).PublicKey))
	})
	eccKey = sync.OnceValue(func() keys.PublicKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return must(keys.NewECDSAPublicKey(&must(k, err).PublicKey))
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	st := store.OpenMemory(store.Options{})
	w := &world{T: t, registry: st.Registry(), accounts: cloud.NewAccounts(st.Registry()), knocks: cloud.NewKnocks(10)}
	logger := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.hub = cloud.NewHub(st.Registry(), st.Events(), logger)
	w.accounts.Clock = w.hub.Clock()
	t.Cleanup(func() {
		st.Close()
		w.noSecretsLogged()
	})
	c := Config{
		Hub: w.hub, Registry: w.registry, Accounts: w.accounts, Knocks: w.knocks, Boards: store.NewBoards(t.TempDir(), t.TempDir()), Dump: st.Registry().Dump, Control: control, Logger: logger,
		ServerKeys: func() (tcp, udp []byte) { return []byte("TCP PEM"), []byte("UDP PEM") },
		Keyring:    noRotation{},
	}
	c.Webhooks = sink.New(sink.Config{Hub: w.hub, Registry: w.registry, Logger: logger})
	for _, f := range change {
		f(&c)
	}
	w.server = New(c)

	w.root, w.alice, w.bob = w.user("root"), w.user("alice"), w.user("Bob")
	w.device(lampID, "lamp", "alice")
	w.device(fanID, "fan", "Bob")
	w.device(strayID, "", "")
	w.lamp = w.connect(lampID)
	return w
}

// Write takes what is logged.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// noSecretsLogged fails when a token or a password got into the log, whatever the test did.
func (w *world) noSecretsLogged() {
	log := w.logged()
	for _, secret := range []string{string(w.root), string(w.alice), string(w.bob), string(control), password, strings.ReplaceAll(password, " ", "+")} {
		if strings.Contains(log, secret) {
			w.Errorf("the log holds the secret %s:\n%s", secret, log)
		}
	}
}

// user makes an account and returns a token of it.
func (w *world) user(name string) cloud.Secret {
	w.Helper()
	u, err := w.registry.AddUser(cloud.User{ID: cloud.NewUserID(), Name: name, Password: hashed(), Created: time.Now()})
	if err != nil {
		w.Fatal(err)
	}
	return w.token(u.Name)
}

// token issues a token that never expires.
func (w *world) token(user string, scopes ...cloud.Scope) cloud.Secret {
	w.Helper()
	issued, err := w.accounts.Issue(cloud.Grant{User: w.userID(user), Client: "test", Scopes: scopes})
	if err != nil {
		w.Fatal(err)
	}
	return issued.Secret
}

func (w *world) userID(name string) cloud.UserID {
	u, _ := w.registry.UserByName(name)
	return u.ID
}

func id(hex string) keys.DeviceID {
	return must(keys.ParseDeviceID(hex))
}

// device registers a device.
func (w *world) device(hex, name, owner string) {
	w.Helper()
	_, err := w.registry.UpdateDevice(id(hex), func(d *cloud.Device, _ bool) error {
		d.Name, d.Owner = name, w.userID(owner)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

// record returns what the registry knows of a device.
func (w *world) record(hex string) cloud.Device {
	w.Helper()
	d, ok := w.registry.Device(id(hex))
	if !ok {
		w.Fatalf("device %s is not registered", hex)
	}
	return d
}

// board is a device that is connected. It has a function led, which returns
// 42, and the variables vars.
type board struct {
	presence *cloud.Presence
	vars     map[string]any
	refuses  error // what it answers to everything
	hang     bool  // it does not answer

	mu       sync.Mutex
	argument string // of the last call
	name     string // the last it was told
	signals  []bool
	closed   error
}

// connect brings a device online.
func (w *world) connect(hex string) *board {
	w.Helper()
	b := &board{vars: map[string]any{"temp": 21.5, "count": int32(-7), "on": true, "text": `say "hi"`}}
	d := w.record(hex)
	d.PlatformID, d.ProductID, d.SystemVersion = 6, 6, "2.3.1"
	d.Functions, d.Variables = []string{"led"}, map[string]string{"temp": "double"}
	d.LastHandshake = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	if _, err := w.registry.UpdateDevice(d.ID, func(r *cloud.Device, _ bool) error { *r = d; return nil }); err != nil {
		w.Fatal(err)
	}
	b.presence = w.hub.Arrive(w.Context(), cloud.Arrival{Conn: b, Device: d, Address: "10.0.0.7:40000"})
	return b
}

func (b *board) answer(ctx context.Context) error {
	if b.hang {
		<-ctx.Done()
		return cloud.E("session", cloud.Timeout, ctx.Err())
	}
	return b.refuses
}

func (b *board) Call(ctx context.Context, function, argument string) (int32, error) {
	if err := b.answer(ctx); err != nil {
		return 0, err
	}
	if function != "led" {
		return 0, cloud.Errorf("call", cloud.NotExist, "no such function")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.argument = argument
	return 42, nil
}

func (b *board) Variable(ctx context.Context, name string) (any, error) {
	if err := b.answer(ctx); err != nil {
		return nil, err
	}
	v, ok := b.vars[name]
	if !ok {
		return nil, cloud.Errorf("variable", cloud.NotExist, "no such variable")
	}
	return v, nil
}

func (b *board) Vitals(ctx context.Context) (map[string]float64, error) {
	return map[string]float64{"system.uptime": 99, "system.memory.used": 7, "system.memory.total": 10}, b.answer(ctx)
}

func (b *board) Signal(ctx context.Context, on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signals = append(b.signals, on)
	return b.refuses
}

func (b *board) Ping(ctx context.Context) error { return b.answer(ctx) }
func (b *board) Offer(*cloud.Event) bool        { return true }
func (b *board) LastHeard() time.Time           { return time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC) }

func (b *board) Renamed(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.name = name
}

func (b *board) Close(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = err
}

// With these a test says what a request carries beside its address.

type option func(*http.Request)

func as(token cloud.Secret) option {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+string(token)) }
}

func basic(name, password string) option {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func body(contentType, text string) option {
	return func(r *http.Request) {
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		r.Body = io.NopCloser(strings.NewReader(text))
		r.ContentLength = int64(len(text))
	}
}

func form(text string) option     { return body("application/x-www-form-urlencoded", text) }
func jsonText(text string) option { return body("application/json", text) }

// parts is a multipart body as particle-cli sends it, chunked.
func parts(write func(*multipart.Writer)) option {
	return func(r *http.Request) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		write(m)
		m.Close()
		r.Header.Set("Content-Type", "multipart/form-data;boundary="+m.Boundary())
		r.Body, r.ContentLength = io.NopCloser(&b), -1
	}
}

func fields(kv ...string) option {
	return parts(func(m *multipart.Writer) {
		for i := 0; i < len(kv); i += 2 {
			m.WriteField(kv[i], kv[i+1])
		}
	})
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string

	ambient bool // the request leaned on what a browser sends by itself
}

// do sends a request such as "GET /v1/devices".
func (w *world) do(request string, options ...option) answer {
	w.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, nil)
	for _, o := range options {
		o(r)
	}
	rec := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(rec, r)
	a := answer{t: w.T, what: request, status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	forPages := strings.HasPrefix(target, "/v1/localcloud/session") || strings.HasPrefix(target, "/v1/localcloud/setup")
	byToken := r.Header.Get("Authorization") != ""
	a.ambient = !byToken && (forPages || w.server.cookieSecret(r) != "") || forPages && method != "GET"
	a.obeysTheRules()
	return a
}

// obeysTheRules checks what holds for every answer (http-api.md, 2.4 to 2.6).
func (a answer) obeysTheRules() {
	a.t.Helper()
	if got := a.header.Get("Access-Control-Allow-Origin"); got == "*" == a.ambient {
		a.t.Errorf("%s: Access-Control-Allow-Origin is %q", a.what, got)
	}
	if a.header.Get("Access-Control-Allow-Credentials") != "" {
		a.t.Errorf("%s: pages of other origins may send cookies", a.what)
	}
	if a.status == http.StatusNoContent {
		return
	}
	var object map[string]any
	err := json.Unmarshal([]byte(a.body), &object)
	isJSON := a.header.Get("Content-Type") == "application/json; charset=utf-8"
	switch {
	case a.status/100 == 2:
		if a.body == "" {
			a.t.Errorf("%s: empty body with %d", a.what, a.status)
		}
		if isJSON && (object["error"] != nil || object["errors"] != nil) {
			a.t.Errorf("%s: old clients take this for a failure: %s", a.what, a.body)
		}
	case err != nil || !isJSON:
		a.t.Errorf("%s: %d without a JSON object: %q", a.what, a.status, a.body)
	default:
		a.isError(object)
	}
}

func (a answer) isError(object map[string]any) {
	a.t.Helper()
	text, _ := object["error_description"].(string)
	if object["ok"] != false || object["error"] == "" || text == "" || !reflect.DeepEqual(object["errors"], []any{text}) {
		a.t.Errorf("%s: not all clients find the text of this error: %s", a.what, a.body)
	}
	isToken := a.status == 401 || text == errNoToken.text
	if speaks := strings.Contains(strings.ToLower(a.body), "access token"); speaks != isToken {
		a.t.Errorf("%s: %d %s: particle-cli erases its log-in on 401 and on these words", a.what, a.status, a.body)
	}
}

// is checks status and whole body; a body that is JSON is compared as JSON.
func (a answer) is(status int, want string) answer {
	a.t.Helper()
	var got, wanted any
	same := a.body == want
	if json.Unmarshal([]byte(a.body), &got) == nil && json.Unmarshal([]byte(want), &wanted) == nil {
		same = reflect.DeepEqual(got, wanted)
	}
	if a.status != status || !same {
		a.t.Errorf("%s: %d %s\nwant %d %s", a.what, a.status, a.body, status, want)
	}
	return a
}

// has checks the status, and the keys of an object that stand in want.
func (a answer) has(status int, want string) answer {
	a.t.Helper()
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		a.t.Fatalf("%s: %v", want, err)
	}
	got := a.object()
	part := map[string]any{}
	for k := range wanted {
		part[k] = got[k]
	}
	if a.status != status || !maps.EqualFunc(part, wanted, reflect.DeepEqual) {
		a.t.Errorf("%s: %d %s\nwant %d with %s", a.what, a.status, a.body, status, want)
	}
	return a
}

// fails checks the status and the words of an error.
func (a answer) fails(status int, code, text string) answer {
	a.t.Helper()
	got := a.object()
	if a.status != status || got["error"] != code || got["error_description"] != text {
		a.t.Errorf("%s: %d %s\nwant %d error %q, error_description %q", a.what, a.status, a.body, status, code, text)
	}
	return a
}

// object returns the body as a JSON object.
func (a answer) object() map[string]any {
	var object map[string]any
	json.Unmarshal([]byte(a.body), &object)
	return object
}

// list returns the body as a JSON list of objects.
func (a answer) list() []map[string]any {
	a.t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(a.body), &list); err != nil {
		a.t.Errorf("%s: not a list: %s", a.what, a.body)
	}
	return list
}

// text returns a key of the body that is a text.
func (a answer) text(key string) string {
	s, _ := a.object()[key].(string)
	return s
}
