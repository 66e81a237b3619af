package api

import (
	"context"
	"errors"
	"time"

	"localcloud/cloud"
)

// briefSession is how long a session lasts that ends with the browser.
const briefSession = 24 * time.Hour

// sessionObject says who is logged in and what a page has to show before
// anybody is.
type sessionObject struct {
	User    *sessionUser  `json:"user"`    // null: nobody is logged in
	Token   cloud.TokenID `json:"token"`   // public id of the session; "": there is none
	Expires stamp         `json:"expires"` // of the session
	Setup   bool          `json:"setup"`   // there is no owner yet: POST /v1/localcloud/setup makes one
	SignUp  bool          `json:"sign_up"` // anyone may make an account
}

type sessionUser struct {
	ID    cloud.UserID `json:"id"`
	Name  string       `json:"name"`
	Admin bool         `json:"admin"`
	Owner bool         `json:"owner"`
}

func (s *Server) sessionObject(u *cloud.User, t cloud.Token) sessionObject {
	owner := cloud.Owner(s.Registry)
	o := sessionObject{Setup: owner == "", SignUp: s.Registry.Settings().SignUp && owner != ""}
	if u != nil {
		o.User = &sessionUser{u.ID, u.Name, u.Admin, u.ID == owner}
		o.Token, o.Expires = t.ID, stamp(t.Expires)
	}
	return o
}

// showSession answers with who is logged in, which may be nobody.
func (s *Server) showSession(q *request) (any, error) {
	if q.secret == "" {
		q.secret = s.cookieSecret(q.Request)
		if err := s.checkAmbient(q); err != nil {
			return nil, err
		}
	}
	access, err := s.authenticate(q.secret)
	if err != nil {
		return s.sessionObject(nil, cloud.Token{}), nil
	}
	t, _ := s.Registry.Token(access.Token)
	return s.sessionObject(&access.User, t), nil
}

// beginSession logs a browser in with a name and a password.
func (s *Server) beginSession(q *request) (any, error) {
	name, password, remember := q.args.text("username"), q.args.text("password"), q.args.flag("remember", true)
	another := q.args.text("new_password")
	if q.args.err != nil {
		return nil, q.args.err
	}
	u, err := s.logInAs(q, name, password)
	if errors.Is(err, cloud.ErrOneTime) && another != "" {
		u, err = s.choosePassword(q, u, password, another)
	}
	if err != nil {
		return nil, err
	}
	return s.openSession(q, u, remember)
}

// choosePassword puts a user's own password in the place of one that was good for this alone.
func (s *Server) choosePassword(q *request, u cloud.User, old, password string) (cloud.User, error) {
	if password == old {
		return u, plain(400, "The new password is the old one: choose another")
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	return s.Accounts.SetPassword(ctx, u.ID, password, false, "")
}

// openSession makes a session for a user and gives it to the browser. The one that it had ends.
func (s *Server) openSession(q *request, u cloud.User, remember bool) (any, error) {
	life, age := briefSession, time.Duration(0)
	if remember {
		life, age = cloud.DefaultTokenLife, cloud.DefaultTokenLife
	}
	issued, err := s.Accounts.Issue(cloud.Grant{User: u.ID, Client: cloud.SessionClient, Note: bound(cloud.Printable(q.UserAgent())), Life: life})
	if err != nil {
		return nil, err
	}
	if err := s.forgetSession(q); err != nil {
		return nil, err
	}
	s.setCookie(q, issued.Secret, age)
	return s.sessionObject(&u, issued.Token), nil
}

// endSession logs a browser out. Without a session it does nothing.
func (s *Server) endSession(q *request) (any, error) {
	if err := s.forgetSession(q); err != nil {
		return nil, err
	}
	s.setCookie(q, "", 0)
	return s.sessionObject(nil, cloud.Token{}), nil
}

// forgetSession revokes the session of a request, if it has one.
func (s *Server) forgetSession(q *request) error {
	if id := s.cookieSecret(q.Request).ID(); s.knows(id) {
		return s.Accounts.Revoke(id)
	}
	return nil
}

func (s *Server) checkSetupCode(code string) error {
	if !s.SetupCode.Matches(code) {
		return cloud.E("set-up", cloud.Unauthentic, nil)
	}
	return nil
}

// setUp makes the owner of a new cloud: the set-up code stands on the
// server's terminal. The code is worth nothing once there is an owner.
func (s *Server) setUp(q *request) (any, error) {
	code, name, password := q.args.text("code"), q.args.text("username"), q.args.text("password")
	if q.args.err != nil {
		return nil, q.args.err
	}
	s.settingUp.Lock()
	defer s.settingUp.Unlock()
	switch {
	case len(s.Registry.Users()) > 0:
		return nil, errHasOwner
	}
	if _, err := s.tryLogIn(q, "set-up", func(context.Context) (cloud.User, error) { return cloud.User{}, s.checkSetupCode(code) }); err != nil {
		if cloud.KindOf(err) == cloud.Unauthentic {
			return nil, errSetupCode
		}
		return nil, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	u, err := s.Accounts.AddUser(ctx, name, password, false, false)
	if err != nil {
		return nil, err
	}
	if !u.Admin { // somebody made one on the command line meanwhile
		s.Accounts.RemoveUser(u.ID)
		return nil, errHasOwner
	}
	s.Logger.Info("the owner's account is made", "user", u.Name)
	o, err := s.openSession(q, u, true)
	if err != nil {
		return nil, err
	}
	return created{o}, nil
}
