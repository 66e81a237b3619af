package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// particle-cli from npm in three generations, each with a user and a device of
// their own, does what its users do, in the order in which they do it.
func TestParticleCLI(t *testing.T) {
	t.Parallel()
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
// for, after 40 seconds: the newest client drops streams that are silent for 15.
func (c *cli) wait40SecondsForAnEvent() {
	<-time.After(40*time.Second - time.Since(c.idleSince))
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
