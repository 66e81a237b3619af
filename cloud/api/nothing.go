package api

import (
	"strings"

	"localcloud/cloud"
)

// This file answers for what a cloud of one's own has nothing of, in the
// shapes that keep clients going (http-api.md, 3.4): organizations, SIM
// cards, libraries, a compiler.

var (
	errNoOrg       = plain(404, "There are no organizations on this server")
	errNoSIM       = plain(404, "There are no SIM cards on this server")
	errNoLibraries = plain(501, "This server keeps no libraries")
	errNoLibrary   = plain(404, "Library not found")
	errNoOSBuild   = plain(404, "This server keeps no Device OS releases")
	errNoBinary    = plain(404, "Binary not found")
	errNoFirmware  = plain(404, "Firmware not found")
)

// listOrgs answers as for a user in no organization.
func listOrgs(*Server, *request) (any, error) {
	return map[string]any{"organizations": []string{}}, nil
}

// listLibraries answers as when nothing was found.
func listLibraries(*Server, *request) (any, error) { return map[string]any{"data": []string{}}, nil }

func listOSVersions(*Server, *request) (any, error) {
	return map[string]any{"versions": []string{}}, nil
}

// listBuildTargets names the platforms, and nothing that could be compiled for them.
func listBuildTargets(*Server, *request) (any, error) {
	platforms := map[string]int{}
	for id := range 256 {
		if name := cloud.PlatformName(id); name != "" {
			platforms[strings.ToUpper(name[:1])+name[1:]] = id
		}
	}
	return map[string]any{"targets": []string{}, "platforms": platforms, "default_versions": map[string]string{}}, nil
}

// isSource reports whether a file that is to be flashed would have to be compiled first.
func isSource(name string) bool {
	for _, end := range []string{".ino", ".cpp", ".c", ".h", ".hpp", ".properties"} {
		if strings.HasSuffix(strings.ToLower(name), end) {
			return true
		}
	}
	return false
}
