package api

import "net/http"

// allowOrigins lets pages of any origin read the answer. That is safe since
// the request brings its token. For one that leans on what a browser sends
// by itself it is taken back, see ambient.go.
func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff") // answers hold text that devices wrote
}

// preflight answers OPTIONS, whatever the path.
func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers",
		"X-Requested-With, Content-Type, Accept, Authorization, X-Particle-Tool, X-Particle-Project, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "300")
	w.WriteHeader(http.StatusNoContent)
}
