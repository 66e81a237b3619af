package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"localcloud/keys"
)

// trusting returns a client that reaches address by any name and trusts one authority.
func trusting(t *testing.T, ca []byte, address string) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("no certificate: %s", ca)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, url, token string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return resp, string(body)
}

func TestHTTPSWithTheCloudsOwnAuthority(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	token := ownCloud().token
	s := serve(t, data, "--https", "127.0.0.1:0")
	if s.HTTPS == "" || s.HTTPS == s.HTTP {
		t.Fatalf("the ready line has https %q", s.HTTPS)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if out := command(t, "https", "ca", "--out", file, "--data", data); !strings.Contains(out, "localcloud ") || !strings.Contains(out, "SHA-256") {
		t.Errorf("https ca prints %s", out)
	}
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out := command(t, "https", "ca", "--data", data); out != string(ca) {
		t.Errorf("another authority on standard output: %s", out)
	}
	if resp, body := get(t, http.DefaultClient, s.url+"/v1/localcloud/ca?format=pem", ""); body != string(ca) || resp.StatusCode != 200 {
		t.Errorf("the download is %s %s", resp.Status, body)
	}
	resp, der := get(t, http.DefaultClient, s.url+"/v1/localcloud/ca", "")
	block, _ := pem.Decode(ca)
	if der != string(block.Bytes) || resp.Header.Get("Content-Type") != "application/x-x509-ca-cert" || !strings.Contains(resp.Header.Get("Content-Disposition"), ".crt") {
		t.Errorf("the download to open is %v", resp.Header)
	}

	client := trusting(t, ca, s.HTTPS)
	for _, host := range []string{"api.particle.io", "localhost", s.HTTPS} {
		if resp, body := get(t, client, "https://"+host+"/v1/user", token); resp.StatusCode != 200 || !strings.Contains(body, `"ann"`) || resp.ProtoMajor != 1 {
			t.Errorf("as %s: %s %s %s", host, resp.Proto, resp.Status, body)
		}
	}
	if _, body := get(t, client, "https://api.particle.io/v1/devices/nope", token); !strings.Contains(body, "https://api.particle.io/v1/devices") {
		t.Errorf("it does not know that it speaks HTTPS: %s", body)
	}
	if _, err := client.Get("https://cloud.example/v1/user"); err == nil || !strings.Contains(err.Error(), "not cloud.example") {
		t.Errorf("by a name that is not its own: %v", err)
	}
	if _, err := http.Get("https://" + s.HTTPS + "/"); err == nil {
		t.Error("who does not know the authority trusts it")
	}
	if resp, _ := get(t, http.DefaultClient, s.url+"/v1/user", token); resp.StatusCode != 200 {
		t.Errorf("plain HTTP is gone: %s", resp.Status)
	}
	status := into[struct{ Addresses struct{ HTTPS []string } }](t, "status", "--data", data)
	if len(status.Addresses.HTTPS) != 1 || status.Addresses.HTTPS[0] != s.HTTPS {
		t.Errorf("status has %v", status)
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.particle.io/v1/devices/events?access_token="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
	again := serve(t, data, "--https", "127.0.0.1:0")
	if resp, _ := get(t, trusting(t, ca, again.HTTPS), "https://api.particle.io/v1/user", token); resp.StatusCode != 200 {
		t.Errorf("after a restart: %s", resp.Status)
	}
}

func TestCertificateFollowsNamesAndFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority, _, err := keys.OpenAuthority(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(host string, at time.Time) {
		issued, err := authority.Issue([]string{host}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(issued.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string][]byte{
			cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Certificate[0]}),
			key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		} {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	clock := time.Now()
	write("one.example", clock.Add(-time.Hour))
	c := &certificates{now: time.Now, load: fromFiles(cert, key)}
	name := func() string {
		c.checked = time.Time{} // some time has gone by
		pair, err := c.get()
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.DNSNames[0]
	}
	if got := name(); got != "one.example" {
		t.Errorf("it is for %s", got)
	}
	write("two.example", clock)
	if got := name(); got != "two.example" {
		t.Errorf("after a renewal it is for %s", got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "two.example" {
		t.Errorf("with a file missing it is for %s", got)
	}

	p, err := openParts(t.TempDir(), partsConfig{logger: quietLogger()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	load := fromAuthority(authority, p.hosts)
	first, err := load(clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := load(clock.Add(time.Hour), first); same != first {
		t.Error("it is made anew without need")
	}
	if next, _ := load(clock.Add(390*24*time.Hour), first); next == first {
		t.Error("it is kept beyond its end")
	}
}

func TestHTTPSThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	missing := filepath.Join(data, "missing.pem")
	serve := []string{"serve", "--data", data, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"}
	refused(t, 1, []string{"--https :8443"}, append(serve, "--cert", missing, "--key", missing)...)
	refused(t, 1, []string{"belong together"}, append(serve, "--https", "127.0.0.1:0", "--cert", missing)...)
	refused(t, 1, []string{"certificate for HTTPS", "missing.pem"}, append(serve, "--https", "127.0.0.1:0", "--cert", missing, "--key", missing)...)
}
