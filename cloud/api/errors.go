package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"localcloud/cloud"
)

// This file is the only one that knows which status stands for what. Rules of
// http-api.md, 2.5: every error is a JSON object; 401 and the words "access
// token" are for bad tokens alone, because particle-cli erases its log-in when
// it sees them.

// failure is an answer that is not 2xx.
type failure struct {
	status     int
	code       string        // "error": one of OAuth's codes, or the text itself
	text       string        // "error_description" and "errors": for people
	info       string        // "info": a hint
	retryAfter time.Duration // 0: not said
}

// Error implements error.
func (f *failure) Error() string { return f.text }

// plain is a failure whose code is its text.
func plain(status int, text string) *failure { return &failure{status: status, code: text, text: text} }

// The failures with an official wording.
var (
	errNoToken      = &failure{status: 400, code: "invalid_request", text: "The access token was not found"}
	errBadToken     = &failure{status: 401, code: "invalid_token", text: "The access token provided is invalid."}
	errExpiredToken = &failure{status: 401, code: "invalid_token", text: "The access token provided has expired."}
	errPassword     = &failure{status: 400, code: "invalid_grant", text: "User credentials are invalid"}

	errNoVariable = plain(404, "Variable not found")
	errTimeout    = plain(408, "Timed out.")
	errOffline    = &failure{status: 408, code: "Timed out.", text: "Timed out.", info: "The device is not connected."}
	errForeign    = plain(403, "That belongs to someone else. To request a transfer add ?request_transfer=true")
)

// Failures of ours.
var (
	errNoRoute     = plain(404, "Not found: there is no such address in this API")
	errMethod      = plain(405, "This address does not take that method")
	errInternal    = plain(500, "This server made a mistake; its log says which")
	errTooLarge    = plain(413, "The request is too large")
	errClosing     = &failure{status: 503, code: "Unavailable", text: "This server is about to stop", retryAfter: 2 * time.Second}
	errNotYet      = plain(501, "This is not available yet")
	errNoFlash     = plain(501, "Flashing is not available yet")
	errNoBuild     = plain(501, "Cloud compilation is not available on this server")
	errNoSignUp    = plain(403, "Nobody can sign up here: ask the owner of this cloud for an account")
	errNoHook      = plain(404, "No such webhook")
	errNoSuchToken = plain(404, "No such token")
	errNoOwner     = plain(400, "There is no user yet who could own a device")
	errNoTransfer  = plain(501, "Devices cannot be transferred here: their owner has to release them first")
	errOneTime     = &failure{status: 403, code: "password_change_required", text: "This password is for the first log-in only: log in with a browser at this address, and choose your own"}
	errHasOwner    = plain(409, "This cloud has its owner already: log in")
	errSetupCode   = plain(403, "That is not the set-up code. It stands on the server's terminal, and is shown again by: localcloud status")
	errNoProduct   = plain(404, "Product not found")
)

// noFunction says that a device has no such function.
func noFunction(name string) *failure { return plain(404, "Function "+name+" not found") }

// noDevice says that a device is unknown, or not theirs, which is the same to them.
func noDevice(q *request) *failure {
	scheme := "http"
	if q.TLS != nil {
		scheme = "https"
	}
	return &failure{status: 403, code: "Permission Denied", text: "Permission Denied",
		info: "I didn't recognize that device name or ID, try opening " + scheme + "://" + q.Host + "/v1/devices?access_token=undefined"}
}

// unauthorized says that who asks may not do that.
func unauthorized(text string) *failure {
	return &failure{status: 403, code: "unauthorized", text: text}
}

// badGrant is an error of the OAuth layer.
func badGrant(code, text string) *failure { return &failure{status: 400, code: code, text: text} }

// kindStatus is the one map from kinds to statuses. An error of the device is
// 502, since the cloud stands between it and the client; 409 is for names that are taken.
var kindStatus = map[cloud.Kind]int{
	cloud.Invalid:     http.StatusBadRequest,
	cloud.NotExist:    http.StatusNotFound,
	cloud.Exist:       http.StatusConflict,
	cloud.Permission:  http.StatusForbidden,
	cloud.Limited:     http.StatusTooManyRequests,
	cloud.NoSpace:     http.StatusInsufficientStorage,
	cloud.Refused:     http.StatusBadGateway,
	cloud.Unsupported: http.StatusNotImplemented,
}

// failureOf turns any error into an answer.
func failureOf(err error) *failure {
	var f *failure
	switch kind := cloud.KindOf(err); {
	case errors.As(err, &f):
		return f
	case errors.Is(err, cloud.ErrTokenExpired):
		return errExpiredToken
	case errors.Is(err, cloud.ErrOneTime):
		return errOneTime
	case errors.Is(err, cloud.ErrPassword):
		return errPassword
	case kind == cloud.Unauthentic:
		return errBadToken
	case kind == cloud.Offline:
		return errOffline
	case kind == cloud.Timeout, errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	case kindStatus[kind] == 0:
		return errInternal
	default:
		f = plain(kindStatus[kind], err.Error())
		if kind == cloud.Limited {
			f.retryAfter = time.Second
		}
		var limited *cloud.LimitedError
		if errors.As(err, &limited) {
			f.code, f.text, f.retryAfter = "too_many_requests", limited.Error(), limited.After
		}
		return f
	}
}

// errorBody is the union of the shapes that clients look for.
type errorBody struct {
	OK          bool     `json:"ok"` // false
	Error       string   `json:"error"`
	Description string   `json:"error_description"`
	Errors      []string `json:"errors"`
	Info        string   `json:"info,omitempty"`
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, err error) {
	f := failureOf(err)
	if f == errInternal {
		s.Logger.Error("request failed", "err", err)
	}
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	s.writeJSON(w, f.status, errorBody{Error: f.code, Description: f.text, Errors: []string{f.text}, Info: f.info})
}
