package api

import (
	"cmp"

	"localcloud/cloud"
)

// showUser answers with the account of who asks. Clients use the name; the rest they want to be there.
func (s *Server) showUser(q *request) (any, error) {
	wifi, cellular := 0, 0
	for _, d := range s.Registry.Devices() {
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
	if !s.SignUp || cloud.Owner(s.Registry) == "" {
		return nil, errNoSignUp
	}
	name, password := cmp.Or(q.args.text("username"), q.args.text("email")), q.args.text("password")
	if q.args.err != nil {
		return nil, q.args.err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	_, err := s.Accounts.AddUser(ctx, name, password, false)
	return done, err
}
