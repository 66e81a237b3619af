package main

import (
	"encoding/json"
	"net/http"
	"testing"
)

// Only the console's own paths are its: whoever asks for another one gets the API's answer.
func TestConsoleStandsBesideTheAPI(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	following := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, test := range []struct {
		path   string
		status []int // the console may not be built
		json   bool
	}{
		{"/", []int{http.StatusFound}, false},
		{"/console/", []int{http.StatusOK, http.StatusServiceUnavailable}, false},
		{"/console/devices", []int{http.StatusOK, http.StatusServiceUnavailable}, false},
		{"/devices", []int{http.StatusNotFound}, true},
		{"/v1/devices", []int{http.StatusBadRequest}, true},
	} {
		r, err := following.Get("http://" + s.HTTP + test.path)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		isJSON := json.NewDecoder(r.Body).Decode(&object) == nil
		r.Body.Close()
		known := false
		for _, status := range test.status {
			known = known || r.StatusCode == status
		}
		if !known || isJSON != test.json {
			t.Errorf("%s: status %d, JSON %v", test.path, r.StatusCode, isJSON)
		}
		if !test.json && r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may be read by pages of any origin", test.path)
		}
	}
}
