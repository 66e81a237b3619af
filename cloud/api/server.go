package api

import (
	"cmp"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"localcloud/cloud"
	"localcloud/keys"
)

// Config says what a Server works with. It is not changed after New.
type Config struct {
	Hub      *cloud.Hub
	Registry cloud.Registry
	Accounts *cloud.Accounts
	Knocks   Knocks
	Webhooks Webhooks
	Boards   Boards
	Dump     func() ([]byte, error) // all that the registry holds, packed; nil: it cannot
	Hosts    *cloud.Hosts           // nil: localhost and what the owner added

	// ServerKeys returns the public keys of this cloud as PEM, for TCP and for UDP devices.
	ServerKeys func() (tcpPEM, udpPEM []byte)
	// Keyring rotates them; nil: nobody can.
	Keyring Keyring
	// Control is the secret of control.json: who sends it acts as the oldest admin. Empty: there is none.
	Control cloud.Secret
	// Authority returns the certificate of this cloud's own authority as PEM, NotExist when
	// there is none and it is not to be made. Nil: there never is.
	Authority func(make bool) ([]byte, error)
	// SetupCode makes the owner's account, while there is none. Empty: it cannot be made that way.
	SetupCode cloud.SetupCode
	// Status returns a value that encodes as a JSON object: what main adds to the status. May be nil.
	Status func() any
	// Trial is the board made of software; nil: there is none.
	Trial    Trial
	SelfTest SelfTest // nil: there is none
	Tuning   Tuning   // nil: nothing of the program follows the settings
	Logger   *slog.Logger

	KeepAlive   time.Duration // between writes of an idle event stream; 0, or more than 9 s: 9 s
	QueueSize   int           // events that wait for one event stream; 0: 256
	CallTimeout time.Duration // how long a request waits for a device, the log or a password check; 0: 30 s
}

// Knocks is the list of devices that connected and were not let in.
// *cloud.Knocks implements it.
type Knocks interface {
	List() []keys.Knock
	Take(id keys.DeviceID) (keys.Knock, bool)
}

const (
	maxKeepAlive       = 9 * time.Second // clients give up after 13 s (http-api.md, 4.2)
	defaultQueueSize   = 256
	defaultCallTimeout = 30 * time.Second
)

// Server answers the HTTP API. It is safe for concurrent use.
type Server struct {
	Config
	router  *mux.Router
	started time.Time
	streams streams
	guard   *cloud.Guard
	relay   Relay // nil: there is none
	vitals  keptVitals

	settingUp sync.Mutex // held while the owner's account is made
}

// New returns a Server.
func New(c Config) *Server {
	if c.KeepAlive <= 0 || c.KeepAlive > maxKeepAlive {
		c.KeepAlive = maxKeepAlive
	}
	c.QueueSize = cmp.Or(c.QueueSize, defaultQueueSize)
	c.CallTimeout = cmp.Or(c.CallTimeout, defaultCallTimeout)
	if c.Hosts == nil {
		c.Hosts = cloud.NewHosts(c.Registry, nil)
	}
	s := &Server{Config: c, started: time.Now(), streams: newStreams()}
	s.guard = cloud.NewGuard(func() cloud.Limits { return s.Registry.Settings().Limits })
	s.router = s.newRouter()
	return s
}

// Handler returns the whole API: /v1/... and /oauth/token.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// OpenStreams returns how many event streams are open.
func (s *Server) OpenStreams() int { return s.streams.count() }

// CloseStreams ends every event stream after what it still has to send, and
// refuses new ones. It returns when all have ended, at the latest after 2
// seconds: within that time some clients try to come back. Call it when nothing
// publishes any more and before http.Server.Shutdown, which waits for streams for ever.
func (s *Server) CloseStreams() { s.streams.close(drainTime) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w}
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			s.panicked(rec, p)
		}
		// The path is not logged: it can hold a token.
		s.Logger.Debug("request", "method", r.Method, "route", rec.route, "status", rec.status,
			"took", time.Since(start), "from", r.RemoteAddr)
	}()
	limitBody(rec, r)
	allowOrigins(rec.Header())
	if r.Method == http.MethodOptions {
		preflight(rec)
		return
	}
	s.router.ServeHTTP(rec, normalise(r))
}

// panicked answers for a handler that panicked, which is a mistake of ours.
func (s *Server) panicked(rec *recorder, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.Logger.Error("a request handler panicked", "route", rec.route, "panic", p, "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	s.fail(rec, cloud.Errorf("", cloud.Other, "panic"))
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	route  string // as in the table
	status int    // 0 until the head is written
}

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(b []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	return rec.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }
