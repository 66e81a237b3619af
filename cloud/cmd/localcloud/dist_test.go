package main_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// makeArchives runs what `make dist` runs, for some targets, and returns the folder.
func makeArchives(t *testing.T, targets ...string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", append([]string{"run", "./internal/dist", "-version", "v1.2-test", "-out", dir}, targets...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dist: %v\n%s", err, out)
	}
	return dir
}

// readSums returns the file names and sums in SHA256SUMS.
func readSums(t *testing.T, dir string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(b)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			t.Fatalf("SHA256SUMS holds %q", line)
		}
		sums[name] = sum
	}
	return sums
}

func TestTheReleaseIsNamedSummedAndComplete(t *testing.T) {
	t.Parallel()
	dir := makeArchives(t, "linux_armv6", "windows_amd64")
	sums := readSums(t, dir)
	for archive, program := range map[string]string{
		"localcloud_v1.2-test_linux_armv6.tar.gz": "localcloud",
		"localcloud_v1.2-test_windows_amd64.zip":  "localcloud.exe",
	} {
		b, err := os.ReadFile(filepath.Join(dir, archive))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != sums[archive] {
			t.Errorf("%s: the sum in SHA256SUMS is another", archive)
		}
		delete(sums, archive)

		read := untar
		if strings.HasSuffix(archive, ".zip") {
			read = unzip
		}
		folder := strings.TrimSuffix(strings.TrimSuffix(archive, ".tar.gz"), ".zip") + "/"
		want := map[string]fs.FileMode{folder + "LICENSE": 0o644, folder + "QUICKSTART.md": 0o644, folder + program: 0o755}
		for name, f := range read(t, b) {
			if mode, ok := want[name]; !ok || mode != f.mode {
				t.Errorf("%s holds %s with mode %v", archive, name, f.mode)
			}
			delete(want, name)
			if len(f.content) == 0 {
				t.Errorf("%s: %s is empty", archive, name)
			}
		}
		for name := range want {
			t.Errorf("%s lacks %s", archive, name)
		}
	}
	for name := range sums {
		t.Errorf("SHA256SUMS names %s, which nobody asked for", name)
	}
}

func TestTheReleaseIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	first, second := readSums(t, makeArchives(t, "linux_arm64")), readSums(t, makeArchives(t, "linux_arm64"))
	for name, sum := range first {
		if second[name] != sum {
			t.Errorf("%s differs", name)
		}
	}
}

// packed is a file as it stands in an archive.
type packed struct {
	mode    fs.FileMode
	content []byte
}

func untar(t *testing.T, archive []byte) map[string]packed {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]packed{}
	for tr := tar.NewReader(gz); ; {
		head, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[head.Name] = packed{head.FileInfo().Mode(), content}
	}
}

func unzip(t *testing.T, archive []byte) map[string]packed {
	t.Helper()
	zr, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]packed{}
	for _, f := range zr.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = packed{f.Mode(), content}
	}
	return files
}

// unpack writes an archive's files into a folder, without the folder they stand in, and returns their names.
func unpack(t *testing.T, archive []byte, dir string) []string {
	t.Helper()
	var names []string
	for name, f := range untar(t, archive) {
		name = name[strings.Index(name, "/")+1:]
		if err := os.WriteFile(filepath.Join(dir, name), f.content, f.mode); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
