package api

import (
	"cmp"

	"localcloud/cloud"
)

// showUser answers with the account of who asks. Clients use the name; the rest they want to be there.
func (s *Server) showUser(q *request) (any, error) {
	wifi, cellular := 0, 0
	for d := range s.Registry.AllDevices() {
		switch {
		case d.Owner == "" || d.Owner != q.access.User.ID:
		case isCellular(d.PlatformID):
			cellular++
		default:
			wifi++
		}
	}
	return map[string]any{
		"username": q.access.User.Name, "id": q.access.User.ID, "subscription_ids": []string{},
		"account_info":      map[string]any{"first_name": "", "last_name": "", "business_account": false},
		"mfa":               map[string]any{"enabled": false},
		"wifi_device_count": wifi, "cellular_device_count": cellular,
	}, nil
}

// signUp makes an account for anyone, where the owner allows it. The first
// account of a cloud is the owner's and is never made here.
func (s *Server) signUp(q *request) (any, error) {
	if !s.Registry.Settings().SignUp || cloud.Owner(s.Registry) == "" {
		return nil, errNoSignUp
	}
	name, password := cmp.Or(q.args.text("username"), q.args.text("email")), q.args.text("password")
	if q.args.err != nil {
		return nil, q.args.err
	}
	if err := s.mayAskForToken(q.Request); err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	_, err := s.Accounts.AddUser(ctx, name, password, false, false)
	return done, err
}

// updateUser changes the account of who asks: what the password protects only with the password.
func (s *Server) updateUser(q *request) (any, error) {
	a := &q.args
	name, password, all := a.text("username"), a.text("password"), a.flag("invalidate_tokens", false)
	switch {
	case a.err != nil:
		return nil, a.err
	case name == "" && password == "" && !a.has("account_info"):
		return nil, plain(400, "Nothing to change: send password or username, with current_password")
	case name == "" && password == "":
		return map[string]any{"ok": true, "message": "User account updated."}, nil // nothing here needs a first name
	}
	u, err := s.confirm(q, "current_password")
	if err != nil {
		return nil, err
	}
	if name != "" {
		if u, err = s.Accounts.Rename(u.ID, name); err != nil {
			return nil, err
		}
	}
	message := "User's name updated."
	if password != "" {
		message = "User's password updated."
		ctx, cancel := s.bounded(q)
		defer cancel()
		if _, err = s.Accounts.SetPassword(ctx, u.ID, password, false, q.access.Token); err != nil {
			return nil, err
		}
	}
	if all {
		err = s.Accounts.RevokeAll(u.ID, "")
	}
	return map[string]any{"ok": true, "message": message}, err
}

// confirm checks the password of who asks: a token alone, which may have been
// left behind in a browser, does not take the account over.
func (s *Server) confirm(q *request, argument string) (cloud.User, error) {
	password := q.args.text(argument)
	switch {
	case q.args.err != nil:
		return cloud.User{}, q.args.err
	case password == "":
		return cloud.User{}, plain(400, argument+" is missing")
	case q.access.User.ID == "":
		return cloud.User{}, plain(400, "There is no user yet")
	}
	return s.logInAs(q, q.access.User.Name, password)
}

// deleteUser deletes the account of who asks. Their devices become nobody's.
func (s *Server) deleteUser(q *request) (any, error) {
	u, err := s.confirm(q, "password")
	if err != nil {
		return nil, err
	}
	if err := s.dropUser(u); err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "message": "User's account has been deleted."}, nil
}

// resetPassword says how to get another password: no mail leaves this cloud.
// It is the same for every name, known or not.
func (s *Server) resetPassword(*request) (any, error) {
	return map[string]any{
		"ok":      true,
		"message": "This cloud sends no mail. Ask who looks after it for another password (localcloud user passwd NAME).",
	}, nil
}
