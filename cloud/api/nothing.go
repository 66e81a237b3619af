package api

import (
	"strings"

	"localcloud/cloud"
)

// This file answers for what a cloud of one's own has nothing of, in the
// shapes that keep clients going (http-api.md, 3.4 and 3.5): organizations, SIM
// cards, libraries, a compiler, and of products customers, clients, configuration and locations.

var (
	errNoOrg       = plain(404, "There are no organizations on this server")
	errNoSIM       = plain(404, "There are no SIM cards on this server")
	errNoLibraries = plain(501, "This server keeps no libraries")
	errNoLibrary   = plain(404, "Library not found")
	errNoOSBuild   = plain(404, "This server keeps no Device OS releases")
	errNoBinary    = plain(404, "Binary not found")
	errNoFirmware  = plain(404, "Firmware not found")
	errNoConfig    = plain(404, "Products have no configuration on this server")
	errNoLocation  = plain(404, "This server keeps no locations: the events of the device have them, if it tells any")
	errNoCustomer  = plain(404, "There is no such customer: products have none on this server")
	errNoOneClient = plain(404, "No such client: products have none on this server")
	errNoSIMs      = plain(501, "This server manages no SIM cards")

	errNoCustomers = &failure{
		status: 501, code: "Products have no customers on this server", text: "Products have no customers on this server",
		info: "Give people accounts with: localcloud user add, or POST /v1/users where sign-up is on",
	}
	errNoProductClients = &failure{
		status: 501, code: "Products have no clients on this server", text: "Products have no clients on this server",
		info: "Make an API user of the product with POST /v1/products/PRODUCT/team, or a client of yours with POST /v1/clients",
	}
)

// listOrgs answers as for a user in no organization.
func listOrgs(*Server, *request) (any, error) {
	return map[string]any{"organizations": []string{}}, nil
}

// listLibraries answers as when nothing was found.
func listLibraries(*Server, *request) (any, error) { return map[string]any{"data": []string{}}, nil }

// onePage says that a list, which is empty, has no more pages.
func onePage() map[string]any { return map[string]any{"total_pages": 1} }

func listCustomers(*Server, *request) (any, error) {
	return map[string]any{"customers": []string{}, "devices": []string{}, "meta": onePage()}, nil
}

func listProductClients(*Server, *request) (any, error) {
	return map[string]any{"ok": true, "clients": []string{}}, nil
}

func listProductSIMs(*Server, *request) (any, error) {
	return map[string]any{"sims": []string{}, "meta": onePage()}, nil
}

func listLocations(*Server, *request) (any, error) {
	return map[string]any{"locations": []string{}, "meta": onePage()}, nil
}

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
