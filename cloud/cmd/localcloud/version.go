package main

import "runtime/debug"

// release is set by the linker in released builds: -X main.release=1.2.3.
var release string

type versionCmd struct{}

// Run shows the version.
func (versionCmd) Run(t *terminal) error {
	t.printf("localcloud %s\n", version())
	return nil
}

// version returns the release, or what the Go tool knows of the source.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision[:min(12, len(revision))] + changed
}
