package main

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// virtualPhoton is a Photon made of software inside a cloud that runs, which its
// owner turns on in the console to try things without hardware. It connects over TCP as any
// board does, and is registered as one. It implements api.Trial.
type virtualPhoton struct {
	server *server // its parts and socket are there before anybody can ask

	changing sync.Mutex // held while it is turned on or off

	mu    sync.Mutex
	state photonState
	stop  func() // ends it and waits; nil: it is off
}

// photonState is DATA/virtual-photon.json. Mode 0600.
type photonState struct {
	Device  keys.DeviceID `json:"device"`
	Key     string        `json:"key"`     // PEM
	Running bool          `json:"running"` // on again with the next start of the cloud
}

const photonName = "virtual-photon"

func (p *virtualPhoton) path() string { return filepath.Join(p.server.dir, photonName+".json") }

// resume turns it on when it was on as the cloud ended.
func (p *virtualPhoton) resume() error {
	text, err := os.ReadFile(p.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var state photonState
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; remove it to begin with another virtual Photon", p.path(), err)
	}
	p.mu.Lock()
	p.state = state
	p.mu.Unlock()
	if !state.Running {
		return nil
	}
	return p.Start("")
}

// State implements api.Trial.
func (p *virtualPhoton) State() (id keys.DeviceID, running bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Device, p.stop != nil
}

// Start implements api.Trial. Without an owner it stays whose it is.
func (p *virtualPhoton) Start(owner cloud.UserID) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	state, on := p.state, p.stop != nil
	p.mu.Unlock()
	if on {
		return nil
	}
	key, err := p.keyOf(&state)
	if err != nil {
		return err
	}
	if err := p.register(state.Device, key, owner); err != nil {
		return err
	}
	device, err := newPhoton(virtual.Config{
		ID: state.Device, Key: key, ServerKey: &p.server.parts.keyring.Identity().TCP.PublicKey, Reconnect: true,
		Dial: dialTCP(onLoopback(p.server.tcpSocket.Addr())),
	})
	if err != nil {
		return err
	}
	state.Running = true
	if err := p.write(state); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { device.Run(ctx) })
	running.Go(func() { publishTemperature(ctx, device, time.Now()) })
	p.mu.Lock()
	p.state, p.stop = state, func() { cancel(); running.Wait() }
	p.mu.Unlock()
	return nil
}

// Stop implements api.Trial.
func (p *virtualPhoton) Stop() error {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.end()
	p.mu.Lock()
	p.state.Running = false
	state := p.state
	p.mu.Unlock()
	if state.Device.IsZero() {
		return nil
	}
	return p.write(state)
}

// end turns it off; the file still says that it was on.
func (p *virtualPhoton) end() {
	p.mu.Lock()
	stop := p.stop
	p.stop = nil
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// keyOf returns its key. The first time it makes one, and an id.
func (p *virtualPhoton) keyOf(state *photonState) (*rsa.PrivateKey, error) {
	if state.Key == "" {
		key, err := keys.GenerateDeviceRSA()
		if err != nil {
			return nil, err
		}
		text, err := keys.MarshalDevicePrivateKeyPEM(key)
		state.Device, state.Key = randomID(), string(text)
		return key, err
	}
	signer, err := keys.ParseDevicePrivateKey([]byte(state.Key))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.path(), err)
	}
	key, ok := signer.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: it holds no RSA key", p.path())
	}
	return key, nil
}

// register makes it a device of the cloud.
func (p *virtualPhoton) register(id keys.DeviceID, key *rsa.PrivateKey, owner cloud.UserID) error {
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	registry := p.server.parts.store.Registry()
	name := photonName
	if cloud.NameTaken(registry, owner, name, id) {
		name += "-" + id.String()[:4]
	}
	d, err := registry.UpdateDevice(id, func(d *cloud.Device, _ bool) error {
		d.Key = public
		d.Name = cmp.Or(d.Name, name)
		d.Owner = cmp.Or(owner, d.Owner)
		return nil
	})
	if err == nil {
		p.server.parts.hub.DeviceChanged(d)
	}
	return err
}

func (p *virtualPhoton) write(state photonState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return os.WriteFile(p.path(), append(text, '\n'), 0o600)
}

// newPhoton returns a virtual Photon with something to try: an LED, a
// temperature, and the functions of Particle's starter program, Tinker.
func newPhoton(config virtual.Config) (*virtual.Device, error) {
	device := virtual.New(config)
	began := time.Now()
	var pins tinker
	return device, errors.Join(
		device.Function("led", func(arg string) int32 { return pins.write("D7", arg == "on") }),
		device.Function("digitalwrite", func(arg string) int32 {
			pin, level, _ := strings.Cut(arg, ",")
			pins.write(pin, level == "HIGH")
			return 1
		}),
		device.Function("digitalread", func(pin string) int32 { return pins.read(pin) }),
		device.Function("analogwrite", func(string) int32 { return 1 }),
		device.Function("analogread", func(string) int32 { return int32(temperature(began) * 100) }),
		device.Variable("temperature", coap.Double, func() any { return temperature(began) }),
		device.Variable("led", coap.Bool, func() any { return pins.read("D7") == 1 }),
	)
}

// tinker holds the levels of eight pins.
type tinker struct{ levels [8]atomic.Bool }

// pin returns the level of "D0" to "D7", nil for another pin.
func (t *tinker) pin(name string) *atomic.Bool {
	if len(name) != 2 || name[0] != 'D' || name[1] < '0' || name[1] > '7' {
		return nil
	}
	return &t.levels[name[1]-'0']
}

// write sets a pin and returns its level.
func (t *tinker) write(name string, high bool) int32 {
	if p := t.pin(name); p != nil {
		p.Store(high)
	}
	return t.read(name)
}

func (t *tinker) read(name string) int32 {
	if p := t.pin(name); p != nil && p.Load() {
		return 1
	}
	return 0
}
