package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// csvText is a table as text.
type csvText []byte

// wantsCSV reports whether a client asks for a table rather than for JSON.
func wantsCSV(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/csv")
}

// vitalsTable has a row for each record, and a column for each figure that one of them holds, called
// by its path, such as device.system.uptime.
func vitalsTable(list []vitalsRecord) (csvText, error) {
	rows, names := make([]map[string]string, len(list)), map[string]bool{}
	for i, record := range list {
		var payload any
		d := json.NewDecoder(bytes.NewReader(record.Payload))
		d.UseNumber()
		if err := d.Decode(&payload); err != nil {
			return nil, err
		}
		rows[i] = map[string]string{}
		flatten(rows[i], "", payload)
		for name := range rows[i] {
			names[name] = true
		}
	}
	columns := slices.Sorted(maps.Keys(names))
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := []string{"updated_at", "deviceID"}
	for _, name := range columns {
		head = append(head, noFormula(name))
	}
	w.Write(head)
	for i, record := range list {
		line := []string{time.Time(record.UpdatedAt).UTC().Format("2006-01-02T15:04:05.000Z"), record.DeviceID}
		for _, name := range columns {
			line = append(line, noFormula(rows[i][name]))
		}
		w.Write(line)
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// noFormula is a device's text in a cell. A spreadsheet takes what begins with = + - @ for a formula, unless it is a number.
func noFormula(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return "'" + s
		}
	}
	return s
}

// flatten puts the values within v into row, by their paths: text and numbers as they are, nothing for null, a list as JSON.
func flatten(row map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(row, strings.TrimPrefix(path+"."+name, "."), inner)
		}
	case nil:
		row[path] = ""
	case []any:
		b, _ := json.Marshal(v) // was JSON before
		row[path] = string(b)
	default:
		row[path] = fmt.Sprint(v)
	}
}
