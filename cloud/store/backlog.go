package store

import (
	"errors"
	"io/fs"
	"os"
)

// Backlog is a file that carries what could not be done any more when the cloud
// stopped over to its next start. What is in it is its user's business.
type Backlog string // its path

// Save writes the file, whole or not at all; nothing removes it.
func (b Backlog) Save(text []byte) error {
	if len(text) > 0 {
		return writeFile(string(b), text)
	}
	if err := os.Remove(string(b)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Load returns what the file holds, nothing when there is none.
func (b Backlog) Load() ([]byte, error) {
	text, err := os.ReadFile(string(b))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
