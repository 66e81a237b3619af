package main_test

import (
	"bufio"
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The printed address shows what the sketch streams, with no hardware and nothing else to set up.
func TestTheDemoStreamsAsTheSketchesDo(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	for sketch, line := range map[string]string{
		"livegraph": `^\d{1,4}$`,
		"liveimu":   `^-?\d+\.\d{3},-?\d+\.\d{3},\d+\.\d{3},\d+\.\d{3},\d+\.\d{2},\d+\.\d$`,
		"chimes":    `^\{"chimes":\[\d+,\d+,\d+,\d+,\d+,\d+\]\}$`,
	} {
		t.Run(sketch, func(t *testing.T) {
			t.Parallel()
			demo := start(t, exec.Command(program, "demo", sketch, "--data", filepath.Join(t.TempDir(), "data"),
				"--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--relay", "127.0.0.1:0"))
			page := demo.find(t, regexp.MustCompile(`^  (http://[^ ]+/(?:relay/`+sketch+`/|data))$`))
			if answer := fetch(t, page); answer.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", page, answer.Status)
			}
			data := page[:strings.Index(page[7:], "/")+7] + "/data"
			for scan := bufio.NewScanner(fetch(t, data).Body); scan.Scan(); {
				if text, ok := strings.CutPrefix(scan.Text(), "data:"); ok {
					if !regexp.MustCompile(line).MatchString(text) {
						t.Errorf("it streams %q", text)
					}
					return
				}
			}
			t.Fatal("the stream ended without a line")
		})
	}
}

// find reads lines until one matches, and returns the match's first group.
func (p *process) find(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("%s ended\n%s", p.name, p.said.String())
			}
			if found := pattern.FindStringSubmatch(line); found != nil {
				return found[1]
			}
		case <-ctx.Done():
			t.Fatalf("%s prints nothing like %s\n%s", p.name, pattern, p.said.String())
		}
	}
}

func fetch(t *testing.T, url string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func TestAnUnknownSketchIsRefusedWithThoseThatThereAre(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(buildProgram(t), "demo", "lighthouse").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "livegraph") {
		t.Errorf("%v %s", err, out)
	}
}
