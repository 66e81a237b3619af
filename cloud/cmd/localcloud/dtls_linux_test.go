package main_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/coap"
	"localcloud/keys"
)

// udpCloud is a cloud as its users start it, and where it serves UDP.
type udpCloud struct {
	program, data, http, udp string
}

func startUDPCloud(t *testing.T) udpCloud {
	t.Helper()
	c := udpCloud{program: buildProgram(t), data: t.TempDir()}
	p := start(t, exec.Command(c.program, append([]string{"serve", "--data", c.data}, anyPort...)...))
	var ready struct{ HTTP, UDP string }
	p.next(t, &ready)
	if ready.UDP == "" {
		t.Fatal("serve names no address for UDP")
	}
	c.http, c.udp = ready.HTTP, ready.UDP
	return c
}

// ecKey makes a device's key, and files with it as OpenSSL writes them: the private half, the public half, both.
func ecKey(t *testing.T) (public keys.PublicKey, privateFile, publicFile, bothFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = keys.NewECDSAPublicKey(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return public, write("private.pem", private), write("public.pem", public.PEM()),
		write("both.pem", append(public.PEM(), private...))
}

// GnuTLS, which has nothing in common with us or with devices, shakes hands by raw public keys with a cloud that was just started.
func TestGnuTLSShakesHandsWithRawPublicKeys(t *testing.T) {
	t.Parallel()
	c := startUDPCloud(t)
	_, private, public, _ := ecKey(t)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, port, _ := net.SplitHostPort(c.udp)
	cmd := exec.CommandContext(ctx, "gnutls-cli", "--udp", "-p", port, "127.0.0.1", "--no-ca-verification",
		"--rawpkkeyfile", private, "--rawpkfile", public,
		"--priority", "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+AES-128-CCM-8:-KX-ALL:+ECDHE-ECDSA:+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK:-CTYPE-X509")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said lockedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const complete = "Handshake was completed"
	for until := time.Now().Add(soon); !strings.Contains(said.String(), complete) && time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
	}
	stdin.Close()
	cmd.Wait()
	for _, want := range []string{complete, "(DTLS1.2-Raw Public Key)-(ECDHE-SECP256R1)-(ECDSA-SHA256)-(AES-128-CCM-8)"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("gnutls-cli does not say %q:\n%s", want, said.String())
		}
	}
}

// libcoap asks for the time, and is a device that says Hello. With a key that nobody registered it gets nothing.
func TestLibcoapTalksToTheCloud(t *testing.T) {
	t.Parallel()
	c := startUDPCloud(t)
	output(t, "a good password\n", c.program, "user", "add", "me", "--admin", "--password-stdin", "--data", c.data)
	_, _, _, stranger := ecKey(t)
	key, _, _, both := ecKey(t)
	const id = "e00fce680102030405060708"
	var token struct{ Token string }
	made := output(t, "", c.program, "token", "create", "--user", "me", "--data", c.data, "--json")
	if err := json.Unmarshal([]byte(made), &token); err != nil {
		t.Fatal(err)
	}
	api := &client.Client{BaseURL: "http://" + c.http, Token: cloud.Secret(token.Token)}
	device, err := keys.ParseDeviceID(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Provision(t.Context(), device, key); err != nil {
		t.Fatal(err)
	}

	if got := c.coap(t, both, "get", "t", nil); len(got) != 4 || time.Since(time.Unix(int64(binary.BigEndian.Uint32(got)), 0)).Abs() > time.Hour {
		t.Errorf("the time is %x", got)
	}
	if got := c.coap(t, stranger, "get", "t", nil); len(got) != 0 {
		t.Errorf("a stranger is told %x", got)
	}
	hello := coap.Hello{
		ProductID: 12, ProductVersion: 1, HasPlatform: true, PlatformID: 12, DeviceID: device[:],
		HasSystem: true, SystemVersion: 3302, MaxMessage: 1152, MaxBinary: 1, OTAChunk: 512,
	}
	c.coap(t, both, "post", "h", hello.Append(nil))
	shown := output(t, "", c.program, "device", "show", id, "--data", c.data, "--json")
	if !strings.Contains(shown, `"3.3.1"`) {
		t.Errorf("after its Hello the device is %s", shown)
	}
}

// coap asks one question with libcoap's client and returns the payload of the answer.
func (c udpCloud) coap(t *testing.T, key, method, path string, payload []byte) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "answer")
	args := []string{"-B", "5", "-m", method, "-M", key, "-o", out}
	if payload != nil {
		in := filepath.Join(t.TempDir(), "payload")
		if err := os.WriteFile(in, payload, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-f", in)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	cmd := exec.CommandContext(ctx, "coap-client-gnutls", append(args, "coaps://"+c.udp+"/"+path)...)
	said, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		t.Fatalf("coap-client-gnutls: %v\n%s", err, said)
	}
	answer, err := os.ReadFile(out)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return answer
}
