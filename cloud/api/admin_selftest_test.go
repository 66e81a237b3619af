package api

import "testing"

// tested is a SelfTest that only remembers.
type tested struct{ state SelfTestState }

func (t *tested) State() SelfTestState { return t.state }
func (t *tested) Start() error {
	t.state = SelfTestState{Running: true, Step: "events", Progress: 0.5}
	return nil
}
func (t *tested) Stop() { t.state = SelfTestState{Problem: "it was stopped"} }

func TestAdminsTestWhatTheMachineCanDo(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.SelfTest = &tested{} })
	w.do("GET /v1/localcloud/selftest", as(w.root)).is(200, `{"running":false,"step":"","progress":0,"problem":"","result":null}`)
	w.do("POST /v1/localcloud/selftest", as(w.alice)).has(403, `{"error":"unauthorized"}`)
	w.do("POST /v1/localcloud/selftest", as(w.root)).is(200, `{"running":true,"step":"events","progress":0.5,"problem":"","result":null}`)
	w.do("DELETE /v1/localcloud/selftest", as(w.root)).is(200, `{"running":false,"step":"","progress":0,"problem":"it was stopped","result":null}`)
}
