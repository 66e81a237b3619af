// Command localcloud is the whole product in one program: the cloud itself
// (serve), and the commands that look after it.
//
// This package only reads flags, opens files and sockets, builds the parts
// and runs them. serve*.go run a cloud, control.go finds the cloud that a
// command works on, and each other file is one group of commands. A command
// talks to a running cloud over its HTTP API; without one it opens the
// store itself and sends the same requests to the same handler in
// process, so there is one way to do each thing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"localcloud/coap/virtual"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to stop, a second one kills, unless both come at once: timeout(1), for one, sends two.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintln(os.Stderr, "localcloud:", err)
	}
	os.Exit(exitCode(err))
}

// commands is the command line. The order is the one of --help.
type commands struct {
	Serve    serveCmd    `cmd:"" help:"Run the cloud that your devices connect to."`
	Demo     demoCmd     `cmd:"" help:"Run a cloud with a made-up device, to look around."`
	Status   statusCmd   `cmd:"" help:"Show whether the cloud runs, its addresses, what is online, and what needs attention."`
	Doctor   doctorCmd   `cmd:"" help:"Say why boards do not come online, and what their lights mean."`
	User     userCmd     `cmd:"" help:"People who may log in: add, list, passwd, role, sign-up, remove."`
	Token    tokenCmd    `cmd:"" help:"Access tokens, with which programs and pages get in: create, list, revoke."`
	Device   deviceCmd   `cmd:"" help:"Your boards: list, adopt, call, get and more."`
	Product  productCmd  `cmd:"" help:"Fleets of boards: create, list, show, add, drop, remove."`
	Policy   policyCmd   `cmd:"" help:"How many events devices may send (rate limits): show, set."`
	Keys     keysCmd     `cmd:"" help:"The key by which boards know this server: show, export."`
	Events   eventsCmd   `cmd:"" help:"Watch what devices publish, as it happens."`
	Publish  publishCmd  `cmd:"" help:"Publish an event to your devices and pages."`
	Webhook  webhookCmd  `cmd:"" help:"Send events on to other programs: list, create, test, log and more."`
	Relay    relayCmd    `cmd:"" help:"Live data of devices, too fast for events: status, kick, allow, publish, record; or a relay by itself."`
	Virtual  virtualCmd  `cmd:"" help:"Run devices in software, for tests and load."`
	Bench    benchCmd    `cmd:"" help:"Measure a cloud and this machine with fleets of virtual devices."`
	HTTPS    httpsCmd    `cmd:"" name:"https" help:"Encrypted connections: the certificate that clients have to trust."`
	Host     hostCmd     `cmd:"" help:"By which names browsers may log in at this cloud: add, list, remove."`
	Limits   limitsCmd   `cmd:"" help:"What strangers may try before they have to wait: show, set."`
	Settings settingsCmd `cmd:"" help:"What the cloud remembers besides: how long events are kept, how much is logged, who gets in: show, set."`
	Clock    clockCmd    `cmd:"" help:"The cloud's time, when the machine's clock cannot be trusted: show, set."`
	Service  serviceCmd  `cmd:"" help:"Start the cloud with the machine (systemd): install, uninstall."`
	Backup   backupCmd   `cmd:"" help:"Write this cloud's identity and devices into an encrypted file."`
	Restore  restoreCmd  `cmd:"" help:"Make this machine the cloud of such a file."`
	Import   importCmd   `cmd:"" help:"Take over an older local server: spark-server."`
	Version  versionCmd  `cmd:"" help:"Show the version."`
}

const description = "localcloud is the Particle cloud on your own network. Begin with: localcloud demo, or: localcloud serve"

// run runs one command line and returns when it is over or ctx has ended and
// everything is stopped. The caller shows the error, unless it is errSaid.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var cmds commands
	over := false // --help and the like are done while parsing
	parser, err := newParser(ctx, &cmds, &terminal{in: stdin, out: stdout, err: stderr}, kong.Exit(func(int) { over = true }))
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	switch {
	case over:
		return nil
	case err != nil:
		return asUsage(err)
	}
	return command.Run()
}

func newParser(ctx context.Context, cmds *commands, t *terminal, exit kong.Option) (*kong.Kong, error) {
	return kong.New(cmds,
		kong.Name("localcloud"),
		kong.Description(description),
		kong.Writers(t.out, t.err),
		exit,
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Vars{"data": defaultDataDir(), "demo": defaultDemoDir(), "virtual_os": string(virtual.DefaultVersion)},
		kong.Resolvers(&configFile{}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Help = "Show this help."
			return nil
		}),
	)
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// asUsage adds where to read more to an error of the parser.
func asUsage(err error) error {
	see := "localcloud --help"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if names := parse.Context.Command(); names != "" {
			see = "localcloud " + words(names) + " --help"
		}
	}
	return usagef("%w; see: %s", err, see)
}

// words drops the arguments from kong's "user add <name>".
func words(command string) string {
	var out []string
	for w := range strings.FieldsSeq(command) {
		if !strings.HasPrefix(w, "<") {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

// errSaid is an error whose words have been printed already.
var errSaid = errors.New("said")

// exitCode returns 0 for success, 2 for a mistake on the command line, 1 for every other failure.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return 1
}
