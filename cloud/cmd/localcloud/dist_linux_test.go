package main_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Whoever unpacks the archive needs neither Go nor Node nor anything else: not
// even a system. The root of these processes holds what was in the archive.
func TestTheReleaseServesFromAnEmptyRoot(t *testing.T) {
	t.Parallel()
	target, ok := map[string]string{"amd64": "linux_amd64", "arm64": "linux_arm64", "arm": "linux_armv6"}[runtime.GOARCH]
	if !ok {
		t.Skipf("there is no archive for linux on %s", runtime.GOARCH)
	}
	archive, err := os.ReadFile(filepath.Join(makeArchives(t, target), "localcloud_v1.2-test_"+target+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if names := unpack(t, archive, root); strings.Join(names, " ") != "LICENSE QUICKSTART.md localcloud" {
		t.Fatalf("the archive holds %q", names)
	}

	var version strings.Builder
	cmd := inside(root, "version")
	cmd.Stdout = &version
	if err := cmd.Run(); errors.Is(err, syscall.EPERM) {
		t.Fatalf("neither chroot nor a user namespace is allowed here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if got := version.String(); !strings.Contains(got, "v1.2-test") {
		t.Errorf("version prints %q", got)
	}

	serve := start(t, inside(root, append([]string{"serve", "--data", "/data"}, anyPort...)...))
	addresses := serve.ready(t)
	answer, err := http.Get("http://" + addresses.HTTP + "/v1/devices")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "access token") {
		t.Errorf("GET /v1/devices without a token: %s %s, %v", answer.Status, body, err)
	}
	if err := serve.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := serve.wait(t); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
}

// inside returns a command that runs localcloud with dir as its root. Who is
// not root becomes it in a user namespace first.
func inside(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("/localcloud", args...)
	cmd.Dir = "/"
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}
