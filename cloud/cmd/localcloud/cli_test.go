package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/keys"
)

// particle-cli from npm in three generations, each with a user and a device of
// their own, does what its users do, in the order in which they do it.
func TestParticleCLI(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("its prompts need script(1) with the options of Linux")
	}
	if _, err := exec.LookPath("script"); err != nil {
		t.Fatalf("%v; run: make setup", err)
	}
	site := startSite(t)
	for _, version := range cliVersions(t) {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			c := &cli{T: t, site: site, version: version, home: t.TempDir()}
			c.pointAtTheCloud()
			c.logInAndOut()
			c.useDevices()
			c.useTokens()
			c.useEvents()
			c.wait40SecondsForAnEvent()
			c.useWebhooks()
			c.useProducts()
			c.comeWithAnExpiredToken()
		})
	}
}

// cliVersion is one generation of particle-cli.
type cliVersion struct {
	name    string // the alias in package.json
	number  int    // 1, 2 or 3
	command []string
}

func cliVersions(t *testing.T) []cliVersion {
	t.Helper()
	node, modern := nodes(t)
	modules, err := filepath.Abs("testdata/clients/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	versions := []cliVersion{
		{"cli1", 1, []string{node, filepath.Join(modules, "cli1/bin/particle.js")}},
		{"cli2", 2, []string{node, filepath.Join(modules, "cli2/dist/index.js")}},
		{"cli3", 3, []string{modern, filepath.Join(modules, "cli3/src/index.js")}},
	}
	for _, v := range versions {
		if _, err := os.Stat(v.command[1]); err != nil {
			t.Fatalf("%v; run: make setup", err)
		}
	}
	return versions
}

// nodes returns the machine's Node.js, and one of at least version 22, which particle-cli 3 wants.
func nodes(t *testing.T) (node, modern string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%v; run: make setup", err)
	}
	var major int
	if _, err := fmt.Sscanf(output(t, "", node, "--version"), "v%d", &major); err == nil && major >= 22 {
		return node, node
	}
	found, _ := filepath.Glob("testdata/clients/node_modules/node-*/bin/node")
	if len(found) != 1 {
		t.Fatalf("particle-cli 3 needs Node.js 22, %s is older, and of npm's there are %q; run: make setup", node, found)
	}
	modern, err = filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return node, modern
}

// site is a running cloud whose owner is none of those who are tested.
type site struct {
	program, data string
	cloud         *process
	http, tcp     string
	https, ca     string // address, and a file with the certificate to trust
	key           string // file with the server's key
	owner         string // a token
	foreign       string // a device of the owner
}

func startSite(t *testing.T, more ...string) *site {
	t.Helper()
	s := &site{program: buildProgram(t), data: t.TempDir(), foreign: "e00fce6800000000000000ff"}
	s.start(t, more...)
	s.key = filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(s.key, []byte(output(t, "", s.program, "keys", "export", "--data", s.data)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	output(t, "", s.program, "https", "ca", "--out", s.ca, "--data", s.data)
	s.addUser(t, "owner@example.com", "owner's password")
	s.owner = s.token(t, "owner@example.com")
	if status, text := s.request(t, s.owner, "POST", "/v1/localcloud/devices", `{"id":"`+s.foreign+`"}`); status != 201 {
		t.Fatalf("device of the owner: %d %s", status, text)
	}
	return s
}

// start starts the cloud on free ports, but where more says otherwise.
func (s *site) start(t *testing.T, more ...string) {
	t.Helper()
	s.cloud = start(t, exec.Command(s.program, append(append([]string{"serve", "--data", s.data, "--https", "127.0.0.1:0"}, anyPort...), more...)...))
	a := s.cloud.ready(t)
	s.http, s.https, s.tcp = "http://"+a.HTTP, "https://"+a.HTTPS, a.TCP
}

func (s *site) addUser(t *testing.T, name, password string) {
	t.Helper()
	output(t, password+"\n", s.program, "user", "add", name, "--password-stdin", "--data", s.data)
}

func (s *site) token(t *testing.T, user string, more ...string) string {
	t.Helper()
	var made struct{ Token string }
	text := output(t, "", s.program, append([]string{"token", "create", "--user", user, "--data", s.data, "--json"}, more...)...)
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Token == "" {
		t.Fatalf("token create printed %q: %v", text, err)
	}
	return made.Token
}

// device starts a virtual device with what equip gives it.
func (s *site) device(t *testing.T, token string) (device *process, id string) {
	t.Helper()
	device = start(t, exec.Command(s.program, "virtual", "--stdio", "--http", s.http, "--tcp", s.tcp, "--token", token, "--server-key", s.key))
	return device, equip(t, device)
}

// request sends one request of ours.
func (s *site) request(t *testing.T, token, method, path, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.http+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// cli is particle-cli at the hands of one user.
type cli struct {
	*testing.T
	*site
	version  cliVersion
	home     string
	env      []string // more than its home
	user     string
	password string
	token    string // ours, to look at what it did
	device   string // id of the user's, online
	name     string // of the device

	idle      *process // a subscription without an event, and since when
	idleSince time.Time
}

func (c *cli) command(args ...string) *exec.Cmd {
	return c.prepare(exec.Command(c.version.command[0], append(c.version.command[1:], args...)...))
}

// prepare gives a command the user's home, and nothing else of ours.
func (c *cli) prepare(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = c.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "home=" + c.home, "PARTICLE_DISABLE_UPDATE=true", "TERM=dumb"}
	cmd.Env = append(cmd.Env, c.env...)
	return cmd
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// says runs a command that has to print all of words and end with the code.
func (c *cli) says(code int, words []string, args ...string) string {
	c.Helper()
	cmd := c.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out // one pipe
	timer := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Run()
	text := plain(out.String())
	if got := cmd.ProcessState.ExitCode(); got != code {
		c.Errorf("particle %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			c.Errorf("particle %s does not say %q but:\n%s", strings.Join(args, " "), w, text)
		}
	}
	return text
}

func plain(s string) string { return ansi.ReplaceAllString(s, "") }

// ok is says for a command that succeeds.
func (c *cli) ok(args string, words ...string) string {
	c.Helper()
	return c.says(0, words, strings.Fields(args)...)
}

// by returns what is said by this version: the first, second or third.
func (c *cli) by(first, second, third string) string {
	return []string{first, second, third}[c.version.number-1]
}

// answer is what a user types when asked something.
type reply struct{ asked, typed string }

// dialog runs a command on a terminal, since it asks, and returns what it printed.
func (c *cli) dialog(answers []reply, args ...string) string {
	c.Helper()
	var line []string
	for _, a := range append(slices.Clone(c.version.command), args...) {
		line = append(line, "'"+a+"'")
	}
	cmd := c.prepare(exec.Command("script", "-qec", strings.Join(line, " "), "/dev/null"))
	seen := &watched{changed: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = seen, seen
	in, err := cmd.StdinPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	timer := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	defer timer.Stop()
	from := 0
	for _, a := range answers {
		if from = seen.after(a.asked, from); from < 0 {
			c.Errorf("particle %s does not ask %q but says:\n%s", strings.Join(args, " "), a.asked, seen.text())
			break
		}
		io.WriteString(in, a.typed+"\r")
	}
	cmd.Wait()
	in.Close()
	return plain(seen.text())
}

// watched is what was written, for one who waits for words in it.
type watched struct {
	changed chan struct{}
	mu      sync.Mutex
	buf     bytes.Buffer // guarded by mu
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return w.buf.Write(b)
}

func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// after waits for words and returns where they end, -1 when they do not come.
func (w *watched) after(words string, from int) int {
	late := time.After(soon)
	for {
		if i := strings.Index(w.text()[from:], words); i >= 0 {
			return from + i + len(words)
		}
		select {
		case <-w.changed:
		case <-late:
			return -1
		}
	}
}

func (c *cli) pointAtTheCloud() {
	c.user, c.password = c.version.name+"@example.com", "a password of "+c.version.name
	c.addUser(c.T, c.user, c.password)
	c.token = c.site.token(c.T, c.user)
	_, c.device = c.site.device(c.T, c.token)
	if c.version.number < 3 {
		c.forgoUpdates()
		c.ok("config local")
		c.ok("config local apiUrl " + c.http)
		return
	}
	c.ok("profile local")
	c.ok("profile set apiUrl " + c.http)
}

// forgoUpdates tells the older ones, which ask npm for newer ones once a day whatever
// the environment says, that they did so just now.
func (c *cli) forgoUpdates() {
	dir := filepath.Join(c.home, ".particle")
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		profile := fmt.Sprintf(`{"name":"particle","last_version_check":%d}`, time.Now().UnixMilli())
		err = os.WriteFile(filepath.Join(dir, "profile.json"), []byte(profile), 0o600)
	}
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cli) logInAndOut() {
	c.says(1, []string{c.by("not logged in", "not logged in", "not logged in")}, "list")
	if c.version.number == 1 { // which only asks
		const name, password = "email address", "password"
		text := c.dialog([]reply{{name, c.user}, {password, "not it"}, {name, "\x03"}}, "login")
		if !strings.Contains(text, "User credentials are invalid") && !strings.Contains(text, "error logging you in") {
			c.Errorf("a wrong password: %s", text)
		}
		logIn := func() {
			if text := c.dialog([]reply{{name, c.user}, {password, c.password}}, "login"); !strings.Contains(text, "Successfully completed login!") {
				c.Fatalf("login says %s", text)
			}
		}
		logIn() // it has no whoami
		c.logOut()
		logIn()
		return
	}
	c.says(1, []string{"User credentials are invalid"}, "login", "-u", c.user, "-p", "not it")
	c.says(0, []string{"Successfully completed login!"}, "login", "-u", c.user, "-p", c.password)
	c.ok("whoami", c.user)
	c.logOut()
	c.says(0, []string{"Successfully completed login!"}, "login", "--token", c.token)
	c.ok("whoami", c.user)
	c.says(0, nil, "login", "-u", c.user, "-p", c.password)
}

// logOut logs out; the older ones ask whether the token is to be revoked, too.
func (c *cli) logOut() {
	revoke := map[int]reply{1: {"revoke the current", "y"}, 2: {"keep the current", "n"}}
	if c.version.number == 3 {
		c.ok("logout")
	} else if text := c.dialog([]reply{revoke[c.version.number], {"password", c.password}}, "logout"); !strings.Contains(text, "logged out") {
		c.Errorf("logout says %s", text)
	}
	c.says(1, []string{"not logged in"}, "list")
}

func (c *cli) useDevices() {
	c.idle = start(c.T, c.command(c.subscribe("late")...))
	c.idleSince = time.Now()
	led := c.by("int led(String args)", "int led (String args)", "int led (String args)")
	c.ok("list", c.device, "(Photon) is online", "temp (double)", led)
	c.ok("call "+c.device+" led on", "42")
	c.ok("get "+c.device+" temp", "21.5")
	c.ok("function list", led)
	c.ok("variable list", "temp (double)")
	c.name = c.version.name + "-den"
	c.ok("device rename "+c.device+" "+c.name, "Successfully renamed device "+c.device+" to: "+c.name)
	c.ok("call "+c.name+" led", "42")
	c.says(1, []string{"not found"}, "call", c.name, "nope")
	c.says(1, []string{"Variable not found"}, "get", c.name, "nope")
	c.ok("nyan " + c.name + " on")
	c.ok("nyan " + c.name + " off")

	monitor := start(c.T, c.command("monitor", c.name, "temp", "--delay", "500"))
	for range 2 {
		monitor.want(c.T, "21.5")
	}
	monitor.cmd.Process.Kill()

	if c.version.number == 1 {
		c.dialog([]reply{{"Are you sure?", "yes"}}, "device", "remove", c.name)
	} else {
		c.ok("device remove " + c.name + " --yes")
	}
	if status, text := c.request(c.T, c.token, "GET", "/v1/devices/"+c.device, ""); status != 403 {
		c.Errorf("the removed device: %d %s", status, text)
	}
	c.ok("device add "+c.device, "Successfully claimed device "+c.device)
	foreign := c.dialog([]reply{{"belongs to someone else", "n"}}, "device", "add", c.foreign)
	if !strings.Contains(foreign, "transfer") {
		c.Errorf("a device of somebody else: %s", foreign)
	}
	c.sendKeys()
	c.formatKeys()
	none := "Cloud compilation is not available on this server"
	if err := os.WriteFile(filepath.Join(c.home, "a.ino"), []byte("void setup() {}\n"), 0o600); err != nil {
		c.Fatal(err)
	}
	c.says(1, []string{none}, "compile", "photon", "a.ino")
	if c.version.number > 1 {
		c.says(1, []string{none}, "flash", c.name, "a.ino")
		c.ok("library search neopixel", "Found 0 libraries")
	}
}

// sendKeys registers the keys of two new devices, which are nobody's then.
func (c *cli) sendKeys() {
	rsa, err := keys.GenerateDeviceRSA()
	if err != nil {
		c.Fatal(err)
	}
	key, err := keys.NewRSAPublicKey(&rsa.PublicKey)
	if err != nil {
		c.Fatal(err)
	}
	file, id := filepath.Join(c.home, "device.pub.pem"), fmt.Sprintf("e00fce68000000000000000%d", c.version.number)
	if err := os.WriteFile(file, key.PEM(), 0o600); err != nil {
		c.Fatal(err)
	}
	c.ok("keys send "+id+" "+file, "submitting public key succeeded!")
	if status, text := c.request(c.T, c.owner, "GET", "/v1/localcloud/devices/"+id, ""); !strings.Contains(text, string(key.Fingerprint())) {
		c.Errorf("the new device: %d %s", status, text)
	}
}

var (
	hex24 = regexp.MustCompile(`\b[0-9a-f]{24}\b`) // an id
	hex40 = regexp.MustCompile(`\b[0-9a-f]{40}\b`) // a token
)

func (c *cli) useTokens() {
	ask := []reply{{"password", c.password}}
	text := c.dialog(ask, "token", c.by("new", "create", "create"))
	made := hex40.FindString(text)
	if status, _ := c.request(c.T, made, "GET", "/v1/devices", ""); status != 200 {
		c.Fatalf("token create made %q, which gets %d\n%s", made, status, text)
	}
	if c.version.number == 3 {
		c.ok("token revoke "+made, "revoked")
	} else {
		if text := c.dialog(append(ask, reply{"login code", ""})[:c.version.number], "token", "list"); !hex40.MatchString(text) || !strings.Contains(text, "20") {
			c.Errorf("token list says %s", text)
		}
		c.dialog(ask, "token", "revoke", made)
	}
	if status, text := c.request(c.T, made, "GET", "/v1/devices", ""); status != 401 {
		c.Errorf("the revoked token: %d %s", status, text)
	}
}

// subscribe returns the arguments that subscribe to a prefix of the user's events.
func (c *cli) subscribe(prefix string) []string {
	args := []string{"subscribe", c.version.name + "/" + prefix}
	if c.version.number == 1 {
		args = append(args, "mine")
	}
	return args
}

func (c *cli) useEvents() {
	p := start(c.T, c.command(c.subscribe("ev")...))
	c.hear(p, c.version.name+"/ev/probe")
	c.ok("publish " + c.version.name + "/ev/cli hello")
	p.want(c.T, `"hello"`)
	p.cmd.Process.Kill()
}

// hear publishes events until a subscription prints one, which is when it has begun.
func (c *cli) hear(p *process, name string) {
	c.Helper()
	late, again := time.After(soon), time.NewTicker(200*time.Millisecond)
	defer again.Stop()
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, `"probe"`) {
				return
			}
		case <-again.C:
			c.request(c.T, c.token, "POST", "/v1/devices/events", `{"name":"`+name+`","data":"probe"}`)
		case <-p.ended:
			c.Fatalf("%s ended\n%s", p.name, p.said.String())
		case <-late:
			c.Fatalf("%s hears nothing\n%s", p.name, p.said.String())
		}
	}
}

// wait40SecondsForAnEvent publishes what the subscription of useDevices waits
// for, after 40 seconds for the newest client, which drops streams that are silent for 15.
func (c *cli) wait40SecondsForAnEvent() {
	if c.version.number == 3 {
		<-time.After(40*time.Second - time.Since(c.idleSince))
	}
	c.request(c.T, c.token, "POST", "/v1/devices/events", `{"name":"`+c.version.name+`/late","data":"at last"}`)
	c.idle.want(c.T, `"at last"`)
	c.idle.cmd.Process.Kill()
}

func (c *cli) useWebhooks() {
	const url = "http://198.51.100.1/x"
	file, settings := "hook.json", fmt.Sprintf(`{"event":"%s-file","url":%q,"requestType":"PUT","json":{"v":"{{{PARTICLE_EVENT_VALUE}}}"},"noDefaults":true}`, c.version.name, url)
	if err := os.WriteFile(filepath.Join(c.home, file), []byte(settings), 0o600); err != nil {
		c.Fatal(err)
	}
	made := map[string]string{} // id by event
	for event, create := range map[string]string{c.version.name + "-hook": c.version.name + "-hook " + url, c.version.name + "-file": file} {
		id := hex24.FindString(c.ok("webhook create "+create, "created"))
		made[event] = id
		if status, text := c.request(c.T, c.token, "GET", "/v1/webhooks/"+id, ""); status != 200 || !strings.Contains(text, event) {
			c.Errorf("the webhook for %s: %d %s", event, status, text)
		}
	}
	if _, text := c.request(c.T, c.token, "GET", "/v1/webhooks/"+made[c.version.name+"-file"], ""); !strings.Contains(text, "PARTICLE_EVENT_VALUE") || !strings.Contains(text, `"PUT"`) {
		c.Errorf("the webhook from a file is %s", text)
	}
	for event, id := range made {
		c.ok("webhook list", id, event)
		c.ok("webhook delete " + id)
	}
	if status, text := c.request(c.T, c.token, "GET", "/v1/webhooks", ""); text != "[]" {
		c.Errorf("the deleted webhooks: %d %s", status, text)
	}
}

func (c *cli) useProducts() {
	if c.version.number == 1 {
		return // has no such command
	}
	_, text := c.request(c.T, c.token, "POST", "/v1/user/products", `{"product":{"name":"Heron","platform_id":6}}`)
	var made struct{ Product struct{ ID int } }
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Product.ID == 0 {
		c.Fatalf("no product: %s", text)
	}
	product := fmt.Sprint(made.Product.ID)
	c.ok("product device add "+product+" "+c.device, "Success")
	c.ok("product device list "+product, c.device)
	c.says(1, []string{"Product not found"}, "product", "device", "list", "1")
	c.ok("product device remove " + product + " " + c.device)
}

func (c *cli) comeWithAnExpiredToken() {
	expired := c.site.token(c.T, c.user, "--expires", "1s")
	late := time.After(soon)
	for status := 200; status != 401; {
		select {
		case <-time.After(100 * time.Millisecond):
			status, _ = c.request(c.T, expired, "GET", "/v1/devices", "")
		case <-late:
			c.Fatal("the token does not expire")
		}
	}
	c.ok(c.by("config local access_token ", "config local access_token ", "profile set access_token ") + expired)
	c.says(1, []string{c.by("your access token may have expired", "your access token may have expired", "not logged in")}, "list")
}
