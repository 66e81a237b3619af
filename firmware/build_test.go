package firmware_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// What boards' compilers are asked for, and the tools that find what a board would only suffer from.
var (
	strict    = []string{"-Wall", "-Wextra", "-Werror", "-x", "c++"}
	sanitized = []string{"-std=gnu++17", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
)

var libraries = []string{"LocalRelay", "GuaranteedDelivery", "EventBatch"}

// sketchNames returns every sketch of the folder: none is left out of the tests.
func sketchNames(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("sketches/*/src/*.ino")
	if err != nil || len(found) < 7 {
		t.Fatalf("sketches: %v, %v", found, err)
	}
	var names []string
	for _, path := range found {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".ino"))
	}
	return names
}

func includes() []string {
	args := []string{"-Ihost/include"}
	for _, library := range libraries {
		args = append(args, "-Ilibraries/"+library+"/src")
	}
	return args
}

func compile(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("g++", args...).CombinedOutput(); err != nil {
		t.Errorf("g++ %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// A workshop compiles what the sketches share once.
type workshop struct {
	once    sync.Once
	dir     string
	objects []string
}

var shop workshop

func TestMain(m *testing.M) {
	code := m.Run()
	if shop.dir != "" {
		os.RemoveAll(shop.dir)
	}
	os.Exit(code)
}

// open compiles the stand-in and the libraries.
func (w *workshop) open(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in of the Wiring API is for Linux")
	}
	w.once.Do(func() {
		dir, err := os.MkdirTemp("", "firmware")
		if err != nil {
			t.Fatal(err)
		}
		w.dir = dir
		sources, _ := filepath.Glob("host/src/*.cpp")
		for _, library := range libraries {
			more, _ := filepath.Glob("libraries/" + library + "/src/*.cpp")
			sources = append(sources, more...)
		}
		for _, source := range sources {
			object := filepath.Join(dir, filepath.Base(source)+".o")
			compile(t, args(strict, sanitized, includes(), []string{"-c", source, "-o", object})...)
			w.objects = append(w.objects, object)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// sketch compiles and links a sketch and returns the program.
func (w *workshop) sketch(t *testing.T, source string) string {
	t.Helper()
	w.open(t)
	program := filepath.Join(t.TempDir(), "sketch")
	object := program + ".o"
	compile(t, args(strict, sanitized, includes(), []string{"-c", source, "-o", object})...)
	compile(t, args(sanitized, []string{"-o", program, object, "-pthread"}, w.objects)...)
	if t.Failed() {
		t.FailNow()
	}
	return program
}

func args(lists ...[]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// Boards before Device OS 3 are compiled with gnu++14, later ones with gnu++17.
func TestSketchesAndLibrariesCompileAsOldBoardsDo(t *testing.T) {
	sources, err := filepath.Glob("libraries/*/src/*.cpp")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	for _, pattern := range []string{"sketches/*/src/*.ino", "libraries/*/examples/*/*.ino"} {
		found, _ := filepath.Glob(pattern)
		sources = append(sources, found...)
	}
	for _, source := range sources {
		compile(t, args(strict, includes(), []string{"-std=gnu++14", "-fsyntax-only", source})...)
	}
}

// Particle's tools find a library by its properties and a sketch's libraries by the project's.
func TestPropertiesNameWhatIsThere(t *testing.T) {
	for _, library := range libraries {
		text, err := os.ReadFile("libraries/" + library + "/library.properties")
		if err != nil || !strings.Contains(string(text), "name="+library+"\n") || !strings.Contains(string(text), "version=") {
			t.Errorf("%s: %v\n%s", library, err, text)
		}
	}
	for _, name := range sketchNames(t) {
		text, err := os.ReadFile("sketches/" + name + "/project.properties")
		if err != nil || !strings.Contains(string(text), "name="+name+"\n") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		source, err := os.ReadFile("sketches/" + name + "/src/" + name + ".ino")
		if err != nil {
			t.Fatal(err)
		}
		for _, library := range libraries {
			uses := strings.Contains(string(source), `#include "`+library+`.h"`)
			if says := strings.Contains(string(text), "dependencies."+library+"="); uses != says {
				t.Errorf("%s uses %s: %v, its project.properties says so: %v", name, library, uses, says)
			}
		}
	}
}
