package main

import (
	"context"
	"fmt"
	"strconv"

	"localcloud/cloud"
)

// userCmd is "localcloud user".
type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Make an account. The first one is the owner of the cloud."`
	List   userListCmd   `cmd:"" help:"Show all accounts."`
	Passwd userPasswdCmd `cmd:"" help:"Give an account another password."`
	Remove userRemoveCmd `cmd:"" help:"Delete an account and its tokens; its devices stay, without an owner."`
}

type userAddCmd struct {
	place
	Name          string `arg:"" help:"Name to log in with, often a mail address."`
	Admin         bool   `help:"May look after the whole cloud: all devices, users and settings."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
	JSON          bool   `name:"json" help:"Print JSON."`
}

// Run makes the account.
func (c *userAddCmd) Run(ctx context.Context, t *terminal) error {
	password, err := t.password(c.PasswordStdin)
	if err != nil {
		return err
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		u, err := conn.AddUser(ctx, c.Name, password, c.Admin)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(u)
		}
		role := ""
		if u.Admin {
			role = " (admin)"
		}
		t.printf("user %s%s is there; log in with: particle login, or make a token: localcloud token create --user %s\n", clean(u.Name), role, clean(u.Name))
		return nil
	})
}

type userListCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows the accounts.
func (c *userListCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		users, err := conn.Users(ctx)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return list(t, users)
		case len(users) == 0:
			t.printf("There is no user yet; make the owner: localcloud user add NAME\n")
			return nil
		}
		var rows [][]string
		for _, u := range users {
			rows = append(rows, []string{u.Name, yesNo(u.Admin), strconv.Itoa(u.Devices), u.Created.Local().Format("2006-01-02"), u.ID})
		}
		return t.table([]string{"NAME", "ADMIN", "DEVICES", "CREATED", "ID"}, rows)
	})
}

type userPasswdCmd struct {
	place
	Name          string `arg:"" help:"Whose password."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
}

// Run changes the password.
func (c *userPasswdCmd) Run(ctx context.Context, t *terminal) error {
	password, err := t.password(c.PasswordStdin)
	if err != nil {
		return err
	}
	return c.with(ctx, needData, func(conn *connection) error {
		if err := conn.SetPassword(ctx, c.Name, password); err != nil {
			return unknownUser(err)
		}
		t.printf("%s has another password; tokens that were made before still work (localcloud token list --user %s)\n", clean(c.Name), clean(c.Name))
		return nil
	})
}

type userRemoveCmd struct {
	place
	Name string `arg:"" help:"Whose account."`
}

// Run deletes the account.
func (c *userRemoveCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		if err := conn.RemoveUser(ctx, c.Name); err != nil {
			return unknownUser(err)
		}
		t.printf("user %s is removed\n", clean(c.Name))
		return nil
	})
}

// unknownUser adds where to look to the error that there is no such user.
func unknownUser(err error) error {
	if cloud.KindOf(err) == cloud.NotExist {
		return fmt.Errorf("%w; see who is there: localcloud user list", err)
	}
	return err
}
