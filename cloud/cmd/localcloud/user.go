package main

import (
	"context"
	"fmt"
	"strconv"

	"localcloud/cloud"
	"localcloud/cloud/client"
)

// userCmd is "localcloud user".
type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Make an account. The first one is the owner of the cloud."`
	List   userListCmd   `cmd:"" help:"Show all accounts."`
	Passwd userPasswdCmd `cmd:"" help:"Give an account another password, also one that was forgotten."`
	Role   userRoleCmd   `cmd:"" help:"Make a user an administrator, who sees and may do everything, or an ordinary user, who sees their own."`
	SignUp userSignUpCmd `cmd:"" name:"sign-up" help:"Say whether anyone may make an account over the network: on, off."`
	Remove userRemoveCmd `cmd:"" help:"Delete an account and its tokens; its devices stay, without an owner."`
}

type userAddCmd struct {
	place
	Name          string `arg:"" optional:"" help:"Name to log in with, often a mail address."`
	Admin         bool   `help:"May look after the whole cloud: all devices, users and settings."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
	OneTime       bool   `help:"Make a password that is good once: at the first log-in in a browser they choose their own."`
	From          string `help:"Make an account for each line of this file, with one-time passwords; - is standard input." placeholder:"FILE.csv"`
	JSON          bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*userAddCmd) Help() string {
	return "A line of the file is a name, and after a comma admin if they are to be one. What is printed is the " +
		"list to hand out: names and one-time passwords, which are kept nowhere else."
}

// Run makes the account.
func (c *userAddCmd) Run(ctx context.Context, t *terminal) error {
	switch {
	case c.From != "" && c.Name != "":
		return usagef("give a name or --from, not both")
	case c.From != "":
		return c.addAll(ctx, t)
	case c.Name == "":
		return usagef("whose account? localcloud user add NAME, or --from FILE.csv for many; see: localcloud user add --help")
	}
	password := ""
	if !c.OneTime {
		var err error
		if password, err = t.password(c.PasswordStdin); err != nil {
			return err
		}
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		u, err := addOne(ctx, conn, c.Name, password, c.Admin)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(u)
		}
		if u.Password != "" {
			t.printf("user %s is there; their password for the first log-in, in a browser: %s\n", clean(u.Name), u.Password)
			return nil
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
		if err != nil {
			return err
		}
		return listing[client.User]{
			[]string{"NAME", "ADMIN", "DEVICES", "CREATED", "ID"},
			func(u client.User) []string {
				return []string{u.Name, yesNo(u.Admin), strconv.Itoa(u.Devices), u.Created.Local().Format("2006-01-02"), u.ID}
			},
			"There is no user yet; make the owner: localcloud user add NAME",
		}.show(t, users, c.JSON)
	})
}

type userPasswdCmd struct {
	place
	Name          string `arg:"" help:"Whose password."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
	OneTime       bool   `help:"Make a password that is good once: at the next log-in in a browser they choose their own."`
	RevokeTokens  bool   `help:"End everything that is logged in with this account, tools and pages too."`
}

// Run changes the password.
func (c *userPasswdCmd) Run(ctx context.Context, t *terminal) error {
	change := client.PasswordChange{RevokeTokens: c.RevokeTokens}
	if !c.OneTime {
		var err error
		if change.Password, err = t.password(c.PasswordStdin); err != nil {
			return err
		}
	}
	return c.with(ctx, needData, func(conn *connection) error {
		made, err := conn.ChangePassword(ctx, c.Name, change)
		if err != nil {
			return unknownUser(err)
		}
		if made != "" {
			t.printf("the password of %s for the next log-in, in a browser: %s\n", clean(c.Name), made)
			return nil
		}
		if c.RevokeTokens {
			t.printf("%s has another password, and has to log in anew everywhere\n", clean(c.Name))
			return nil
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
