package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// A browser sends the cookie of a session by itself, whoever wrote the page
// that asks. So a request that leans on it, or that makes a session, is held to
// more than one that brings a token:
//
//	its Host has to name this cloud      no page with a name of its own that leads here (DNS rebinding)
//	its Origin has to be this address    no page of another site, or of another port of this machine
//	it carries the header of a page of   unless it only looks; other origins cannot send
//	ours, X-Localcloud-Csrf              it, since preflight does not allow it
//	its answer is for no other origin    no Access-Control-Allow-Origin
//
// A session is a token whose client is "console". It is in the list of tokens,
// and dies, with all that it holds open, when it is revoked or logged out.

// csrfHeader is what pages of this cloud send with every request that changes something; any value will do.
const csrfHeader = "X-Localcloud-Csrf"

// checkAmbient reports why a request may not lean on what a browser sends by itself, if so.
func (s *Server) checkAmbient(q *request) error {
	q.w.Header().Del("Access-Control-Allow-Origin")
	if err := s.Hosts.CheckHost(q.Host); err != nil {
		return &failure{status: 403, code: "host_refused", text: err.Error()}
	}
	if err := cloud.CheckOrigin(q.Host, q.Header.Get("Origin"), q.Header.Get("Sec-Fetch-Site")); err != nil {
		return &failure{status: 403, code: "origin_refused", text: err.Error()}
	}
	if q.Method != http.MethodGet && q.Method != http.MethodHead && q.Header.Get(csrfHeader) == "" {
		return &failure{status: 403, code: "csrf_refused", text: "The header " + csrfHeader + " is missing: only pages of this cloud may do that with a cookie"}
	}
	return nil
}

// cookieName is another one for each cloud, since a browser does not tell the ports of a machine
// apart, and for HTTPS, whose cookies plain HTTP can neither read nor replace.
func (s *Server) cookieName(r *http.Request) string {
	tcp, _ := s.ServerKeys()
	return cookieNameOf(tcp, r)
}

func cookieNameOf(serverKey []byte, r *http.Request) string {
	sum := sha256.Sum256(serverKey)
	name := "localcloud-" + hex.EncodeToString(sum[:4])
	if r.TLS != nil {
		name = "__Host-" + name
	}
	return name
}

// cookieSecret returns the session of a request, or "". It may have begun before the key of this cloud was rotated.
func (s *Server) cookieSecret(r *http.Request) cloud.Secret {
	names := []string{s.cookieName(r)}
	if s.Keyring != nil && len(r.CookiesNamed(names[0])) == 0 {
		_, old, former := s.Keyring.ServerKeys(keys.TCP)
		for _, k := range append(former, old) {
			if !k.IsZero() {
				names = append(names, cookieNameOf(k.PEM(), r))
			}
		}
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil {
			return cloud.Secret(c.Value)
		}
	}
	return ""
}

// setCookie gives a session to the browser, for life, or with 0 until it is
// closed; an empty secret takes it away.
func (s *Server) setCookie(q *request, secret cloud.Secret, life time.Duration) {
	age := int(life / time.Second)
	if secret == "" {
		age = -1
	}
	http.SetCookie(q.w, &http.Cookie{
		Name: s.cookieName(q.Request), Value: string(secret), Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: q.TLS != nil,
	})
}

// credential returns what a request shows: its token, else the session of its
// cookie once the request was found fit to lean on that.
func (s *Server) credential(q *request) (cloud.Secret, error) {
	if q.secret != "" {
		return q.secret, nil
	}
	session := s.cookieSecret(q.Request)
	if session == "" {
		return "", nil
	}
	return session, s.checkAmbient(q)
}
