package session

import (
	"sync"

	"localcloud/coap"
)

// words remembers what descriptions meant that devices gave of themselves. Those with the same firmware use the same words: they
// are read once, and thousands of devices share what they mean, which nobody changes. The zero value is empty.
type words struct {
	mu    sync.Mutex
	known map[description]coap.Describe // at most wordsKept, then it begins anew
}

// description is one part of a describe as it came.
type description struct {
	format  int
	flags   byte
	payload string
}

const (
	wordsKept    = 64
	wordsLongest = 4 << 10 // bytes of a payload that is remembered
)

// parse is coap.ParseDescribe. Nobody may change what it returns.
func (w *words) parse(format int, flags byte, payload []byte) (coap.Describe, error) {
	figures := len(payload) > 0 && payload[0] == 0 // which never are the same
	if w == nil || figures || len(payload) > wordsLongest {
		return coap.ParseDescribe(format, flags, payload)
	}
	w.mu.Lock()
	d, ok := w.known[description{format, flags, string(payload)}]
	w.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := coap.ParseDescribe(format, flags, payload)
	if err == nil {
		w.remember(description{format, flags, string(payload)}, d)
	}
	return d, err
}

func (w *words) remember(as description, d coap.Describe) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known == nil || len(w.known) >= wordsKept {
		w.known = make(map[description]coap.Describe)
	}
	w.known[as] = d
}
