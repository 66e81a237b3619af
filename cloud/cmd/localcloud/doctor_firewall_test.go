package main

import (
	"context"
	"strings"
	"testing"
)

func TestTheDoctorLooksAtTheFirewall(t *testing.T) {
	tests := []struct {
		name, system string
		says         map[string]string // by the beginning of a command line
		what, next   string
	}{
		{"firewalld without our ports", "linux", map[string]string{"firewall-cmd --state": "running\n", "firewall-cmd --list-ports": "22/tcp 8080/tcp\n"},
			"does not let in 5683/tcp, 5684/udp.", "--add-port=5684/udp"},
		{"firewalld with them", "linux", map[string]string{"firewall-cmd --state": "running\n", "firewall-cmd --list-ports": "5684/udp 5683/tcp 8080/tcp"}, "lets the boards' ports in", ""},
		{"ufw", "linux", map[string]string{"systemctl is-active ufw": "active\n"}, "ufw", "sudo ufw allow 5684/udp"},
		{"nftables that drop", "linux", map[string]string{"nft list": "chain input { type filter hook input priority 0; policy drop; tcp dport 22 accept }"},
			"none names the boards' ports", "udp dport 5684"},
		{"nftables that let in", "linux", map[string]string{"nft list": "type filter hook input priority filter; policy drop; tcp dport { 5683, 8080 } accept; udp dport 5684 accept"}, "has rules for the boards' ports", ""},
		{"nftables of a machine with containers", "linux", map[string]string{"nft list": "chain INPUT {\n\ttype filter hook input priority filter; policy accept;\n}\n" +
			"chain FORWARD {\n\ttype filter hook forward priority filter; policy drop;\n}\n"}, "drops nothing by default", ""},
		{"iptables that drop nothing", "linux", map[string]string{"iptables -S": "-P INPUT ACCEPT\n"}, "drops nothing by default", ""},
		{"iptables that drop", "linux", map[string]string{"iptables -S": "-P INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n"}, "iptables", "--dport 5684 -j ACCEPT"},
		{"nothing may be asked", "linux", nil, "may not ask", "nft list ruleset"},
		{"Windows", "windows", nil, "Windows asks once", "netsh advfirewall"},
		{"macOS", "darwin", nil, "macOS", "incoming connections"},
	}
	for _, tt := range tests {
		f := findFirewall(t.Context(), tt.system, func(_ context.Context, program string, args ...string) (string, bool) {
			for begins, text := range tt.says {
				if strings.HasPrefix(program+" "+strings.Join(args, " "), begins) {
					return text, true
				}
			}
			return "", false
		})
		if !strings.Contains(f.What, tt.what) || !strings.Contains(f.Next, tt.next) || (f.Next == "") != (tt.next == "") {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}
