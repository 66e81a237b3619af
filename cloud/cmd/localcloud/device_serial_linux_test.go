package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"localcloud/keys/dfu/dfutest"
	"localcloud/keys/listening/listeningtest"
)

// onSerial puts a board in listening mode on a serial port of this machine (a pseudo terminal) until done is called, and
// returns the name of the port.
func onSerial(t *testing.T, b *listeningtest.Board) (port string, done func()) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	err = raw.Control(func(fd uintptr) {
		if err := unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err != nil {
			t.Error(err)
		}
		if number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	port = fmt.Sprintf("/dev/pts/%d", number)
	slave, err := os.OpenFile(port, os.O_RDWR|unix.O_NOCTTY, 0) // held open: a board stays when a program closes its port
	if err != nil {
		t.Fatal(err)
	}
	silence(t, slave)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.Serve(master)
	}()
	stopped := false
	done = func() {
		if stopped {
			return
		}
		stopped = true
		slave.Close()
		master.Close()
		<-ended
	}
	t.Cleanup(done)
	return port, done
}

// silence keeps the terminal from echoing by itself: only the board does.
func silence(t *testing.T, tty *os.File) {
	t.Helper()
	raw, err := tty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		settings, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		if err != nil {
			t.Error(err)
			return
		}
		settings.Lflag, settings.Oflag, settings.Iflag = 0, 0, 0
		if err := unix.IoctlSetTermios(int(fd), unix.TCSETS, settings); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestABoardIsIdentifiedOverItsSerialPort(t *testing.T) {
	dfutest.Install(t)
	boron := &listeningtest.Board{ID: "e00fce6814ab7c2f5e6d9001", DeviceOS: "6.2.0", MAC: "00:00:00:00:00:00", Properties: [][2]string{
		{"Device Secret", "ABCDEFGHIJKLMNO"}, {"IMEI", "353500000000001"}, {"ICCID", "8901410300000000001"},
	}}
	port, _ := onSerial(t, boron)
	out := command(t, "device", "identify", "--port", port)
	for _, want := range []string{"e00fce6814ab7c2f5e6d9001", "6.2.0", "353500000000001", "8901410300000000001", "listening"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "ABCDEFGHIJKLMNO") {
		t.Error("the device secret is shown")
	}
	busy, _ := onSerial(t, &listeningtest.Board{Silent: true})
	if out := command(t, "device", "identify", "--port", busy); !strings.Contains(out, "not listening") || !strings.Contains(out, "blinks dark blue") {
		t.Errorf("not in listening mode: %s", out)
	}
	refused(t, 1, []string{"there is no port", "device identify"}, "device", "identify", "--port", "/dev/pts/987654")
}

func TestBoardsOnNoCableAreMissed(t *testing.T) {
	bench := dfutest.Install(t)
	refused(t, 1, []string{"a USB cable that carries data"}, "device", "identify")
	newBoards[0].plug(t, bench)
	if out := command(t, "device", "identify"); !strings.Contains(out, newBoards[0].id) || !strings.Contains(out, "DFU mode") {
		t.Errorf("in DFU mode: %s", out)
	}
	if _, err := try(t, "correct horse\n", "device", "wifi", "home", "--password-stdin"); err == nil || !strings.Contains(err.Error(), "in DFU mode (blinking yellow): press RESET") {
		t.Errorf("wifi on a board in DFU mode: %v", err)
	}
}

func TestABoardIsToldItsWiFi(t *testing.T) {
	dfutest.Install(t)
	photon := &listeningtest.Board{ID: newBoards[0].id, DeviceOS: "3.3.1", WiFi: true, Enterprise: true, Sees: map[string]listeningtest.Access{"home": {Security: 3}}}
	port, done := onSerial(t, photon)
	wifi := func(stdin string, args ...string) string {
		t.Helper()
		out, err := try(t, stdin, append([]string{"device", "wifi", "--port", port}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := wifi("wrong horse battery\n", "home", "--password-stdin"); !strings.Contains(out, "goes on blinking green, the password is another one") || strings.Contains(out, "did not see") {
		t.Errorf("seen: %s", out)
	}
	wifi("correct horse battery\n", "home", "--password-stdin")
	if out := wifi("a hidden password\n", "cellar", "--password-stdin"); !strings.Contains(out, "hidden, misspelt") || !strings.Contains(out, "5 GHz") {
		t.Errorf("hidden: %s", out)
	}
	wifi("", "cafe", "--security", "none")
	if _, err := try(t, "", "device", "wifi", "home", "--security", "none", "--port", port); err == nil || !strings.Contains(err.Error(), "asks for a password") {
		t.Errorf("without its password: %v", err)
	}
	done()
	var got []string
	for _, s := range photon.Saved {
		got = append(got, s.SSID+"/"+s.Password)
	}
	if want := "[home/wrong horse battery home/correct horse battery cellar/a hidden password cafe/]"; fmt.Sprint(got) != want {
		t.Errorf("the board saved %v", got)
	}
	refused(t, 2, []string{"--password-stdin"}, "device", "wifi", "home", "--port", port)
	if _, err := try(t, "short\n", "device", "wifi", "home", "--password-stdin", "--port", port); exitCode(err) != 2 {
		t.Errorf("a short password: %v", err)
	}
}

// TestABoardIsRekeyedAndToldItsWiFi goes the whole way with one command.
func TestABoardIsRekeyedAndToldItsWiFi(t *testing.T) {
	bench := dfutest.Install(t)
	newBoards[0].plug(t, bench)
	data, _ := newCloud(t)
	photon := &listeningtest.Board{ID: newBoards[0].id, DeviceOS: "3.3.1", WiFi: true, Enterprise: true}
	port, done := onSerial(t, photon)
	out, err := try(t, "correct horse\n", "device", "rekey", "--host", "10.1.2.3", "--wifi-ssid", "cellar", "--wifi-password-stdin", "--wifi-port", port, "--data", data)
	if err != nil || !strings.Contains(out, "hold MODE (or SETUP) for three seconds") || !strings.Contains(out, "has saved the network cellar") || !strings.Contains(out, "which a photon does not see") {
		t.Errorf("%v, %s", err, out)
	}
	done()
	if len(photon.Saved) != 1 || photon.Saved[0].Password != "correct horse" || bytes.Contains([]byte(out), []byte("correct horse")) {
		t.Errorf("the board saved %+v", photon.Saved)
	}
	electron := bench.Lay(t, "electron", newBoards[1].id, "1-9")
	electron.EnterDFU(t)
	if _, err := try(t, "correct horse\n", "device", "rekey", "--id", newBoards[1].id, "--host", "10.1.2.3", "--wifi-ssid", "x", "--wifi-password-stdin", "--data", data); err == nil || !strings.Contains(err.Error(), "a electron has no Wi-Fi") {
		t.Errorf("an Electron: %v", err)
	}
}
