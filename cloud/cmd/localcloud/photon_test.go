package main

import (
	"encoding/json"
	"net/http"
	"testing"
)

// The board that the console offers is there again after a restart, and only as long as nobody turned it off.
func TestPhotonOfTheConsoleLivesThroughARestart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()

	first := serve(t, data)
	addUser(t, data, "ann")
	on := askServer(t, first, "POST", "/v1/localcloud/virtual")
	if on["running"] != true {
		t.Fatalf("turned on, its state is %v", on)
	}
	id := on["device"].(string)
	online := func(s *serving) func() bool {
		return func() bool { return askServer(t, s, "GET", "/v1/devices/"+id)["online"] == true }
	}
	eventually(t, "the virtual Photon is online", online(first))
	if answer := askServer(t, first, "POST", "/v1/devices/"+id+"/digitalwrite?args=D7,HIGH"); answer["return_value"] != 1.0 {
		t.Errorf("digitalwrite answers %v", answer)
	}
	if answer := askServer(t, first, "GET", "/v1/devices/"+id+"/led"); answer["result"] != true {
		t.Errorf("the LED is %v", answer)
	}
	if answer := askServer(t, first, "GET", "/v1/devices/"+id); answer["name"] != photonName || answer["owner"] != "ann" {
		t.Errorf("it is %v of %v", answer["name"], answer["owner"])
	}
	first.stop()

	second := serve(t, data)
	eventually(t, "it is online again", online(second))
	if off := askServer(t, second, "DELETE", "/v1/localcloud/virtual"); off["running"] != false || off["device"] != id {
		t.Errorf("turned off, its state is %v", off)
	}
	second.stop()

	third := serve(t, data)
	if state := askServer(t, third, "GET", "/v1/localcloud/virtual"); state["running"] != false || state["device"] != id {
		t.Errorf("after a restart its state is %v", state)
	}
}

// askServer asks the API with the authority of this machine, and returns the object of its answer.
func askServer(t *testing.T, s *serving, method, path string) map[string]any {
	t.Helper()
	file, err := readControl(s.data)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+file.Secret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var object map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&object); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return object
}
