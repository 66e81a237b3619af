package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/cmd/localcloud/internal/sparkserver"
	"localcloud/keys"
)

// importCmd is "localcloud import".
type importCmd struct {
	SparkServer importSparkCmd `cmd:"" name:"spark-server" help:"Take over a spark-server, the original or Brewskey's: key, devices, users, webhooks."`
}

type importSparkCmd struct {
	Dir    string `arg:"" help:"Directory of the old server, or its data directory." type:"existingdir"`
	Data   string `help:"The cloud's data directory (default: ${data})." placeholder:"DIR" env:"LOCALCLOUD_DATA"`
	DryRun bool   `help:"Show what would be taken and what not, and change nothing."`
}

// Help is the long text of --help.
func (*importSparkCmd) Help() string {
	return "Boards that know the old server come online untouched: stop the old one, give this machine its address, and start the cloud on the same port. " +
		"Users log in with their old passwords, which are stored anew at that moment. Tokens are not taken. The cloud must not run meanwhile."
}

// Run takes the old server over.
func (c *importSparkCmd) Run(ctx context.Context, t *terminal) error {
	dir, err := dataDir(c.Data)
	if err != nil {
		return err
	}
	old, err := sparkserver.Read(c.Dir)
	if err != nil {
		return usageError{err}
	}
	keyFile, err := importKey(dir, old.ServerKey)
	if err != nil {
		return err
	}
	i := importer{t: t, dry: c.DryRun, users: map[string]cloud.UserID{}}
	t.printf("%s: %s layout, %d devices, %d users, %d webhooks\n", c.Dir, old.Layout, len(old.Devices), len(old.Users), len(old.Hooks))
	if c.DryRun {
		i.registry = emptyRegistry{}
		i.say(keyFile != "", "the server's private key", "")
		i.all(old)
		t.printf("Nothing was changed.\n")
		return nil
	}
	if findRunning(ctx, dir) != nil {
		return fmt.Errorf("localcloud runs on the data in %s: stop it first", dir)
	}
	if err := c.writeKey(dir, keyFile, old.ServerKey); err != nil {
		return err
	}
	parts, err := openParts(dir, partsConfig{logger: quietLogger()})
	if err != nil {
		return explainOpen(dir, err)
	}
	i.registry = parts.store.Registry()
	i.say(keyFile != "", "the server's private key", "")
	i.all(old)
	if err := errors.Join(i.err, parts.close(), keepOwner(dir)); err != nil {
		return err
	}
	t.printf("Start it: localcloud serve --data %s\n", dir)
	return nil
}

// importKey returns where the old server's key belongs, "" when there is nothing to do, or why it cannot be taken.
func importKey(dir string, key []byte) (string, error) {
	if key == nil {
		return "", nil
	}
	scratch, err := os.MkdirTemp("", "localcloud-import-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := os.WriteFile(filepath.Join(scratch, "server-rsa.pem"), key, 0o600); err != nil {
		return "", err
	}
	theirs, _, err := keys.OpenIdentity(scratch)
	if err != nil {
		return "", fmt.Errorf("default_key.pem of the old server is no key that boards can use: %w", errors.Unwrap(err))
	}
	file := filepath.Join(keysDir(dir), "server-rsa.pem")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return file, nil
	}
	ours, _, err := keys.OpenIdentity(keysDir(dir))
	switch {
	case err != nil:
		return "", err
	case ours.TCPFingerprint() != theirs.TCPFingerprint():
		return "", fmt.Errorf("this cloud has a key of its own already, and boards may hold it: import into a new directory with --data, "+
			"or, if no board knows this cloud yet, move %s away first", file)
	}
	return "", nil
}

func (c *importSparkCmd) writeKey(dir, file string, key []byte) error {
	if file == "" {
		return nil
	}
	if err := os.MkdirAll(keysDir(dir), 0o700); err != nil {
		return err
	}
	return newFileOf(file, key)
}

// importer puts the old data into a registry, or with dry only says what it would do.
type importer struct {
	t        *terminal
	dry      bool
	registry interface {
		AddUser(u cloud.User) (cloud.User, error)
		UpdateDevice(id keys.DeviceID, change func(d *cloud.Device, exists bool) error) (cloud.Device, error)
		AddHook(h cloud.Hook) error
	}
	users map[string]cloud.UserID // by the old server's id
	err   error                   // an error of the store
}

// say tells what was taken, or with a reason what was not.
func (i *importer) say(taken bool, what, why string) {
	verb := map[bool]string{false: "taken", true: "would be taken"}[i.dry]
	switch {
	case taken:
		i.t.printf("  %s: %s\n", verb, clean(what))
	case why != "":
		i.t.printf("  not taken: %s: %s\n", clean(what), clean(why))
	}
}

func (i *importer) all(old sparkserver.Data) {
	for _, u := range old.Users {
		i.user(u)
	}
	for _, d := range old.Devices {
		i.device(d)
	}
	for _, h := range old.Hooks {
		i.hook(h)
	}
	for _, s := range old.Skipped {
		i.t.printf("  not taken: %s\n", clean(s))
	}
}

// note keeps the first error of the store; what the store refuses is only said.
func (i *importer) note(err error) string {
	if err == nil {
		return ""
	}
	if kind := cloud.KindOf(err); kind != cloud.Exist && kind != cloud.Invalid && kind != cloud.NotExist && i.err == nil {
		i.err = err
	}
	return err.Error()
}

func (i *importer) user(u sparkserver.User) {
	stored, ok := cloud.OldPassword(u.SHA256, u.Salt, u.Hash)
	why := ""
	switch err := cloud.CheckUserName(u.Name); {
	case err != nil:
		why = err.Error()
	case u.Name == "__admin__" && i.isDefaultAdmin(stored):
		why = "it has the password that everybody knows (adminPassword)"
	case !ok:
		stored, why = "", ""
	}
	if why == "" {
		id := cloud.NewUserID()
		_, err := i.registry.AddUser(cloud.User{ID: id, Name: u.Name, Password: stored, Admin: u.Admin, Created: time.Now()})
		if why = i.note(err); why == "" {
			i.users[u.ID] = id
		}
	}
	i.say(why == "", "user "+u.Name, why)
	if why == "" && !ok {
		i.t.printf("    without a password, since the old one cannot be read: localcloud user passwd %s\n", clean(u.Name))
	}
}

func (i *importer) isDefaultAdmin(stored string) bool {
	return cloud.CheckPassword(stored, "adminPassword")
}

func (i *importer) device(d sparkserver.Device) {
	what := "device " + d.ID.String() + " " + d.Name
	owner := i.users[d.Owner]
	_, err := i.registry.UpdateDevice(d.ID, func(now *cloud.Device, exists bool) error {
		if exists {
			return cloud.Errorf("", cloud.Exist, "it is registered here already")
		}
		now.Key, now.Name, now.Owner = d.Key, d.Name, owner
		return nil
	})
	why := i.note(err)
	i.say(why == "", strings.TrimSpace(what), why)
	switch {
	case why != "":
	case d.Key.IsZero():
		i.t.printf("    without its public key: adopt it when it knocks, see localcloud device list --unknown\n")
	case owner == "":
		i.t.printf("    it has no owner: claim it\n")
	}
}

func (i *importer) hook(h sparkserver.Hook) {
	hook := cloud.Hook{
		ID: cloud.NewHookID(), Owner: i.users[h.Owner], Created: time.Now().UTC(), Updated: time.Now().UTC(), Event: h.Event, URL: h.URL,
		Method: strings.ToUpper(h.Method), JSON: h.JSON, Form: h.Form, Query: h.Query, Headers: h.Headers,
		Auth: cloud.HookAuth{Username: h.Username, Password: h.Password}, NoDefaults: h.NoDefaults, Insecure: h.Insecure,
		ResponseTopic: h.ResponseTopic, ErrorResponseTopic: h.ErrorTopic,
	}
	if h.ResponseTemplate != "" {
		hook.ResponseTemplate, _ = json.Marshal(h.ResponseTemplate) // a text always has a form
	}
	why := ""
	if id, err := keys.ParseDeviceID(h.Device); err == nil {
		hook.Device = id
	} else if h.Device != "" {
		why = "it is for a device without an id of 24 hex digits"
	}
	if hook.Method == "" {
		hook.Method = "POST"
	}
	if hook.Owner == "" {
		why = "its owner was not taken"
	}
	if why == "" {
		why = i.note(i.registry.AddHook(hook))
	}
	i.say(why == "", "webhook of "+h.Event+" to "+h.URL, why)
}

// emptyRegistry takes everything and keeps nothing.
type emptyRegistry struct{}

func (emptyRegistry) AddUser(u cloud.User) (cloud.User, error) { return u, nil }

func (emptyRegistry) UpdateDevice(id keys.DeviceID, change func(d *cloud.Device, exists bool) error) (cloud.Device, error) {
	d := cloud.Device{ID: id}
	return d, change(&d, false)
}

func (emptyRegistry) AddHook(cloud.Hook) error { return nil }
