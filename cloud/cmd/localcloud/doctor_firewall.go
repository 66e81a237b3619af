package main

import (
	"context"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"localcloud/cloud/client"
)

// firewallTime bounds each question to the machine's firewall.
const firewallTime = 3 * time.Second

// output runs a program of the system and returns what it prints; false: it is not there, or may not be asked.
type output func(ctx context.Context, program string, args ...string) (string, bool)

func ofSystem(ctx context.Context, program string, args ...string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, firewallTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).Output()
	return string(out), err == nil
}

// findFirewall says what is known of this machine's firewall, and how the ports are opened in it.
func findFirewall(ctx context.Context, system string, ask output) client.Finding {
	switch system {
	case "windows":
		return client.Finding{
			What: "Windows asks once whether localcloud may be reached from the network; who said no there, or was not asked as a service, has closed the ports.",
			Next: `As administrator: netsh advfirewall firewall add rule name=localcloud dir=in action=allow program="C:\path\to\localcloud.exe"`,
		}
	case "darwin":
		return client.Finding{
			What: "If the firewall of macOS is on, it asks once whether localcloud may accept connections.",
			Next: "System Settings > Network > Firewall > Options: let localcloud accept incoming connections",
		}
	case "linux":
		return findLinuxFirewall(ctx, ask)
	}
	return client.Finding{What: "If this machine has a firewall, it has to let in TCP 5683, UDP 5684 and TCP 8080."}
}

func findLinuxFirewall(ctx context.Context, ask output) client.Finding {
	const ufw = "sudo ufw allow 5683/tcp; sudo ufw allow 5684/udp; sudo ufw allow 8080/tcp"
	const firewalld = "sudo firewall-cmd --permanent --add-port=5683/tcp --add-port=5684/udp --add-port=8080/tcp; sudo firewall-cmd --reload"
	if state, ok := ask(ctx, "firewall-cmd", "--state"); ok && strings.TrimSpace(state) == "running" {
		ports, _ := ask(ctx, "firewall-cmd", "--list-ports")
		if missing := missingPorts(ports); len(missing) > 0 {
			return client.Finding{What: "The firewall of this machine (firewalld) is on and does not let in " + strings.Join(missing, ", ") + ".", Next: firewalld}
		}
		return client.Finding{What: "The firewall of this machine (firewalld) is on and lets the boards' ports in."}
	}
	if state, ok := ask(ctx, "systemctl", "is-active", "ufw"); ok && strings.TrimSpace(state) == "active" {
		return client.Finding{What: "This machine has the firewall ufw; which ports it lets in only root may ask: sudo ufw status.", Next: ufw}
	}
	if rules, ok := ask(ctx, "nft", "list", "ruleset"); ok {
		return ofRules("nftables", rules, nftCloses, "sudo nft list ruleset; let in tcp dport { 5683, 8080 } and udp dport 5684")
	}
	if rules, ok := ask(ctx, "iptables", "-S", "INPUT"); ok {
		return ofRules("iptables", rules, iptablesCloses,
			"sudo iptables -I INPUT -p tcp -m multiport --dports 5683,8080 -j ACCEPT; sudo iptables -I INPUT -p udp --dport 5684 -j ACCEPT")
	}
	return client.Finding{
		What: "Whether this machine has a firewall, this user may not ask.",
		Next: "As root, whichever of them is there: ufw status; firewall-cmd --list-all; nft list ruleset; iptables -S. Boards need TCP 5683 and UDP 5684, apps TCP 8080",
	}
}

// missingPorts are those of our ports that are not in a list as firewalld prints it.
func missingPorts(list string) (missing []string) {
	for _, port := range []string{"5683/tcp", "5684/udp", "8080/tcp"} {
		found := false
		for have := range strings.FieldsSeq(list) {
			found = found || have == port
		}
		if !found {
			missing = append(missing, port)
		}
	}
	return missing
}

// What of the rules drops what no other lets in to this machine. Chains for what only passes through drop, too, where there
// are containers, and say nothing of it.
var (
	nftCloses      = regexp.MustCompile(`hook input [^\n}]*policy drop`)
	iptablesCloses = regexp.MustCompile(`(?m)^-P INPUT DROP`)
)

// ofRules judges rules that could be read: closed is what they hold when all that no rule names is dropped.
func ofRules(name, rules string, closed *regexp.Regexp, next string) client.Finding {
	switch {
	case !closed.MatchString(rules):
		return client.Finding{What: "The firewall of this machine (" + name + ") drops nothing by default."}
	case strings.Contains(rules, "5683") && strings.Contains(rules, "5684"):
		return client.Finding{What: "The firewall of this machine (" + name + ") is on, and has rules for the boards' ports."}
	}
	return client.Finding{What: "The firewall of this machine (" + name + ") drops what no rule lets in, and none names the boards' ports.", Next: next}
}

// withFirewall adds what is known of the firewall of the machine that the cloud runs on, which only a command on it can know.
func withFirewall(ctx context.Context, conn *connection, r client.CloudReport) client.CloudReport {
	if conn.running && !conn.local || r.Online > 0 {
		return r
	}
	r.Findings = append(r.Findings, findFirewall(ctx, runtime.GOOS, ofSystem))
	return r
}
