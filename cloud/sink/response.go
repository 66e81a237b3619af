package sink

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"localcloud/cloud"
)

// Bounds of an answer.
const (
	maxResponse = 100 << 10 // bytes; what comes after is not read
	pieceSize   = 512       // bytes of one event (http-api.md, 5.2)
	maxTopic    = 256       // bytes of the name of an event that a hook publishes
)

// response is what a target answered, as far as we look at it.
type response struct {
	status      int
	contentType string
	body        []byte
	cut         bool // there was more
}

// readResponse reads a bounded body.
func readResponse(resp *http.Response) (response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	r := response{status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), body: body}
	if len(body) > maxResponse {
		r.body, r.cut = body[:maxResponse], true
	}
	return r, err
}

// answer makes the data of the hook-response from what came: the body, or what the template makes of it.
func (r *response) answer(h *cloud.Hook, values []any) ([]byte, error) {
	data := r.body
	if h.ResponseTemplate != nil {
		if r.cut {
			return nil, fmt.Errorf("the response is longer than %d bytes, so the template cannot be filled", maxResponse)
		}
		text, err := fillResponse(h.ResponseTemplate, append(values, decodeJSON(r.body)))
		if err != nil {
			return nil, err
		}
		data = []byte(text)
	}
	if h.DataURL {
		data = []byte("data:" + r.mediaType() + ";base64," + base64.StdEncoding.EncodeToString(data))
	}
	if h.Unchunked && len(data) > cloud.MaxEventData {
		return nil, fmt.Errorf("the response is longer than one event can be (%d bytes)", cloud.MaxEventData)
	}
	return data, nil
}

// fillResponse renders a template that is a text, or an object whose texts are templates.
func fillResponse(tmpl json.RawMessage, values []any) (string, error) {
	v, err := fillJSON(decodeJSON(tmpl), values)
	if text, ok := v.(string); ok || err != nil {
		return text, err
	}
	return string(encodeJSON(v)), nil
}

func (r *response) mediaType() string {
	kind, _, err := mime.ParseMediaType(r.contentType)
	if err != nil || kind == "" {
		return "application/octet-stream"
	}
	return kind
}

// pieces splits an answer into the data of events: all but the last have 512
// bytes, and there is always one.
func pieces(data []byte, whole bool) [][]byte {
	if whole || len(data) <= pieceSize {
		return [][]byte{data}
	}
	var list [][]byte
	for len(data) > pieceSize {
		list, data = append(list, data[:pieceSize]), data[pieceSize:]
	}
	return append(list, data)
}

// topic renders the name, without the number at its end, of an event that a hook publishes.
func topic(tmpl string, values []any) (string, error) {
	name, err := fill(tmpl, values)
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", fmt.Errorf("the template of the response topic gives nothing")
	case len(name) > maxTopic:
		return "", fmt.Errorf("the response topic is longer than %d bytes", maxTopic)
	case cloud.IsReserved(name), strings.EqualFold(name, cloud.EventDevicesRequest):
		return "", fmt.Errorf("the response topic %.64q belongs to the system", name)
	}
	return name, nil
}

// Templates of the topics. The answers for a product go to the device that asked.
const (
	sentTopic            = "hook-sent/{{{PARTICLE_EVENT_NAME}}}"
	responseTopic        = "hook-response/{{{PARTICLE_EVENT_NAME}}}"
	productResponseTopic = "{{{PARTICLE_DEVICE_ID}}}/hook-response/{{{PARTICLE_EVENT_NAME}}}"
	errorTopic           = "hook-error/{{{PARTICLE_EVENT_NAME}}}"
)

func responseTopicOf(h *cloud.Hook) string {
	switch {
	case h.ResponseTopic != "":
		return h.ResponseTopic
	case h.Product != 0:
		return productResponseTopic
	}
	return responseTopic
}
