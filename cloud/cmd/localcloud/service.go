package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// serviceCmd is "localcloud service".
type serviceCmd struct {
	Install   serviceInstallCmd   `cmd:"" help:"Let systemd start the cloud with the machine, and again whenever it ends."`
	Uninstall serviceUninstallCmd `cmd:"" help:"Stop that. The data stays."`
}

const (
	unitName  = "localcloud.service"
	unitPath  = "/etc/systemd/system/" + unitName
	stateRoot = "/var/lib/"
)

type serviceInstallCmd struct {
	User   string `help:"Run as this user; without it as one that systemd makes up." placeholder:"NAME"`
	Data   string `default:"/var/lib/localcloud" help:"The cloud's data directory." placeholder:"DIR"`
	Config string `help:"Settings file for serve." placeholder:"FILE.toml"`
	Print  bool   `help:"Only show the unit file."`
}

// unit is what the template needs. ExecStart and Data are quoted as systemd wants it.
type unit struct {
	ExecStart string
	User      string // empty: DynamicUser
	State     string // name below /var/lib that systemd makes; empty: Data lies elsewhere
	Data      string
}

// The unit waits for neither the network nor the clock: after a power cut a
// cloud that is there first is what boards need, and it finds addresses when it needs them. It is
// started again for ever, however often it ends.
var unitText = template.Must(template.New("unit").Parse(`# Written by: localcloud service install
[Unit]
Description=localcloud, the Particle cloud on your own network
StartLimitIntervalSec=0

[Service]
ExecStart={{.ExecStart}}
Restart=always
RestartSec=1
TimeoutStopSec=15
KillMode=mixed
LimitNOFILE=65536
{{- if .User}}
User={{.User}}
{{- else}}
DynamicUser=yes
{{- end}}
{{- if .State}}
StateDirectory={{.State}}
StateDirectoryMode=0700
{{- else}}
ReadWritePaths={{.Data}}
{{- end}}
UMask=0077

AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
`))

// Run writes the unit and starts it.
func (c *serviceInstallCmd) Run(ctx context.Context, t *terminal) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := c.unit(program)
	if err != nil {
		return err
	}
	if c.Print {
		t.printf("%s", text)
		return nil
	}
	if err := c.checkProgram(program); err != nil {
		return err
	}
	if err := writeUnit(text); err != nil {
		return err
	}
	t.printf("%s is written\n", unitPath)
	commands := [][]string{{"daemon-reload"}, {"enable", "--now", unitName}}
	if err := systemctl(ctx, t, commands...); err != nil {
		return err
	}
	t.printf("Next:\n  make the owner:   localcloud user add NAME --data %s\n  how it is:        localcloud status --data %s\n  its log:          journalctl -u localcloud -f\n", c.Data, c.Data)
	return nil
}

// unit returns the text of the unit file for the program.
func (c *serviceInstallCmd) unit(program string) (string, error) {
	if !filepath.IsAbs(c.Data) {
		return "", usagef("--data of a service has to begin with a slash")
	}
	u := unit{User: c.User, Data: quoteUnit(c.Data)}
	if dir := filepath.Clean(c.Data); filepath.Dir(dir)+"/" == stateRoot {
		u.State = filepath.Base(dir)
	}
	if u.State == "" && u.User == "" {
		return "", usagef("the data lies outside of %s: give the user whom it belongs to with --user", stateRoot)
	}
	args := []string{program, "serve", "--data", c.Data}
	if c.Config != "" {
		config, err := filepath.Abs(c.Config)
		if err != nil {
			return "", err
		}
		args = append(args, "--config", config)
	}
	for i, arg := range args {
		args[i] = quoteUnit(arg)
	}
	u.ExecStart = strings.Join(args, " ")
	var b strings.Builder
	err := unitText.Execute(&b, u)
	return b.String(), err
}

// quoteUnit writes one argument as systemd reads it.
func quoteUnit(s string) string {
	s = strings.NewReplacer("%", "%%", "$", "$$", `\`, `\\`, `"`, `\"`).Replace(s)
	if strings.ContainsAny(s, " \t'\"\\;") {
		return `"` + s + `"`
	}
	return s
}

// checkProgram refuses to install a program from where the service could not start it.
func (c *serviceInstallCmd) checkProgram(program string) error {
	away := []string{"tmp", "var/tmp", "run"}
	if c.User == "" {
		away = append(away, "home", "root") // closed to the service's own user
	}
	for _, dir := range away {
		if strings.HasPrefix(program, "/"+dir+"/") {
			return fmt.Errorf("a service cannot start %s; put it where it stays: sudo install %s /usr/local/bin/localcloud, then: sudo localcloud service install", program, program)
		}
	}
	return nil
}

// writeUnit stores the unit in one step.
func writeUnit(text string) error {
	if _, err := os.Stat(filepath.Dir(unitPath)); errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no systemd on this machine; start it yourself: localcloud serve")
	}
	temporary := unitPath + ".tmp"
	err := os.WriteFile(temporary, []byte(text), 0o644)
	if err == nil {
		err = os.Rename(temporary, unitPath)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; it needs root: sudo localcloud service install", err)
	}
	return err
}

// systemctl runs commands one after the other, or says which to run when it is not there.
func systemctl(ctx context.Context, t *terminal, commands ...[]string) error {
	program, err := exec.LookPath("systemctl")
	for _, args := range commands {
		if err != nil {
			t.printf("Run: systemctl %s\n", strings.Join(args, " "))
			continue
		}
		command := exec.CommandContext(ctx, program, args...)
		command.Stdout, command.Stderr = t.err, t.err
		if err := command.Run(); err != nil {
			return fmt.Errorf("systemctl %s: %w; see: journalctl -u localcloud", strings.Join(args, " "), err)
		}
	}
	return nil
}

type serviceUninstallCmd struct{}

// Run stops the service and removes the unit.
func (serviceUninstallCmd) Run(ctx context.Context, t *terminal) error {
	if _, err := os.Stat(unitPath); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: nothing to uninstall", unitPath)
	}
	stopped := systemctl(ctx, t, []string{"disable", "--now", unitName})
	if err := os.Remove(unitPath); err != nil {
		return fmt.Errorf("%w; it needs root: sudo localcloud service uninstall", err)
	}
	if err := errors.Join(stopped, systemctl(ctx, t, []string{"daemon-reload"})); err != nil {
		return err
	}
	t.printf("the service is gone; its data is still where it was (%slocalcloud unless you chose another)\n", stateRoot)
	return nil
}
