package bench

import (
	"os"
	"testing"
	"time"
)

func TestUsageOfAProcessIsRead(t *testing.T) {
	u, err := UsageOf(os.Getpid())()
	if err != nil {
		t.Fatal(err)
	}
	if u.RSS < 1<<20 || u.RSS > 1<<34 || u.Own < 1<<20 || u.Own > u.RSS || u.CPU > time.Hour {
		t.Errorf("usage of this process = %+v", u)
	}
	if u.CPU > ownCPU()+time.Second/ticks {
		t.Errorf("CPU of this process %v from /proc, %v from the system", u.CPU, ownCPU())
	}
	if _, err := UsageOf(1 << 30)(); err == nil {
		t.Error("a process that does not exist has a usage")
	}
}

func TestCPUIsFoundBehindAnyName(t *testing.T) {
	stat := []byte("42 (a ) b (c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 7 0")
	if got, err := cpuIn(stat); err != nil || got != 1750*time.Millisecond {
		t.Errorf("CPU = %v, %v; want 1.75 s", got, err)
	}
	for _, bad := range []string{"", "42 (x) S 1 2 3", "42 (x) S 1 2 3 4 5 6 7 8 9 10 x 25 0"} {
		if got, err := cpuIn([]byte(bad)); err == nil {
			t.Errorf("CPU of %q = %v", bad, got)
		}
	}
}

func TestBusyTimeLeavesOutIdleAndWaiting(t *testing.T) {
	const stat = "cpu  100 20 30 9999 8888 4 5 6 7 8\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
	if got, ok := busyIn(stat); !ok || got != 1650*time.Millisecond {
		t.Errorf("busy = %v, %v; want 1.65 s", got, ok)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 x 8"} {
		if got, ok := busyIn(bad); ok {
			t.Errorf("busy of %q = %v", bad, got)
		}
	}
}
