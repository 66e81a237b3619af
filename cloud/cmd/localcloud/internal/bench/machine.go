package bench

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine is where the figures come from.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPU   string `json:"cpu"`   // model; empty: unknown
	Cores int    `json:"cores"` // that this process may use
	Go    string `json:"go"`
}

func (m Machine) String() string {
	cpu := m.CPU
	if cpu == "" {
		cpu = "unknown CPU"
	}
	return fmt.Sprintf("%s/%s, %d cores of %s, %s", m.OS, m.Arch, m.Cores, cpu, m.Go)
}

func thisMachine() Machine {
	return Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(), Cores: runtime.GOMAXPROCS(0), Go: runtime.Version()}
}

// method says how the figures came about. It is part of the result.
var method = []string{
	"Devices, listeners and clients run in the process that measures, on the same cores as the server; a server of our own is a process by itself.",
	"CPU, memory (resident set) and bytes written are those of the server's process, from /proc. Warm-up is not counted.",
	"Latencies: HDR histograms from 1 µs to 60 s, three digits; from when an event was due or a request was sent.",
	"Ceilings were measured in the same run, next to the figure. A ratio is the value divided by the ceiling or aim.",
}

// cpuModel returns what the machine calls its processor.
func cpuModel() string {
	switch runtime.GOOS {
	case "linux":
		text, _ := os.ReadFile("/proc/cpuinfo")
		return modelIn(string(text))
	case "darwin":
		text, _ := exec.Command("sysctl", "-n", "machdep.cpu.brand_string").Output()
		return strings.TrimSpace(string(text))
	case "windows":
		return os.Getenv("PROCESSOR_IDENTIFIER")
	}
	return ""
}

// modelIn finds the name in /proc/cpuinfo, which has another key on each architecture.
func modelIn(cpuinfo string) string {
	for _, want := range []string{"model name", "Model", "Hardware", "CPU implementer"} {
		for line := range strings.Lines(cpuinfo) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == want {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}
