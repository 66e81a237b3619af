package api

import (
	"localcloud/cloud"
)

// userObject is an account as admins see it.
type userObject struct {
	ID      cloud.UserID `json:"id"`
	Name    string       `json:"name"`
	Admin   bool         `json:"admin"`
	Created stamp        `json:"created"`
	Devices int          `json:"devices"`
}

func (s *Server) listUsers(*request) (any, error) {
	devices := map[cloud.UserID]int{}
	for _, d := range s.Registry.Devices() {
		devices[d.Owner]++
	}
	list := []userObject{}
	for _, u := range s.Registry.Users() {
		list = append(list, userObject{u.ID, u.Name, u.Admin, stamp(u.Created), devices[u.ID]})
	}
	return list, nil
}

func (s *Server) addUser(q *request) (any, error) {
	a := &q.args
	name, password, admin := a.text("name"), a.text("password"), a.flag("admin", false)
	if a.err != nil {
		return nil, a.err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	u, err := s.Accounts.AddUser(ctx, name, password, admin)
	if err != nil {
		return nil, err
	}
	return created{userObject{u.ID, u.Name, u.Admin, stamp(u.Created), 0}}, nil
}

// user returns the account with that name.
func (s *Server) user(name string) (cloud.User, error) {
	if u, ok := s.Registry.UserByName(name); ok {
		return u, nil
	}
	return cloud.User{}, plain(404, "There is no user of that name")
}

// updateUser gives an account another password. Its tokens stay good.
func (s *Server) updateUser(q *request) (any, error) {
	password := q.args.text("password")
	if q.args.err != nil {
		return nil, q.args.err
	}
	u, err := s.user(q.variable("name"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	_, err = s.Accounts.SetPassword(ctx, u.ID, password)
	return done, err
}

// removeUser deletes an account with its tokens. Its devices become nobody's.
func (s *Server) removeUser(q *request) (any, error) {
	u, err := s.user(q.variable("name"))
	if err != nil {
		return nil, err
	}
	if u.Admin && s.admins() == 1 {
		return nil, plain(409, "The only administrator cannot be removed: make another one first")
	}
	owned := s.Registry.Devices()
	if err := s.Accounts.RemoveUser(u.ID); err != nil {
		return nil, err
	}
	for _, d := range owned {
		if d.Owner == u.ID {
			s.followRecord(d.ID)
		}
	}
	return done, nil
}

func (s *Server) admins() (n int) {
	for _, u := range s.Registry.Users() {
		if u.Admin {
			n++
		}
	}
	return n
}
