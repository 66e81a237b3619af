package store

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"localcloud/cloud"
	"localcloud/keys"
)

// parkedName is the file with the states of links while the store is closed.
const parkedName = "links.json"

// parked keeps the states of links where events are not synced, and nothing shall be written for each message: they are handed
// over when the cloud stops, and lie in a file until it starts again. The registry holds the mark of that file, and takes it
// away when the store is opened, synced and before anything can be sent: so a file counts once, and one that was
// left over, brought back or copied counts for nothing. After a crash there is none, and each device shakes hands once.
type parked struct {
	mu     sync.Mutex
	stored []cloud.LinkState // as the file had them
	states map[keys.DeviceID]cloud.LinkState
}

// parkedFile is the file's content.
type parkedFile struct {
	Mark  string            `json:"mark"`
	Links []cloud.LinkState `json:"links"`
}

// openParked takes in the file in a data directory, if it has that mark, and removes it. What is wrong with it costs devices a
// handshake and is no error.
func openParked(dir, mark string) (*parked, error) {
	p := &parked{states: make(map[keys.DeviceID]cloud.LinkState)}
	path := filepath.Join(dir, parkedName)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return p, nil
	}
	if removed := os.Remove(path); removed != nil {
		return p, removed
	}
	if err != nil {
		return p, err
	}
	var file parkedFile
	if err := json.Unmarshal(text, &file); err != nil {
		return p, fmt.Errorf("%s: %w", parkedName, err)
	}
	if mark == "" || file.Mark != mark {
		return p, fmt.Errorf("%s was not left here when the cloud stopped", parkedName)
	}
	p.stored = file.Links
	return p, nil
}

// keep notes a state.
func (p *parked) keep(state cloud.LinkState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states[state.Device] = state
}

func (p *parked) forget(id keys.DeviceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.states, id)
}

// each yields the states that the file had, once.
func (p *parked) each(yield func(cloud.LinkState) bool) {
	p.mu.Lock()
	stored := p.stored
	p.stored = nil
	p.mu.Unlock()
	for _, state := range stored {
		if !yield(state) {
			return
		}
	}
}

// write leaves the file behind, and returns its mark; "" when there is nothing to leave.
func (p *parked) write(dir string) (mark string, err error) {
	p.mu.Lock()
	file := parkedFile{Mark: rand.Text()}
	for _, state := range p.states {
		file.Links = append(file.Links, state)
	}
	p.mu.Unlock()
	if len(file.Links) == 0 {
		return "", nil
	}
	text, err := json.Marshal(file)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(dir, parkedName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return file.Mark, err
}
