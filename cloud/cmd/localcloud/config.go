package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// A setting comes from the flag, else from the environment (LOCALCLOUD_*),
// else from the file that --config names, else it has its default. The flags of
// serve (serveFlags) are the one list of settings; the file's keys are their names,
// with "_" or "-".

// configFile gives kong the values of the TOML file that --config names.
type configFile struct {
	path   string
	values map[string]any
}

// Validate implements kong.Resolver.
func (f *configFile) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. A command without a flag that is tagged as
// settings takes nothing from a file.
func (f *configFile) Resolve(c *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	path := ""
	for _, p := range c.Path {
		for _, other := range p.Flags {
			if other.Tag.Has("settings") {
				path, _ = c.FlagValue(other).(string)
			}
		}
	}
	if path == "" || flag.Name == "config" || slices.ContainsFunc(flag.Envs, isSet) {
		return nil, nil
	}
	if path != f.path {
		values, err := readConfig(path, settingNames(c.Model))
		if err != nil {
			return nil, err
		}
		f.path, f.values = path, values
	}
	return f.values[flag.Name], nil
}

func isSet(env string) bool { _, ok := os.LookupEnv(env); return ok }

// settingNames returns the flags of serve that a file may set.
func settingNames(app *kong.Application) []string {
	var names []string
	for _, command := range app.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			if flag.Name != "config" && flag.Name != "help" {
				names = append(names, flag.Name)
			}
		}
	}
	return names
}

// readConfig reads a TOML file of known names into text values, as if they were typed.
func readConfig(path string, known []string) (map[string]any, error) {
	var raw map[string]any
	if _, err := toml.DecodeFile(path, &raw); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s, line %d: %s", path, syntax.Position.Line, syntax.Message)
		}
		return nil, err
	}
	values := make(map[string]any, len(raw))
	for key, v := range raw {
		name := strings.ReplaceAll(key, "_", "-")
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%s: there is no setting %q; there are %s", path, key, strings.Join(known, ", "))
		}
		switch v.(type) {
		case string, bool, int64, float64:
			values[name] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("%s: %s has to be a text, a number, true or false", path, key)
		}
	}
	return values, nil
}

// defaultDataDir is where a cloud keeps its data unless it is told: the
// user's state directory.
func defaultDataDir() string {
	const name = "localcloud"
	home, _ := os.UserHomeDir()
	switch runtime.GOOS {
	case "windows":
		if dir := os.Getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, name)
		}
	case "darwin":
		if os.Geteuid() == 0 {
			return filepath.Join("/Library/Application Support", name)
		}
		return filepath.Join(home, "Library", "Application Support", name)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, name)
	}
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib", name)
	}
	return filepath.Join(home, ".local", "state", name)
}

func defaultDemoDir() string { return defaultDataDir() + "-demo" }

// dataDir returns the data directory as an absolute path.
func dataDir(flag string) (string, error) {
	if flag == "" {
		flag = defaultDataDir()
	}
	dir, err := filepath.Abs(flag)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return "", fmt.Errorf("%s is not a directory; choose another with --data", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w; choose another directory with --data", err)
	}
	return dir, nil
}

// span is a length of time as people write it: "90d", "12h", "30m", or "never".
type span time.Duration

// UnmarshalText reads a span. "never" is 0.
func (s *span) UnmarshalText(text []byte) error {
	t := string(text)
	if t == "never" {
		*s = 0
		return nil
	}
	d, err := time.ParseDuration(t)
	if days, ok := strings.CutSuffix(t, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			err = errors.New("too long")
		}
	}
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a length of time: such as 90d, 12h or never", t)
	}
	*s = span(d)
	return nil
}

// size is a number of bytes as people write it: "500MB", "2GB".
type size int64

// UnmarshalText reads a size; the units are powers of 1000, or of 1024 with an i (MiB).
func (s *size) UnmarshalText(text []byte) error {
	t := strings.ToUpper(strings.TrimSpace(string(text)))
	digits := strings.TrimRight(t, "KMGTIB ")
	n, err := strconv.ParseFloat(digits, 64)
	factor, ok := map[string]float64{
		"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
		"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
	}[strings.TrimSpace(t[len(digits):])]
	if err != nil || !ok || !(n > 0 && n*factor < 1e15) { // NaN is neither
		return fmt.Errorf("%q is not a size: such as 500MB or 2GB", text)
	}
	*s = size(n * factor)
	return nil
}
