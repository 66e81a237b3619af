package cloud_test

import (
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/cloud/store"
)

func TestHostsKnowThisMachineAndWhatTheOwnerAdded(t *testing.T) {
	st := store.OpenMemory(store.Options{})
	defer st.Close()
	own := []string{"192.168.1.5", "fe80::1%eth0", "Pi.Lan"}
	hosts := cloud.NewHosts(st.Registry(), func() []string { return own })
	if _, err := st.Registry().UpdateSettings(func(s *cloud.Settings) error { s.Hosts = []string{"cloud.example"}; return nil }); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8080": true, "LOCALHOST.": true, "192.168.1.5:8080": true, "[fe80::1]:8080": true, "[fe80::1]": true,
		"pi.lan:80": true, "cloud.example": true, "Cloud.Example:9": true, "api.particle.io": true, "[::ffff:192.168.1.5]:1": true,
		"": false, ":8080": false, "evil.example": false, "192.168.1.6": false, "localhost.evil.example": false, "cloud.example.evil": false,
		"evil.example#localhost": false, "localhost@evil.example": false, "xlocalhost": false, "127.0.0.1": false, "0": false,
	} {
		if got := hosts.Knows(host); got != want {
			t.Errorf("host %q is known: %v, want %v", host, got, want)
		}
		if err := hosts.CheckHost(host); (err == nil) != want || (err != nil && cloud.KindOf(err) != cloud.Permission) {
			t.Errorf("host %q: %v", host, err)
		}
	}
	own = append(own, "127.0.0.1")
	if !hosts.Knows("127.0.0.1:8080") {
		t.Error("an address that came later is not known")
	}
	if err := hosts.CheckHost("evil.example:80"); err == nil || !strings.Contains(err.Error(), `"evil.example"`) || !strings.Contains(err.Error(), "localcloud host add evil.example") {
		t.Errorf("the refusal is %v", err)
	}
	if got := hosts.Own(); !slices.Equal(got, []string{"localhost", "192.168.1.5", "fe80::1", "pi.lan", "127.0.0.1"}) {
		t.Errorf("own are %v", got)
	}
}

func TestCheckOrigin(t *testing.T) {
	for _, c := range []struct {
		host, origin, site string
		want               bool
	}{
		{"pi:8080", "", "", true},
		{"pi:8080", "http://pi:8080", "", true},
		{"pi:8080", "http://PI:8080", "same-origin", true},
		{"pi:8080", "", "none", true},
		{"pi", "http://pi", "", true},
		{"pi", "https://pi", "", true}, // behind a proxy that speaks HTTPS
		{"pi:443", "https://pi", "", true},
		{"[fe80::1]:8080", "http://[fe80::1]:8080", "", true},
		{"pi:8080", "http://pi:8081", "", false},
		{"pi:8080", "http://pi", "", false},
		{"pi:8080", "https://pi", "", false},
		{"pi:8080", "http://evil.example", "", false},
		{"pi:8080", "http://pi:8080.evil.example", "", false},
		{"pi:8080", "null", "", false},
		{"pi:8080", "file://", "", false},
		{"pi:8080", "%", "", false},
		{"pi:8080", "", "same-site", false},
		{"pi:8080", "http://pi:8080", "cross-site", false},
	} {
		if err := cloud.CheckOrigin(c.host, c.origin, c.site); (err == nil) != c.want {
			t.Errorf("host %q, origin %q, site %q: %v, want allowed %v", c.host, c.origin, c.site, err, c.want)
		}
	}
}

func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"cloud.example": "cloud.example", "Cloud.Example:8080": "cloud.example", "192.168.1.5": "192.168.1.5", "[fe80::1%eth0]:80": "fe80::1", "a_b": "a_b",
		"": "", "http://cloud.example": "", "cloud.example/": "", "a b": "", "*": "", "ä": "", strings.Repeat("a", 254): "", "\n": "",
	} {
		got, err := cloud.ParseHost(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestSetupCodeForgivesHowItIsTyped(t *testing.T) {
	code := cloud.SetupCode("0123-4567-89AB")
	for typed, want := range map[string]bool{
		"0123-4567-89AB": true, "0123456789ab": true, " o i23 4567-89AB ": true, "oL23456789aB": true,
		"": false, "0123-4567-89AC": false, "0123-4567-89A": false, "0123-4567-89ABC": false,
	} {
		if code.Matches(typed) != want {
			t.Errorf("%q matches: %v", typed, !want)
		}
	}
	if cloud.SetupCode("").Matches("") {
		t.Error("no code matches nothing")
	}
	a, b := cloud.NewSetupCode(), cloud.NewSetupCode()
	if a == b || len(a) != 14 || !a.Matches(strings.ToLower(string(a))) || strings.Count(string(a), "-") != 2 {
		t.Errorf("codes are %s and %s", a, b)
	}
}
