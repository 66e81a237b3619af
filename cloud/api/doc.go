// Package api is the HTTP side of the cloud: version 1 of the Particle API,
// as the clients that exist really use it (http-api.md), and below
// /v1/localcloud what the commands of localcloud need.
//
// # The way of a request
//
//	Server.ServeHTTP   CORS, one log line, panics, slashes           server.go, path.go
//	mux                the table of routes                           routes.go, described in describe.go, openapi.go
//	Server.answer      path variables, query, body, token, scope     auth.go, body.go
//	a handler          decodes, checks owner, asks, returns a value  one file a subject
//	Server.write       the value as JSON, or the error as JSON       answer.go, errors.go
//
// A new route is a line in routes.go, one in describe.go, which says in the
// document of the API what it is for, and one in access_test.go, which says who may use it.
//
// A handler returns what it has to say: a value or an error. Only event
// streams write for themselves, once nothing can be refused any more.
//
// Handlers hold device ids and never connections: the Hub finds those. A
// device that a user may not see does not exist for them.
package api
