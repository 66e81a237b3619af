package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The rooms of the house. A package is in the room of its own name; where a
// room is deep, its subpackages are in it too.
var rooms = map[string]room{
	"cloud":                        {},
	"cloud/api":                    {},
	"cloud/client":                 {},
	"cloud/cmd/localcloud":         {deep: true, wires: true},
	"cloud/sink":                   {},
	"cloud/sse":                    {},
	"cloud/store":                  {},
	"coap":                         {},
	"coap/link":                    {deep: true}, // tcp.go, dtls/
	"coap/link/recording":          {testsOnly: true},
	"coap/session":                 {},
	"coap/virtual":                 {},
	"firmware":                     {},
	"keys":                         {},
	"keys/dfu":                     {},
	"keys/dfu/dfutest":             {testsOnly: true},
	"keys/listening":               {},
	"keys/listening/listeningtest": {testsOnly: true},
	"relay":                        {},
	"webui":                        {},
}

type room struct {
	deep      bool
	wires     bool // puts the parts together: may import anything
	testsOnly bool // helps tests: only test files may import it
}

// Who may import whom. Test files may import anything. A new arrow is a line
// here, with its reason.
var arrows = []arrow{
	{"cloud", "keys", "a device is who its key says"},

	{"coap/link", "keys", "the handshake proves keys"},

	{"coap/session", "cloud", "a session brings a device to the Hub"},
	{"coap/session", "coap", "the messages"},
	{"coap/session", "firmware", "updates over the air"},
	{"coap/session", "keys", "device ids"},

	{"coap/virtual", "coap", "the messages, from the other side"},
	{"coap/virtual", "coap/link", "the transports, from the other side"},
	{"coap/virtual", "firmware", "a device that takes updates"},
	{"coap/virtual", "keys", "it has a key of its own"},

	{"cloud/store", "cloud", "what it keeps"},
	{"cloud/store", "cloud/sse", "events in the form they are sent in"},
	{"cloud/store", "keys", "devices' keys"},
	{"cloud/sink", "cloud", "where its events come from"},
	{"cloud/sink", "cloud/sse", "events in the form they are sent in"},
	{"cloud/sink", "keys", "device ids"},
	{"cloud/client", "cloud", "errors and kinds of the API it calls"},
	{"cloud/client", "cloud/sse", "reads event streams"},
	{"cloud/client", "keys", "device ids"},

	{"cloud/api", "cloud", "what the API shows"},
	{"cloud/api", "cloud/sse", "writes event streams"},
	{"cloud/api", "firmware", "images that owners send"},
	{"cloud/api", "keys", "device ids and public keys"},

	{"keys/dfu", "keys", "which board is which, and where its slots lie"},
	{"keys/dfu/dfutest", "keys", "the boards on the bench"},
	{"keys/listening", "keys", "which board is which, and its id"},

	{"relay", "cloud", "devices, access and events"},
	{"relay", "cloud/sse", "lines go to browsers as events"},
}

type arrow struct{ from, to, reason string }

func TestEveryImportIsInTheTable(t *testing.T) {
	t.Parallel()
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, v := range violations(packages(t, goos)) {
			t.Errorf("%s (GOOS=%s)", v, goos)
		}
	}
}

func TestImportTableRefuses(t *testing.T) {
	tests := []struct {
		name string
		pkg  pkg
		want string // part of the violation; "" when it is allowed
	}{
		{"an arrow of the table", pkg{ImportPath: "localcloud/cloud", Imports: []string{"localcloud/keys", "fmt"}}, ""},
		{"a side that imports a side", pkg{ImportPath: "localcloud/cloud/api", Imports: []string{"localcloud/coap/session"}}, "cloud/api must not import coap/session"},
		{"an arrow turned round", pkg{ImportPath: "localcloud/keys", Imports: []string{"localcloud/cloud"}}, "keys must not import cloud"},
		{"a leaf that imports", pkg{ImportPath: "localcloud/coap", Imports: []string{"localcloud/keys"}}, "coap must not import keys"},
		{"a room below a room is a room of its own", pkg{ImportPath: "localcloud/coap", Imports: []string{"localcloud/coap/link"}}, "coap must not import coap/link"},
		{"a package inside a deep room", pkg{ImportPath: "localcloud/coap/link/dtls", Imports: []string{"localcloud/keys", "localcloud/coap/link"}}, ""},
		{"a package inside a deep room, like the room", pkg{ImportPath: "localcloud/coap/link/dtls", Imports: []string{"localcloud/coap"}}, "coap/link/dtls must not import coap"},
		{"a package that nobody planned", pkg{ImportPath: "localcloud/cloud/util"}, "cloud/util is in no room"},
		{"an import of a package that nobody planned", pkg{ImportPath: "localcloud/relay", Imports: []string{"localcloud/common"}}, "relay must not import common"},
		{"a test may import anything", pkg{ImportPath: "localcloud/keys", TestImports: []string{"localcloud/cloud"}}, ""},
		{"the program may import anything", pkg{ImportPath: "localcloud/cloud/cmd/localcloud", Imports: []string{"localcloud/relay", "localcloud/coap/virtual"}}, ""},
		{"what is for tests, in a test", pkg{ImportPath: "localcloud/coap/session", XTestImports: []string{"localcloud/coap/link/recording"}}, ""},
		{"what is for tests, in the product", pkg{ImportPath: "localcloud/coap/link", Imports: []string{"localcloud/coap/link/recording"}}, "coap/link must not import coap/link/recording"},
		{"what is for tests, in the program", pkg{ImportPath: "localcloud/cloud/cmd/localcloud", Imports: []string{"localcloud/coap/link/recording"}}, "is for tests"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(violations([]pkg{tt.pkg}), "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("violations = %q, want %q", got, tt.want)
			}
		})
	}
}

// pkg is what `go list -json` tells about a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

const module = "localcloud/"

// violations returns a line for each import that the table does not allow.
func violations(pkgs []pkg) []string {
	var out []string
	for _, p := range pkgs {
		from := strings.TrimPrefix(p.ImportPath, module)
		home, ok := roomOf(from)
		if !ok {
			out = append(out, from+" is in no room of the table")
			continue
		}
		for _, imported := range p.Imports {
			if to, ours := strings.CutPrefix(imported, module); ours {
				if why := refuse(home, to); why != "" {
					out = append(out, fmt.Sprintf("%s must not import %s: %s", from, to, why))
				}
			}
		}
	}
	return out
}

// refuse says why a file of a room must not import the package to, or "".
func refuse(from, to string) string {
	target, ok := roomOf(to)
	switch {
	case !ok:
		return "it is in no room of the table"
	case target == from:
		return ""
	case rooms[target].testsOnly:
		return "it is for tests"
	case rooms[from].wires:
		return ""
	case slices.ContainsFunc(arrows, func(a arrow) bool { return a.from == from && a.to == target }):
		return ""
	}
	return "no arrow in the table"
}

// roomOf returns the room that a package is in.
func roomOf(pkg string) (string, bool) {
	if _, ok := rooms[pkg]; ok {
		return pkg, true
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if r, ok := rooms[dir]; ok {
			return dir, r.deep
		}
	}
	return "", false
}

// packages returns the module's packages as a system sees them.
func packages(t *testing.T, goos string) []pkg {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list names no package")
	}
	return pkgs
}

// root returns the top of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTopLevelHoldsTheRoomsAndNothingElse(t *testing.T) {
	roomFolders := []string{"cloud", "coap", "firmware", "keys", "relay", "webui"}
	files := []string{"go.mod", "go.sum", "LICENSE", "Makefile", "README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md"}
	built := []string{"bin", "dist"} // git ignores them

	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, "."), slices.Contains(built, name):
		case e.IsDir() && slices.Contains(roomFolders, name):
			if _, err := os.Stat(filepath.Join(root(t), name, "README.md")); err != nil {
				t.Errorf("the room %s has no README.md", name)
			}
		case !e.IsDir() && slices.Contains(files, name):
		default:
			t.Errorf("%s does not belong at the top level", name)
		}
	}
}

// A path of somebody's machine works for nobody else, and tells who built it.
// Only the Raspberry Pi's user of old may stand for everybody.
func TestNoFileNamesAPathOfAMachine(t *testing.T) {
	machine := regexp.MustCompile(`(^|[^\w.$~}])(/(?:home|Users|root)/\w|[A-Z]:\\Users\\\w)`)
	leaveOut := []string{".git", "node_modules", "bin", "dist"}
	top := root(t)
	err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(leaveOut, d.Name()) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(b), "\n") {
			if m := machine.FindStringSubmatch(strings.ReplaceAll(line, "/home/pi", "")); m != nil {
				rel, _ := filepath.Rel(top, file)
				t.Errorf("%s:%d: path of a machine: %s...", rel, i+1, m[2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
