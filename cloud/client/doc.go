// Package client is the other side of the HTTP API: the commands use it, on
// the cloud's own machine and from another one.
//
// A Client is a base URL, a token and an *http.Client. Its methods are the
// API's routes, one file a subject, and return the API's objects. What the
// server refuses comes back as a *cloud.Error with the kind that the status
// stands for and the server's own words. Every method takes a context and
// every answer is bounded. Follow reads an event stream and reconnects
// without losing or repeating an event.
package client
