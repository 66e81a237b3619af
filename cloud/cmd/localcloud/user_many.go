package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strings"

	"localcloud/cloud/client"
)

// person is one line of a file of users.
type person struct {
	name  string
	admin bool
}

// maxPeople bounds a file of users.
const maxPeople = 10_000

// readPeople reads a CSV file: a name in each line, and "admin" in the second
// column for administrators. Empty lines, lines with # and a first line of titles are passed over.
func readPeople(r io.Reader) (people []person, err error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord, in.TrimLeadingSpace, in.Comment = -1, true, '#'
	for first := true; ; first = false {
		row, err := in.Read()
		if err == io.EOF {
			return people, nil
		}
		if err != nil {
			return nil, err
		}
		p := person{name: strings.TrimSpace(strings.TrimPrefix(row[0], "\ufeff"))}
		role := ""
		if len(row) > 1 {
			role = strings.ToLower(strings.TrimSpace(row[1]))
		}
		line, _ := in.FieldPos(0)
		switch {
		case first && (strings.EqualFold(p.name, "name") || strings.EqualFold(p.name, "username") || strings.EqualFold(p.name, "email")):
			continue
		case p.name == "":
			return nil, fmt.Errorf("line %d has no name", line)
		case len(people) >= maxPeople:
			return nil, fmt.Errorf("more than %d lines", maxPeople)
		}
		switch role {
		case "admin", "true", "yes":
			p.admin = true
		case "", "user", "false", "no":
		default:
			return nil, fmt.Errorf("line %d: %q is no role: admin, or nothing", line, role)
		}
		people = append(people, p)
	}
}

// addOne makes one account; without a password the server makes one that is good once.
func addOne(ctx context.Context, conn *connection, name, password string, admin bool) (client.User, error) {
	if password == "" {
		return conn.AddUserOneTime(ctx, name, admin)
	}
	return conn.AddUser(ctx, name, password, admin)
}

// addAll makes the accounts of a file. One that cannot be made does not keep
// the others from it; it is named at the end.
func (c *userAddCmd) addAll(ctx context.Context, t *terminal) error {
	in := t.in
	if c.From != "-" {
		f, err := os.Open(c.From)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	people, err := readPeople(in)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w; nothing was changed", c.From, err)
	case len(people) == 0:
		return usagef("%s holds no name", c.From)
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		var made []client.User
		var failed []error
		for _, p := range people {
			u, err := conn.AddUserOneTime(ctx, p.name, p.admin || c.Admin)
			if err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", clean(p.name), err))
				continue
			}
			made = append(made, u)
		}
		if err := c.showMade(t, made); err != nil {
			return err
		}
		for _, err := range failed {
			fmt.Fprintln(t.err, "not made:", err)
		}
		if len(failed) > 0 {
			return fmt.Errorf("%d of %d accounts were not made", len(failed), len(people))
		}
		return nil
	})
}

func (c *userAddCmd) showMade(t *terminal, made []client.User) error {
	if c.JSON {
		return list(t, made)
	}
	var rows [][]string
	for _, u := range made {
		rows = append(rows, []string{u.Name, u.Password, yesNo(u.Admin)})
	}
	return t.table([]string{"NAME", "ONE-TIME PASSWORD", "ADMIN"}, rows)
}

type userRoleCmd struct {
	place
	Name string `arg:"" help:"Whose role."`
	Role string `arg:"" enum:"admin,user" help:"admin or user."`
}

// Run changes the role.
func (c *userRoleCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		if err := conn.SetAdmin(ctx, c.Name, c.Role == "admin"); err != nil {
			return unknownUser(err)
		}
		if c.Role == "admin" {
			t.printf("%s is an administrator: they see the devices and events of everybody, and may change everything\n", clean(c.Name))
		} else {
			t.printf("%s is an ordinary user: they see their own devices and events\n", clean(c.Name))
		}
		return nil
	})
}

type userSignUpCmd struct {
	place
	Switch string `arg:"" enum:"on,off,show" default:"show" help:"on or off; nothing shows how it is."`
}

// Run changes or shows the switch.
func (c *userSignUpCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		s, err := conn.Settings(ctx)
		if err == nil && c.Switch != "show" {
			s, err = conn.SetSetting(ctx, "sign_up", c.Switch == "on")
		}
		switch {
		case err != nil:
			return err
		case s.SignUp:
			t.printf("anyone who reaches this cloud may make an account; close it with: localcloud user sign-up off\n")
		default:
			t.printf("nobody can sign up over the network; accounts are made with: localcloud user add NAME\n")
		}
		return nil
	})
}
