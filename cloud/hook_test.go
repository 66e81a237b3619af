package cloud

import (
	"net/netip"
	"testing"
)

func TestHookTargetsAreAddressesWithAndWithoutPorts(t *testing.T) {
	tests := []struct {
		text, printed string
		in, out       string // addresses that it contains, and does not
	}{
		{"127.0.0.1", "127.0.0.1", "127.0.0.1:80", "127.0.0.2:80"},
		{"127.0.0.1:1880", "127.0.0.1:1880", "127.0.0.1:1880", "127.0.0.1:1881"},
		{"localhost", "127.0.0.1", "127.0.0.1:9", "[::1]:9"},
		{"localhost:80", "127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:81"},
		{"::1", "::1", "[::1]:80", "127.0.0.1:80"},
		{"[::1]", "::1", "[::1]:80", "[::2]:80"},
		{"[::1]:80", "[::1]:80", "[::1]:80", "[::1]:81"},
		{"127.0.0.0/8", "127.0.0.0/8", "127.9.9.9:80", "128.0.0.1:80"},
		{"127.1.2.3/8", "127.0.0.0/8", "127.9.9.9:80", "126.0.0.1:80"},
		{"::ffff:127.0.0.1", "127.0.0.1", "[::ffff:127.0.0.1]:80", "127.0.0.2:80"},
		{"fe80::/10", "fe80::/10", "[fe80::1%eth0]:80", "[fd00::1]:80"},
	}
	for _, tt := range tests {
		target, err := ParseHookTarget(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := target.String(); got != tt.printed {
			t.Errorf("%s prints as %s, want %s", tt.text, got, tt.printed)
		}
		if !target.Contains(netip.MustParseAddrPort(tt.in)) {
			t.Errorf("%s does not contain %s", tt.text, tt.in)
		}
		if target.Contains(netip.MustParseAddrPort(tt.out)) {
			t.Errorf("%s contains %s", tt.text, tt.out)
		}
		var again HookTarget
		if err := again.UnmarshalText([]byte(target.String())); err != nil || again != target {
			t.Errorf("%s is read again as %v, %v", target, again, err)
		}
	}
	for _, bad := range []string{"", "example.com", "127.0.0.1:http", "127.0.0.1:99999", "http://127.0.0.1", "127.0.0.1/99", "localhosts", "::ffff:1.2.3.4/120"} {
		if target, err := ParseHookTarget(bad); err == nil || KindOf(err) != Invalid {
			t.Errorf("%q is taken for %v, %v", bad, target, err)
		}
	}
}
