package api

import (
	"localcloud/cloud"
)

// userObject is an account as admins see it.
type userObject struct {
	ID      cloud.UserID `json:"id"`
	Name    string       `json:"name"`
	Admin   bool         `json:"admin"`
	OneTime bool         `json:"one_time"` // they have not chosen a password yet
	Created stamp        `json:"created"`
	Devices int          `json:"devices"`

	Password string `json:"password,omitempty"` // only when it was just made for them
}

func newUserObject(u cloud.User, devices int) userObject {
	return userObject{ID: u.ID, Name: u.Name, Admin: u.Admin, OneTime: u.OneTime, Created: stamp(u.Created), Devices: devices}
}

func (s *Server) listUsers(*request) (any, error) {
	devices := map[cloud.UserID]int{}
	for d := range s.Registry.AllDevices() {
		devices[d.Owner]++
	}
	list := []userObject{}
	for _, u := range s.Registry.Users() {
		list = append(list, newUserObject(u, devices[u.ID]))
	}
	return list, nil
}

// addUser makes an account. With one_time the password is made here, and good
// for nothing but to choose another at the first log-in.
func (s *Server) addUser(q *request) (any, error) {
	a := &q.args
	name, admin := a.text("name"), a.flag("admin", false)
	password, oneTime := passwordArgument(a)
	if a.err != nil {
		return nil, a.err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	u, err := s.Accounts.AddUser(ctx, name, password, admin, oneTime)
	if err != nil {
		return nil, err
	}
	o := newUserObject(u, 0)
	if oneTime {
		o.Password = password
	}
	return created{o}, nil
}

// passwordArgument returns the password of a request, or makes one with one_time.
func passwordArgument(a *args) (password string, oneTime bool) {
	if oneTime = a.flag("one_time", false); oneTime {
		return cloud.NewPassword(), true
	}
	return a.text("password"), false
}

// user returns the account with that name.
func (s *Server) user(name string) (cloud.User, error) {
	if u, ok := s.Registry.UserByName(name); ok {
		return u, nil
	}
	return cloud.User{}, plain(404, "There is no user of that name")
}

// updateAnyUser gives an account another password, or another role, and with
// invalidate_tokens ends what is logged in with it. Otherwise its tokens stay good, except
// the sessions of browsers.
func (s *Server) updateAnyUser(q *request) (any, error) {
	a := &q.args
	password, oneTime := passwordArgument(a)
	admin, all := a.flag("admin", false), a.flag("invalidate_tokens", false)
	if a.err != nil {
		return nil, a.err
	}
	u, err := s.user(q.variable("name"))
	if err != nil {
		return nil, err
	}
	if a.has("admin") {
		if u, err = s.Accounts.SetAdmin(u.ID, admin); err != nil {
			return nil, err
		}
	}
	if password != "" || !a.has("admin") {
		ctx, cancel := s.bounded(q)
		defer cancel()
		if _, err = s.Accounts.SetPassword(ctx, u.ID, password, oneTime, q.access.Token); err != nil {
			return nil, err
		}
	}
	if all {
		err = s.Accounts.RevokeAll(u.ID, q.access.Token)
	}
	if oneTime {
		return map[string]any{"ok": true, "password": password}, err
	}
	return done, err
}

// removeUser deletes an account with its tokens. Its devices become nobody's.
func (s *Server) removeUser(q *request) (any, error) {
	u, err := s.user(q.variable("name"))
	if err != nil {
		return nil, err
	}
	return done, s.dropUser(u)
}

// dropUser deletes an account; its devices learn that they are nobody's.
func (s *Server) dropUser(u cloud.User) error {
	if u.Admin && s.admins() == 1 {
		return cloud.ErrOnlyAdmin
	}
	owned := s.Registry.Devices()
	if err := s.Accounts.RemoveUser(u.ID); err != nil {
		return err
	}
	for _, d := range owned {
		if d.Owner == u.ID {
			s.followRecord(d.ID)
		}
	}
	return nil
}

func (s *Server) admins() (n int) {
	for _, u := range s.Registry.Users() {
		if u.Admin {
			n++
		}
	}
	return n
}
