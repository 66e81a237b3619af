// Command dist makes the archives that users unpack and run: one for each
// target, with the program, the quick start and the licence in a folder of the
// archive's name, and SHA256SUMS beside them. The same source, version and Go give
// the same bytes.
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A target is one system that gets an archive. Its name is part of the file's.
type target struct {
	name, goos, goarch, goarm string
}

var targets = []target{
	{"linux_armv6", "linux", "arm", "6"},
	{"linux_armv7", "linux", "arm", "7"},
	{"linux_arm64", "linux", "arm64", ""},
	{"linux_amd64", "linux", "amd64", ""},
	{"macos_amd64", "darwin", "amd64", ""},
	{"macos_arm64", "darwin", "arm64", ""},
	{"windows_amd64", "windows", "amd64", ""},
}

func main() {
	version := flag.String("version", "dev", "`version` that the program and the file names carry")
	out := flag.String("out", "dist", "`folder` for the archives")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: dist [-version V] [-out DIR] [target ...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*version, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// run makes the archives of the named targets, or of all.
func run(version, out string, names []string) error {
	if !regexp.MustCompile(`^[0-9A-Za-z.+_-]+$`).MatchString(version) {
		return fmt.Errorf("version %q cannot be part of a file name", version)
	}
	chosen := targets
	if len(names) > 0 {
		chosen = nil
	}
	for _, name := range names {
		i := slices.IndexFunc(targets, func(t target) bool { return t.name == name })
		if i < 0 {
			return fmt.Errorf("no target %q", name)
		}
		chosen = append(chosen, targets[i])
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var sums strings.Builder
	for _, t := range chosen {
		file, content, err := t.archive(root, version)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if err := os.WriteFile(filepath.Join(out, file), content, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), file)
		fmt.Printf("%s  %.1f MB\n", filepath.Join(out, file), float64(len(content))/1e6)
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("not inside the module")
	}
	return filepath.Dir(mod), nil
}

// archive builds the program for t and packs it. It returns the file's name and content.
func (t target) archive(root, version string) (string, []byte, error) {
	program, err := t.build(root, version)
	if err != nil {
		return "", nil, err
	}
	files := []file{{t.program(), program, true}}
	for name, path := range map[string]string{
		"LICENSE":       "LICENSE",
		"QUICKSTART.md": "cloud/cmd/localcloud/QUICKSTART.md",
	} {
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return "", nil, err
		}
		files = append(files, file{name, b, false})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })

	name := "localcloud_" + version + "_" + t.name
	if t.goos == "windows" {
		b, err := zipped(name, files)
		return name + ".zip", b, err
	}
	b, err := tarred(name, files)
	return name + ".tar.gz", b, err
}

// program is what the program's file is called on t.
func (t target) program() string {
	if t.goos == "windows" {
		return "localcloud.exe"
	}
	return "localcloud"
}

// build compiles the program for t.
func (t target) build(root, version string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "localcloud-dist-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, t.program())
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.release="+version, "-o", path, "./cloud/cmd/localcloud")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.goos, "GOARCH="+t.goarch, "GOARM="+t.goarm)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	return os.ReadFile(path)
}
