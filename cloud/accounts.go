package cloud

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// Accounts turns passwords and tokens into Access. It is safe for concurrent
// use.
type Accounts struct {
	// Clock says when a token expires; nil: the machine's clock. It is set before anything else is used.
	Clock *Clock

	registry Registry
	hashing  chan struct{} // one place for each password check that may run at once

	mu    sync.Mutex
	held  map[TokenID]map[*hold]struct{} // what ends when a token is revoked
	spent map[TokenID]struct{}           // refresh tokens that Renew works on
}

// hold is one thing that lives as long as a token, such as an open stream.
type hold struct{ cancel context.CancelCauseFunc }

// NewAccounts returns Accounts over a registry. Two passwords are
// checked at once; more wait, since each takes 19 MiB.
func NewAccounts(registry Registry) *Accounts {
	return &Accounts{
		registry: registry,
		hashing:  make(chan struct{}, 2),
		held:     make(map[TokenID]map[*hold]struct{}),
		spent:    make(map[TokenID]struct{}),
	}
}

func (a *Accounts) now() time.Time {
	if a.Clock == nil {
		return time.Now().UTC()
	}
	return a.Clock.Now()
}

// Errors of Authenticate, to be told apart by the API.
var (
	ErrTokenInvalid = E("token", Unauthentic, errors.New("the access token provided is invalid"))
	ErrTokenExpired = E("token", Unauthentic, errors.New("the access token provided has expired"))
	ErrPassword     = E("log in", Unauthentic, errors.New("user credentials are invalid"))
	ErrOneTime      = E("log in", Permission, errors.New("this password is for the first log-in only: choose another"))
)

// AddUser creates a user. The first one becomes an admin whatever admin says.
func (a *Accounts) AddUser(ctx context.Context, name, password string, admin, oneTime bool) (User, error) {
	if err := CheckUserName(name); err != nil {
		return User{}, err
	}
	hash, err := a.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	return a.registry.AddUser(User{
		ID: NewUserID(), Name: name, Password: hash, Admin: admin, OneTime: oneTime, Created: a.now(),
	})
}

// SetPassword gives a user another password, and ends the sessions of their
// browsers except one; keep may be empty. Their other tokens stay good.
func (a *Accounts) SetPassword(ctx context.Context, id UserID, password string, oneTime bool, keep TokenID) (User, error) {
	hash, err := a.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	u, err := a.registry.UpdateUser(id, func(u *User) error { u.Password, u.OneTime = hash, oneTime; return nil })
	if err != nil {
		return User{}, err
	}
	return u, a.revokeWhere(id, func(t Token) bool { return t.Client == SessionClient && t.ID != keep })
}

// RevokeAll ends all tokens of a user except one; keep may be empty.
func (a *Accounts) RevokeAll(id UserID, keep TokenID) error {
	return a.revokeWhere(id, func(t Token) bool { return t.ID != keep && t.Pair != keep || keep == "" })
}

func (a *Accounts) revokeWhere(id UserID, which func(Token) bool) error {
	var ids []TokenID
	for _, t := range a.registry.Tokens(id) {
		if which(t) {
			ids = append(ids, t.ID)
		}
	}
	return a.Revoke(ids...)
}

// NewPassword draws a password that is made for somebody else, to be typed once: 60 random bits.
func NewPassword() string { return strings.ToLower(string(NewSetupCode())) }

// Rename gives a user another name to log in with.
func (a *Accounts) Rename(id UserID, name string) (User, error) {
	if err := CheckUserName(name); err != nil {
		return User{}, err
	}
	return a.registry.UpdateUser(id, func(u *User) error { u.Name = name; return nil })
}

// ErrOnlyAdmin means that without this user nobody could look after the cloud.
var ErrOnlyAdmin = E("", Exist, errors.New("the only administrator cannot be removed: make another one first"))

// SetAdmin makes a user an administrator, or an ordinary user. What a former
// administrator has open ends, so that it comes back with what they may see now.
func (a *Accounts) SetAdmin(id UserID, admin bool) (User, error) {
	u, err := a.registry.UpdateUser(id, func(u *User) error {
		if u.Admin && !admin && a.onlyAdmin(id) {
			return ErrOnlyAdmin
		}
		u.Admin = admin
		return nil
	})
	if err != nil {
		return User{}, err
	}
	if !admin {
		var ids []TokenID
		for _, t := range a.registry.Tokens(id) {
			ids = append(ids, t.ID)
		}
		a.release(ids)
	}
	return u, nil
}

func (a *Accounts) onlyAdmin(id UserID) bool {
	for _, u := range a.registry.Users() {
		if u.Admin && u.ID != id {
			return false
		}
	}
	return true
}

func (a *Accounts) hash(ctx context.Context, password string) (string, error) {
	if len(password) < MinPassword {
		return "", Errorf("password", Invalid, "a password has at least %d bytes", MinPassword)
	}
	if len(password) > 1024 {
		return "", Errorf("password", Invalid, "a password has at most 1024 bytes")
	}
	if err := a.queue(ctx); err != nil {
		return "", err
	}
	defer a.unqueue()
	return HashPassword(password), nil
}

// LogIn returns the user with that name and password, or ErrPassword; with a
// password that has to be changed first, the user and ErrOneTime. An
// unknown name takes as long as a wrong password.
func (a *Accounts) LogIn(ctx context.Context, name, password string) (User, error) {
	if len(password) > 1024 {
		return User{}, ErrPassword
	}
	if err := a.queue(ctx); err != nil {
		return User{}, err
	}
	defer a.unqueue()
	u, _ := a.registry.UserByName(name)
	switch {
	case !CheckPassword(u.Password, password):
		return User{}, ErrPassword
	case isOldPassword(u.Password):
		return a.renewPassword(u, password)
	case u.OneTime:
		return u, ErrOneTime
	}
	return u, nil
}

// renewPassword stores the password of a user of an older server as we do. The caller holds a place in the queue.
func (a *Accounts) renewPassword(u User, password string) (User, error) {
	hash := HashPassword(password)
	return a.registry.UpdateUser(u.ID, func(now *User) error {
		if now.Password == u.Password { // and not changed meanwhile
			now.Password = hash
		}
		return nil
	})
}

func (a *Accounts) queue(ctx context.Context) error {
	select {
	case a.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return E("password", Timeout, ctx.Err())
	}
}

func (a *Accounts) unqueue() { <-a.hashing }

// Grant describes a token to issue.
type Grant struct {
	User    UserID
	Client  string
	Note    string
	Scopes  []Scope
	Life    time.Duration // 0: never expires
	Refresh bool          // a refresh token with it
}

// Issued is a new token; the secrets are nowhere else.
type Issued struct {
	Token   Token
	Secret  Secret
	Refresh Secret // empty when none was asked for
}

// refreshGrace is how much longer a refresh token lives than the token it came with.
const refreshGrace = 14 * 24 * time.Hour

// keepExpired is how long an expired token is kept, so that its bearer hears that it expired.
const keepExpired = 30 * 24 * time.Hour

// prune forgets tokens of a user that expired long ago.
func (a *Accounts) prune(user UserID, now time.Time) error {
	var old []TokenID
	for _, t := range a.registry.Tokens(user) {
		if t.ExpiredAt(now.Add(-keepExpired)) {
			old = append(old, t.ID)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return a.registry.RemoveTokens(old...)
}

// Issue makes a token and stores it.
func (a *Accounts) Issue(g Grant) (Issued, error) {
	now := a.now()
	if err := a.prune(g.User, now); err != nil {
		return Issued{}, err
	}
	out := Issued{Secret: NewSecret()}
	out.Token = Token{
		ID: out.Secret.ID(), User: g.User, Client: g.Client, Note: g.Note, Scopes: g.Scopes, Created: now,
	}
	if g.Life > 0 {
		out.Token.Expires = now.Add(g.Life)
	}
	if !g.Refresh {
		return out, a.registry.PutTokens(out.Token)
	}
	out.Refresh = NewSecret()
	refresh := out.Token
	refresh.ID, refresh.Refresh, refresh.Pair = out.Refresh.ID(), true, out.Token.ID
	if g.Life > 0 {
		refresh.Expires = refresh.Expires.Add(refreshGrace)
	}
	out.Token.Pair = refresh.ID
	return out, a.registry.PutTokens(out.Token, refresh)
}

// Renew spends a refresh token: it and the access token that it came with
// die, and a new pair is issued with the same scopes.
func (a *Accounts) Renew(refresh Secret, life time.Duration) (Issued, error) {
	id := refresh.ID()
	if !a.spend(id) {
		return Issued{}, ErrTokenInvalid // it is spent this moment
	}
	defer a.unspend(id)
	t, ok := a.registry.Token(id)
	if !ok || !t.Refresh || t.ExpiredAt(a.now()) {
		return Issued{}, ErrTokenInvalid
	}
	if err := a.Revoke(t.ID); err != nil {
		return Issued{}, err
	}
	return a.Issue(Grant{User: t.User, Client: t.Client, Note: t.Note, Scopes: t.Scopes, Life: life, Refresh: true})
}

func (a *Accounts) spend(id TokenID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, taken := a.spent[id]
	a.spent[id] = struct{}{}
	return !taken
}

func (a *Accounts) unspend(id TokenID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.spent, id)
}

// Authenticate returns what the bearer of a token may do, or ErrTokenInvalid or ErrTokenExpired.
func (a *Accounts) Authenticate(secret Secret) (Access, error) {
	t, ok := a.registry.Token(secret.ID())
	if !ok || t.Refresh {
		return Access{}, ErrTokenInvalid
	}
	if t.ExpiredAt(a.now()) {
		return Access{}, ErrTokenExpired
	}
	u, ok := a.registry.User(t.User)
	if !ok {
		return Access{}, ErrTokenInvalid
	}
	return Access{User: u, Scopes: t.Scopes, Token: t.ID}, nil
}

// Revoke ends tokens together with the refresh or access token that each
// came with, and everything that is held by them.
func (a *Accounts) Revoke(ids ...TokenID) error {
	var all []TokenID
	for _, id := range ids {
		all = append(all, id)
		if t, ok := a.registry.Token(id); ok && t.Pair != "" {
			all = append(all, t.Pair)
		}
	}
	if err := a.registry.RemoveTokens(all...); err != nil {
		return err
	}
	a.release(all)
	return nil
}

// RemoveUser deletes a user, their tokens and all that these hold.
func (a *Accounts) RemoveUser(id UserID) error {
	var ids []TokenID
	for _, t := range a.registry.Tokens(id) {
		ids = append(ids, t.ID)
	}
	if err := a.registry.RemoveUser(id); err != nil {
		return err
	}
	a.release(ids)
	return nil
}

func (a *Accounts) release(ids []TokenID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		for h := range a.held[id] {
			h.cancel(ErrTokenInvalid)
		}
	}
}

// Hold returns a context that ends when the token is revoked or expires, so
// that nothing outlives its token. The caller calls release when it is done.
func (a *Accounts) Hold(ctx context.Context, id TokenID) (held context.Context, release func()) {
	if id == "" {
		return ctx, func() {}
	}
	stop := func() {}
	if t, ok := a.registry.Token(id); ok && !t.Expires.IsZero() {
		ctx, stop = context.WithTimeoutCause(ctx, t.Expires.Sub(a.now()), ErrTokenExpired)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	h := &hold{cancel}
	a.mu.Lock()
	if a.held[id] == nil {
		a.held[id] = make(map[*hold]struct{})
	}
	a.held[id][h] = struct{}{}
	a.mu.Unlock()
	if _, ok := a.registry.Token(id); !ok { // revoked meanwhile
		cancel(ErrTokenInvalid)
	}
	return ctx, func() {
		a.mu.Lock()
		delete(a.held[id], h)
		if len(a.held[id]) == 0 {
			delete(a.held, id)
		}
		a.mu.Unlock()
		cancel(nil)
		stop()
	}
}
