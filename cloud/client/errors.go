package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"localcloud/cloud"
)

// kindOf is what a status stands for: the reverse of the API's one error map.
func kindOf(status int) cloud.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return cloud.Invalid
	case http.StatusUnauthorized:
		return cloud.Unauthentic
	case http.StatusForbidden:
		return cloud.Permission
	case http.StatusNotFound:
		return cloud.NotExist
	case http.StatusRequestTimeout:
		return cloud.Timeout
	case http.StatusConflict:
		return cloud.Exist
	case http.StatusTooManyRequests:
		return cloud.Limited
	case http.StatusInsufficientStorage:
		return cloud.NoSpace
	case http.StatusBadGateway:
		return cloud.Refused
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return cloud.Unsupported
	}
	return cloud.Other
}

// refusal reads an answer that is not 2xx.
func refusal(op string, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
	text, hint := errorText(body)
	if text == "" {
		text = fmt.Sprintf("%s answered %s", resp.Request.URL.Host, resp.Status)
	}
	kind := kindOf(resp.StatusCode)
	if hint != "" {
		text += " (" + hint + ")"
		if kind == cloud.Timeout { // the API hints only when the device is not there at all
			kind = cloud.Offline
		}
	}
	return cloud.E(op, kind, errors.New(text))
}

// errorText finds the words for people in the shapes that errors of the
// Particle API have (http-api.md, 2.5); "" when there are none.
func errorText(body []byte) (text, hint string) {
	var e struct {
		Error       string   `json:"error"`
		Description string   `json:"error_description"`
		Errors      []string `json:"errors"`
		Info        string   `json:"info"`
	}
	if json.Unmarshal(body, &e) != nil {
		return "", ""
	}
	text = cmp.Or(e.Description, e.Error, strings.Join(e.Errors, "; "))
	return strings.TrimSuffix(text, "."), strings.TrimSuffix(e.Info, ".")
}
