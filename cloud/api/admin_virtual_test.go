package api

import (
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

// switchedBoard is a Trial that only remembers.
type switchedBoard struct {
	id    keys.DeviceID
	on    bool
	owner cloud.UserID
}

func (b *switchedBoard) State() (keys.DeviceID, bool) { return b.id, b.on }
func (b *switchedBoard) Stop() error                  { b.on = false; return nil }
func (b *switchedBoard) Start(owner cloud.UserID) error {
	b.id, b.on, b.owner = keys.DeviceID{1}, true, owner
	return nil
}

func TestAdminsTurnTheBoardOfSoftwareOnAndOff(t *testing.T) {
	board := &switchedBoard{}
	w := newWorld(t, func(c *Config) { c.Trial = board })
	w.do("GET /v1/localcloud/virtual", as(control)).is(200, `{"running":false,"device":""}`)
	w.do("POST /v1/localcloud/virtual", as(control)).is(200, `{"running":true,"device":"010000000000000000000000"}`)
	w.do("DELETE /v1/localcloud/virtual", as(control)).is(200, `{"running":false,"device":"010000000000000000000000"}`)
	w.do("POST /v1/localcloud/virtual").has(400, `{"error":"invalid_request"}`)
}

func TestACloudWithoutABoardOfSoftwareSaysSo(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		w.do(method+" /v1/localcloud/virtual", as(control)).has(501, `{"ok":false}`)
	}
}
