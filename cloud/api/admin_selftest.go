package api

import "time"

// SelfTest measures for some seconds what this machine can do, with devices and viewers made of software in a cloud
// of their own: nothing of it reaches devices, viewers, webhooks or the log of this one. The program implements it.
// Its methods may be called from any goroutine.
type SelfTest interface {
	// State returns how far the test is, and what the last one found.
	State() SelfTestState
	// Start begins a test and returns at once. While one runs it does nothing.
	Start() error
	// Stop ends the one that runs, if any, and waits until it has.
	Stop()
}

// SelfTestState is how far a test is.
type SelfTestState struct {
	Running  bool            `json:"running"`
	Step     string          `json:"step"`     // "connect", "events" or "disk"; empty: none runs
	Progress float64         `json:"progress"` // 0 to 1
	Problem  string          `json:"problem"`  // why the last one did not come to its end; empty: it did
	Result   *SelfTestResult `json:"result"`   // of the last one; null: there was none
}

// SelfTestResult is what a test found. The load comes from the same machine, so that
// it can do more than that for boards that are elsewhere.
type SelfTestResult struct {
	At         time.Time `json:"at"`
	Devices    int       `json:"devices"`    // that took part
	Viewers    int       `json:"viewers"`    // each of which received every event
	Connects   float64   `json:"connects"`   // devices a second that came online, handshake and all, over TCP
	Events     float64   `json:"events"`     // a second, taken from devices and given to all viewers
	DelayMS    float64   `json:"delay_ms"`   // from device to viewer at that load, of half of the events
	Delay99MS  float64   `json:"delay99_ms"` // of all but one in a hundred
	Lost       uint64    `json:"lost"`       // copies that viewers did not take
	DiskSyncMS float64   `json:"disk_ms"`    // to write 4 kB to the disk of the data directory for certain
}

// errNoSelfTest is the answer of a server that cannot test itself.
var errNoSelfTest = plain(501, "This cloud cannot test itself. On its machine: localcloud bench")

func (s *Server) showSelfTest(*request) (any, error) {
	if s.SelfTest == nil {
		return nil, errNoSelfTest
	}
	return s.SelfTest.State(), nil
}

func (s *Server) startSelfTest(q *request) (any, error) {
	if s.SelfTest != nil {
		if err := s.SelfTest.Start(); err != nil {
			return nil, err
		}
	}
	return s.showSelfTest(q)
}

func (s *Server) stopSelfTest(q *request) (any, error) {
	if s.SelfTest != nil {
		s.SelfTest.Stop()
	}
	return s.showSelfTest(q)
}
