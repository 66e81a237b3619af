package keys

import "time"

// Given is what a board was last given by us: where it looks for its cloud, and by which key it knows it.
type Given struct {
	ID        DeviceID    `json:"id"`
	Platform  string      `json:"platform"`
	Transport Transport   `json:"transport"`
	Host      string      `json:"host"`
	Port      uint16      `json:"port"`
	ServerKey Fingerprint `json:"server_key"`
	At        time.Time   `json:"at"`

	// Writing is the name of the backup that was made before writing began; empty once it has ended well or was
	// undone. When it is not, the board may hold half of something.
	Writing string `json:"writing,omitempty"`
}
