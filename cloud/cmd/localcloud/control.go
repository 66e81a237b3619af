package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/store"
)

// place says where the cloud is that a command works on: the data directory
// of one on this machine, running or not, or the address of one elsewhere.
type place struct {
	Data   string       `help:"The cloud's data directory (default: ${data})." placeholder:"DIR" env:"LOCALCLOUD_DATA"`
	Config string       `help:"Take the data directory from this settings file." placeholder:"FILE.toml" env:"LOCALCLOUD_CONFIG" settings:""`
	Cloud  string       `help:"Work on a cloud on another machine, such as http://192.168.1.5:8080." placeholder:"URL" env:"LOCALCLOUD_CLOUD"`
	Token  cloud.Secret `help:"Access token for --cloud." placeholder:"TOKEN" env:"LOCALCLOUD_TOKEN"`
}

// AfterApply lets a --data that was typed win over a LOCALCLOUD_CLOUD of the environment.
func (p *place) AfterApply(c *kong.Context) error {
	typed := map[string]bool{}
	for _, step := range c.Path {
		if step.Flag != nil && !step.Resolved {
			typed[step.Flag.Name] = true
		}
	}
	if typed["data"] && typed["cloud"] {
		return errors.New("--data names a cloud on this machine and --cloud one elsewhere: give one of them")
	}
	if typed["data"] {
		p.Cloud = ""
	}
	return nil
}

// connection is a cloud that a command works on.
type connection struct {
	*client.Client
	where   string       // for messages
	running bool         // false: the store is open in this process
	local   bool         // on this machine's data directory, not elsewhere
	close   func() error // gives the store back
}

// What a command needs of its cloud.
type need int

const (
	needData    need = iota // a data directory that exists, or a running cloud
	needAny                 // makes the data directory if there is none
	needRunning             // a running cloud
)

// connect finds the cloud: the one elsewhere, else the one that runs on the
// data directory, else the store in it.
func (p place) connect(ctx context.Context, need need) (*connection, error) {
	if p.Cloud != "" {
		if err := client.CheckBaseURL(p.Cloud); err != nil {
			return nil, usageError{err}
		}
		if p.Token == "" {
			return nil, usagef("--cloud needs a token too: --token or LOCALCLOUD_TOKEN; one is made there with: localcloud token create --user NAME")
		}
		c := &client.Client{BaseURL: p.Cloud, Token: p.Token, HTTP: newHTTPClient()}
		return online(c), nil
	}
	dir, err := dataDir(p.Data)
	if err != nil {
		return nil, err
	}
	if c := findRunning(ctx, dir); c != nil {
		conn := online(c)
		conn.local = true
		return conn, nil
	}
	if need == needRunning {
		return nil, fmt.Errorf("no localcloud runs on the data in %s; start it: localcloud serve --data %s (or choose with --data or --cloud)", dir, dir)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && need != needAny {
		return nil, fmt.Errorf("there is no data in %s; start the cloud first: localcloud serve --data %s (or choose with --data or --cloud)", dir, dir)
	}
	return openOffline(dir)
}

// online is a connection to a cloud that runs.
func online(c *client.Client) *connection {
	return &connection{Client: c, where: c.BaseURL, running: true, close: func() error {
		c.HTTP.CloseIdleConnections()
		return nil
	}}
}

// with connects, runs f and closes.
func (p place) with(ctx context.Context, need need, f func(c *connection) error) error {
	c, err := p.connect(ctx, need)
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.close())
}

// newHTTPClient returns one without time limit, since event streams never end;
// every request ends with its context.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
}

// control is DATA/control.json: how the commands on this machine reach the
// running cloud. It is written after the sockets listen and removed before
// the store's lock is given back, so it never belongs to another process than the lock.
type control struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
	PID    int    `json:"pid"`
}

func controlPath(dir string) string { return filepath.Join(dir, "control.json") }

// write stores the file in one step, readable by its owner only.
func (c control) write(dir string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "control-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), controlPath(dir))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func readControl(dir string) (control, error) {
	f, err := os.Open(controlPath(dir))
	if err != nil {
		return control{}, err
	}
	defer f.Close()
	var c control
	err = json.NewDecoder(io.LimitReader(f, 64<<10)).Decode(&c)
	return c, err
}

// answerTime is how long a running cloud may take to say that it is there.
const answerTime = 3 * time.Second

// findRunning returns a client of the cloud that runs on a data directory, or
// nil: there is no control.json, or a stale one that a crash left behind.
func findRunning(ctx context.Context, dir string) *client.Client {
	file, err := readControl(dir)
	if err != nil || file.Secret == "" {
		return nil
	}
	c := &client.Client{BaseURL: file.URL, Token: cloud.Secret(file.Secret), HTTP: newHTTPClient()}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if _, err := c.Status(ctx); err != nil {
		return nil // nobody there, or somebody else got the port
	}
	return c
}

// locked explains store.ErrLocked.
func locked(dir, next string) error {
	who := "another process"
	if file, err := readControl(dir); err == nil && file.PID != 0 {
		who = fmt.Sprintf("another localcloud (process %d)", file.PID)
	}
	return fmt.Errorf("the data in %s is in use by %s; %s, or choose another directory with --data", dir, who, next)
}

// openOffline opens the store in this process.
func openOffline(dir string) (*connection, error) {
	parts, err := openParts(dir, partsConfig{logger: quietLogger()})
	if errors.Is(err, store.ErrLocked) {
		return nil, locked(dir, "which does not answer: wait until it has started or ended")
	}
	if err != nil {
		return nil, err
	}
	c := &client.Client{
		BaseURL: "http://127.0.0.1", Token: parts.secret,
		HTTP: &http.Client{Transport: inProcess{parts.api.Handler()}},
	}
	closeAll := func() error { return errors.Join(parts.close(), keepOwner(dir)) }
	return &connection{Client: c, where: dir, local: true, close: closeAll}, nil
}
