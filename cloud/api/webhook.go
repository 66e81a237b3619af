package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"localcloud/cloud"
	"localcloud/keys"
)

// Webhooks delivers events to webhooks. *sink.Sink implements it.
type Webhooks interface {
	// Check reports why a webhook cannot work, if so.
	Check(h cloud.Hook) error
	// Reload takes notice of a change in the registry.
	Reload()
	// Test fires one with a made-up event and says what came of it.
	Test(ctx context.Context, id cloud.HookID, name, data string) (cloud.HookDelivery, error)
	// Record returns what is remembered of one's deliveries.
	Record(id cloud.HookID) cloud.HookRecord
}

// maxHooks is how many webhooks one user can have.
const maxHooks = 200

const webhookType = "Webhook" // the only integration_type there is here

// hookRow is a webhook in a list.
type hookRow struct {
	ID        cloud.HookID `json:"id"`
	Event     string       `json:"event"`
	Created   stamp        `json:"created_at"`
	Updated   stamp        `json:"updated_at"`
	Type      string       `json:"integration_type"`
	URL       string       `json:"url"`
	Method    string       `json:"requestType"`
	Name      *string      `json:"name"`
	DeviceID  *string      `json:"deviceID,omitempty"`
	MyDevices bool         `json:"mydevices"` // of no single device
	Product   int          `json:"product_id,omitempty"`
	Owner     string       `json:"owner"` // name of the user
	Disabled  bool         `json:"disabled"`
}

// hookObject is a webhook with all its settings, under the names of the official cloud.
type hookObject struct {
	hookRow
	JSON               any               `json:"json,omitempty"`
	Form               map[string]string `json:"form,omitempty"`
	Body               string            `json:"body,omitempty"`
	Query              map[string]string `json:"query,omitempty"`
	Headers            map[string]string `json:"headers,omitempty"`
	Auth               map[string]string `json:"auth,omitempty"`
	ResponseTemplate   any               `json:"responseTemplate,omitempty"`
	ResponseTopic      string            `json:"responseTopic,omitempty"`
	ErrorResponseTopic string            `json:"errorResponseTopic,omitempty"`
	NoDefaults         bool              `json:"noDefaults"`
	RejectUnauthorized bool              `json:"rejectUnauthorized"`
	Unchunked          bool              `json:"unchunked"`
	DataURL            bool              `json:"dataUrlResponseEvent"`
	Counts             cloud.HookCounts  `json:"counts"`
}

func (s *Server) hookRow(q *request, h cloud.Hook) hookRow {
	row := hookRow{
		ID: h.ID, Event: h.Event, Created: stamp(h.Created), Updated: stamp(h.Updated), Type: webhookType, URL: h.URL, Method: h.Method,
		Name: orNull(h.Name), MyDevices: h.Device.IsZero(), Product: h.Product, Owner: s.userName(h.Owner), Disabled: h.Disabled,
	}
	if !h.Device.IsZero() {
		id := h.Device.String()
		row.DeviceID = &id
	}
	if !maySeeSecrets(q) {
		row.URL = withoutSecrets(h.URL)
	}
	return row
}

// maySeeSecrets reports whether a token may know what a webhook shows its target: one that
// cannot change it shall not learn keys that open doors elsewhere.
func maySeeSecrets(q *request) bool { return q.access.Allows(cloud.ScopeHooksUpdate) }

// withoutSecrets cuts the query, and hides who logs in, of a URL that may be a template.
func withoutSecrets(s string) string {
	s, _, _ = strings.Cut(s, "?")
	if u, err := url.Parse(s); err == nil && u.User != nil {
		u.User = nil
		return u.String()
	}
	return s
}

func (s *Server) hookObject(q *request, h cloud.Hook) hookObject {
	o := hookObject{
		hookRow: s.hookRow(q, h), Body: h.Body, ResponseTopic: h.ResponseTopic, ErrorResponseTopic: h.ErrorResponseTopic, NoDefaults: h.NoDefaults,
		RejectUnauthorized: !h.Insecure, Unchunked: h.Unchunked, DataURL: h.DataURL, Form: h.Form, Counts: s.Webhooks.Record(h.ID).Counts,
	}
	if h.JSON != nil {
		o.JSON = h.JSON
	}
	if h.ResponseTemplate != nil {
		o.ResponseTemplate = h.ResponseTemplate
	}
	if maySeeSecrets(q) {
		o.Query, o.Headers, o.Auth = h.Query, h.Headers, authObject(h.Auth)
	}
	return o
}

func authObject(a cloud.HookAuth) map[string]string {
	switch {
	case a.Bearer != "":
		return map[string]string{"bearer": a.Bearer}
	case a != cloud.HookAuth{}:
		return map[string]string{"username": a.Username, "password": a.Password}
	}
	return nil
}

// hookAnswer is one webhook under both names that clients look for.
type hookAnswer struct {
	OK          bool       `json:"ok"`
	Integration hookObject `json:"integration"`
	Webhook     hookObject `json:"webhook"`
}

func (s *Server) hookAnswer(q *request, h cloud.Hook) hookAnswer {
	o := s.hookObject(q, h)
	return hookAnswer{true, o, o}
}

// seesHook reports whether a webhook exists for who asks, on this route.
func seesHook(q *request, h cloud.Hook) bool {
	if product := hookProduct(q); product != 0 {
		return h.Product == product // whose product it is was looked at before
	}
	return q.access.User.Admin || h.Owner == q.access.User.ID
}

// hook returns the webhook that the path names.
func (s *Server) hook(q *request) (cloud.Hook, error) {
	h, ok := s.Registry.Hook(cloud.HookID(strings.ToLower(q.variable("hook"))))
	if !ok || !seesHook(q, h) {
		return cloud.Hook{}, errNoHook
	}
	return h, nil
}

// listHooks answers with the webhooks of the user or the product. With all=true those of products are in a user's list too.
func (s *Server) listHooks(q *request) (any, error) {
	all := q.args.flag("all", false)
	if q.args.err != nil {
		return nil, q.args.err
	}
	list := []hookRow{}
	for _, h := range s.Registry.Hooks() {
		if seesHook(q, h) && (all || h.Product == hookProduct(q)) {
			list = append(list, s.hookRow(q, h))
		}
	}
	return list, nil
}

func (s *Server) createHook(q *request) (any, error) {
	h, err := s.hookFrom(q, q.access.User.ID)
	if err != nil {
		return nil, err
	}
	own := 0
	for _, other := range s.Registry.Hooks() {
		if other.Owner == h.Owner {
			own++
		}
	}
	if own >= maxHooks {
		return nil, plain(409, "There are too many webhooks: delete some first")
	}
	h.ID, h.Created = cloud.NewHookID(), s.Hub.Clock().Now()
	h.Updated = h.Created
	if err := s.Registry.AddHook(h); err != nil {
		return nil, err
	}
	s.Webhooks.Reload()
	scheme := "http://"
	if q.TLS != nil {
		scheme = "https://"
	}
	return created{struct {
		hookAnswer
		hookRow
		HookURL string `json:"hookUrl"`
	}{s.hookAnswer(q, h), s.hookRow(q, h), scheme + q.Host + "/v1/webhooks/" + string(h.ID)}}, nil
}

func (s *Server) showHook(q *request) (any, error) {
	h, err := s.hook(q)
	if err != nil {
		return nil, err
	}
	return s.hookAnswer(q, h), nil
}

// replaceHook gives a webhook all its settings anew.
func (s *Server) replaceHook(q *request) (any, error) {
	before, err := s.hook(q)
	if err != nil {
		return nil, err
	}
	fresh, err := s.hookFrom(q, before.Owner)
	if err != nil {
		return nil, err
	}
	fresh.Product, fresh.Updated = before.Product, s.Hub.Clock().Now()
	h, err := s.Registry.UpdateHook(before.ID, func(h *cloud.Hook) error { *h = fresh; return nil })
	if err != nil {
		return nil, err
	}
	s.Webhooks.Reload()
	return s.hookAnswer(q, h), nil
}

func (s *Server) removeHook(q *request) (any, error) {
	h, err := s.hook(q)
	if err != nil {
		return nil, err
	}
	if err := s.Registry.RemoveHook(h.ID); err != nil {
		return nil, err
	}
	s.Webhooks.Reload()
	return done, nil
}

// removeHooksOf removes the webhooks of a product: its number may be given again.
func (s *Server) removeHooksOf(product int) error {
	defer s.Webhooks.Reload()
	for _, h := range s.Registry.Hooks() {
		if h.Product != product {
			continue
		}
		if err := s.Registry.RemoveHook(h.ID); err != nil && cloud.KindOf(err) != cloud.NotExist {
			return err
		}
	}
	return nil
}

// testHook fires a webhook once and answers when it is over. That the target
// failed is an error, with the words that a device would hear.
func (s *Server) testHook(q *request) (any, error) {
	h, err := s.hook(q)
	if err != nil {
		return nil, err
	}
	name, data := q.args.text("event"), "test-event"
	if q.args.has("data") {
		data = q.args.text("data")
	}
	switch {
	case q.args.err != nil:
		return nil, q.args.err
	case name == "":
		name = h.Event
	case !strings.HasPrefix(name, h.Event) || len(name) > cloud.MaxEventName:
		return nil, plain(400, "This webhook is not fired by such an event: its name does not begin with "+h.Event)
	}
	if len(data) > cloud.MaxEventData {
		return nil, plain(413, "The data of an event is too long")
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	d, err := s.Webhooks.Test(ctx, h.ID, name, data)
	switch {
	case err != nil:
		return nil, err
	case d.Result != cloud.HookDelivered:
		return nil, plain(http.StatusBadGateway, d.Error)
	}
	return map[string]any{"ok": true, "delivery": d}, nil
}

// showHookLog answers with what is remembered of a webhook's deliveries.
func (s *Server) showHookLog(q *request) (any, error) {
	h, err := s.hook(q)
	if err != nil {
		return nil, err
	}
	return s.Webhooks.Record(h.ID), nil
}

// hookTargets are the closed addresses that webhooks may reach.
type hookTargets struct {
	Targets []cloud.HookTarget `json:"targets"`
}

func (s *Server) listHookTargets(*request) (any, error) {
	return targetsOf(s.Registry.Settings()), nil
}

func targetsOf(set cloud.Settings) hookTargets {
	if set.HookTargets == nil {
		return hookTargets{[]cloud.HookTarget{}}
	}
	return hookTargets{set.HookTargets}
}

// addHookTarget opens an address to webhooks.
func (s *Server) addHookTarget(q *request) (any, error) {
	return s.changeHookTargets(q.args.text("target"), func(list []cloud.HookTarget, t cloud.HookTarget) []cloud.HookTarget {
		return append(list, t)
	})
}

// removeHookTarget closes it again.
func (s *Server) removeHookTarget(q *request) (any, error) {
	return s.changeHookTargets(q.variable("target"), func(list []cloud.HookTarget, _ cloud.HookTarget) []cloud.HookTarget { return list })
}

// changeHookTargets replaces the list by what change makes of it, without the target.
func (s *Server) changeHookTargets(text string, change func([]cloud.HookTarget, cloud.HookTarget) []cloud.HookTarget) (any, error) {
	target, err := cloud.ParseHookTarget(text)
	if err != nil {
		return nil, err
	}
	set, err := s.updateSettings(func(set *cloud.Settings) {
		var others []cloud.HookTarget
		for _, t := range set.HookTargets {
			if t != target {
				others = append(others, t)
			}
		}
		set.HookTargets = change(others, target)
	})
	if err != nil {
		return nil, err
	}
	s.Webhooks.Reload()
	return targetsOf(set), nil
}

// hookDevice finds the device that a webhook is tied to, by id or name. It has to be the owner's own: other events never fire it.
func (s *Server) hookDevice(q *request, owner cloud.UserID) (keys.DeviceID, error) {
	var name string
	for _, key := range []string{"deviceID", "deviceid", "deviceId", "device_id"} {
		if v := q.args.text(key); v != "" && name == "" {
			name = v
		}
	}
	if name == "" || name == "mine" || hookProduct(q) != 0 {
		return keys.DeviceID{}, nil
	}
	d, ok := s.find(q, name)
	if !ok || d.Owner != owner {
		return keys.DeviceID{}, noDevice(q)
	}
	return d.ID, nil
}
