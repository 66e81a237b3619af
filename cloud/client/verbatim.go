package client

import (
	"bytes"
	"encoding/json"
)

// An answer that a command prints as JSON holds its text as the server sent it, beside the fields that this package knows:
// a newer server's fields are printed, too.

// decodeVerbatim decodes an object into fields and keeps its text.
func decodeVerbatim(b []byte, fields any, text *json.RawMessage) error {
	if err := json.Unmarshal(b, fields); err != nil {
		return err
	}
	*text = bytes.Clone(b)
	return nil
}

// encodeVerbatim returns the text, or the fields of an object that no server sent.
func encodeVerbatim(text json.RawMessage, fields any) ([]byte, error) {
	if text != nil {
		return text, nil
	}
	return json.Marshal(fields)
}
