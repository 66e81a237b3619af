package coap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// jsonModule is a module as JSON has it; the index is a string.
type jsonModule struct {
	MaxSize  looseUint    `json:"s"`
	Location string       `json:"l"`
	Checked  looseUint    `json:"vc"`
	Passed   looseUint    `json:"vv"`
	Hash     string       `json:"u"`
	Function string       `json:"f"`
	Index    looseUint    `json:"n"`
	Version  looseUint    `json:"v"`
	Depends  []jsonDepend `json:"d"`
}

type jsonDepend struct {
	Function string    `json:"f"`
	Index    looseUint `json:"n"`
	Version  looseUint `json:"v"`
}

// looseUint is a number that may be written as a string.
type looseUint uint32

func (n *looseUint) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "null" {
		*n = 0
		return nil
	}
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return fmt.Errorf("describe: %s is not a number", cut(s, 20))
	}
	*n = looseUint(v)
	return nil
}

// ParseDescribeJSON reads the JSON form: application, system, or both in one
// object (up to 1.x, and 0.4.9 to 0.5.5 put the application into everything).
//
//	{"f":["led"],"v":{"temp":9},                            application
//	 "p":6,"imei":"","iccid":"","cellfw":"",                system
//	 "m":[{"s":262144,"l":"m","vc":30,"vv":30,"u":"5F..","f":"s","n":"1","v":207,
//	       "d":[{"f":"b","n":"0","v":7,"_":""}]}]}
//
// Members that it does not know, like the "_" of 0.4.9, and NULs or blanks
// after the object do not matter; anything that is not JSON does.
//
// Device OS communication/src/protocol.cpp build_describe_message and
// system/src/system_info.cpp system_info_to_json.
func ParseDescribeJSON(b []byte) (Describe, error) {
	b = bytes.TrimRight(b, "\x00 \t\r\n")
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return Describe{}, fmt.Errorf("describe: %w", err)
	}
	if members == nil {
		return Describe{}, errors.New("describe: not an object")
	}
	var d Describe
	if err := d.parseApplication(members); err != nil {
		return Describe{}, err
	}
	if err := d.parseSystem(members); err != nil {
		return Describe{}, err
	}
	return d, nil
}

func (d *Describe) parseApplication(members map[string]json.RawMessage) error {
	if raw, ok := members["f"]; ok {
		d.HasApplication = true
		if err := json.Unmarshal(raw, &d.Functions); err != nil {
			return fmt.Errorf("describe: functions: %w", err)
		}
		if len(d.Functions) > maxNames {
			return tooMany("functions", maxNames)
		}
		if len(d.Functions) == 0 {
			d.Functions = nil
		}
	}
	if raw, ok := members["v"]; ok {
		d.HasApplication = true
		return d.parseVariables(raw)
	}
	return nil
}

// parseVariables reads {"name":type,...} keeping the order.
func (d *Describe) parseVariables(raw json.RawMessage) error {
	return eachElement(raw, '{', func(dec *json.Decoder) error {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("describe: variables: %w", err)
		}
		name, _ := key.(string)
		var kind looseUint
		if err := dec.Decode(&kind); err != nil {
			return fmt.Errorf("describe: variable %s: %w", cut(name, 64), err)
		}
		if name == "_" && kind == 0 {
			return nil
		}
		if kind > 0xff {
			return fmt.Errorf("describe: variable %s of type %d", cut(name, 64), kind)
		}
		if _, ok := d.Variables[name]; !ok {
			d.VariableNames = append(d.VariableNames, name)
		}
		if len(d.VariableNames) > maxNames {
			return tooMany("variables", maxNames)
		}
		if d.Variables == nil {
			d.Variables = make(map[string]VariableType)
		}
		d.Variables[name] = VariableType(kind)
		return nil
	})
}

func (d *Describe) parseSystem(members map[string]json.RawMessage) error {
	if raw, ok := members["p"]; ok {
		var platform looseUint
		if err := platform.UnmarshalJSON(raw); err != nil {
			return err
		}
		if platform > 0xffff {
			return fmt.Errorf("describe: no platform %d", platform)
		}
		d.HasSystem, d.HasPlatform, d.Platform = true, true, int(platform)
	}
	for _, text := range []struct {
		key string
		to  *string
	}{{"imei", &d.IMEI}, {"iccid", &d.ICCID}, {"cellfw", &d.CellFW}} {
		if raw, ok := members[text.key]; ok {
			if err := json.Unmarshal(raw, text.to); err != nil {
				return fmt.Errorf("describe: %s: %w", text.key, err)
			}
			d.HasSystem = true
		}
	}
	raw, ok := members["m"]
	if !ok {
		return nil
	}
	d.HasSystem = true
	return eachElement(raw, '[', func(dec *json.Decoder) error {
		if len(d.Modules) == maxModules {
			return tooMany("modules", maxModules)
		}
		var m jsonModule
		if err := dec.Decode(&m); err != nil {
			return fmt.Errorf("describe: module: %w", err)
		}
		if len(m.Depends) > maxDepends {
			return tooMany("dependencies", maxDepends)
		}
		d.Modules = append(d.Modules, m.module())
		return nil
	})
}

// eachElement calls f with a decoder that stands before each element of the
// array, or each key of the object, that raw is; null has none. raw is valid
// JSON, so that only its being something else can be wrong.
func eachElement(raw json.RawMessage, open json.Delim, f func(*json.Decoder) error) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	switch t, err := dec.Token(); {
	case err != nil:
		return fmt.Errorf("describe: %w", err)
	case t == nil:
		return nil
	case t != open:
		return fmt.Errorf("describe: %s where there should be %v", cut(string(raw), 20), open)
	}
	for dec.More() {
		if err := f(dec); err != nil {
			return err
		}
	}
	return nil
}

func (m jsonModule) module() Module {
	out := Module{
		Function: functionOfLetter(m.Function),
		Index:    uint32(m.Index),
		Version:  uint32(m.Version),
		Location: locationOfLetter(m.Location),
		MaxSize:  uint32(m.MaxSize),
		Checked:  uint32(m.Checked),
		Passed:   uint32(m.Passed),
	}
	if hash, err := hex.DecodeString(m.Hash); err == nil && len(hash) > 0 {
		out.Hash = hash
	}
	for _, dep := range m.Depends {
		out.Dependencies = append(out.Dependencies, Dependency{
			Function: functionOfLetter(dep.Function), Index: uint32(dep.Index), Version: uint32(dep.Version),
		})
	}
	return out
}

// AppendJSON writes the parts that d has, in the order in which Device OS writes
// them.
func (d Describe) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if d.HasApplication {
		b = d.appendApplication(b)
	}
	if d.HasSystem {
		if d.HasApplication {
			b = append(b, ',')
		}
		b = d.appendSystem(b)
	}
	return append(b, '}')
}

func (d Describe) appendApplication(b []byte) []byte {
	b = append(b, `"f":[`...)
	for i, name := range d.Functions {
		b = appendJSONString(appendComma(b, i), name)
	}
	b = append(b, `],"v":{`...)
	for i, name := range d.variableNames() {
		b = appendJSONString(appendComma(b, i), name)
		b = strconv.AppendInt(append(b, ':'), int64(d.Variables[name]), 10)
	}
	return append(b, '}')
}

func (d Describe) appendSystem(b []byte) []byte {
	if d.HasPlatform {
		b = strconv.AppendInt(append(b, `"p":`...), int64(d.Platform), 10)
		b = append(b, ',')
	}
	for _, text := range []struct{ key, value string }{{"imei", d.IMEI}, {"iccid", d.ICCID}, {"cellfw", d.CellFW}} {
		if text.value != "" {
			b = append(b, `"`+text.key+`":`...)
			b = append(appendJSONString(b, text.value), ',')
		}
	}
	b = append(b, `"m":[`...)
	for i, m := range d.Modules {
		b = m.appendJSON(appendComma(b, i))
	}
	return append(b, ']')
}

func (m Module) appendJSON(b []byte) []byte {
	b = fmt.Appendf(b, `{"s":%d,"l":"%c","vc":%d,"vv":%d,`, m.MaxSize, m.Location.letter(), m.Checked, m.Passed)
	if len(m.Hash) > 0 {
		b = fmt.Appendf(b, `"u":"%X",`, m.Hash)
	}
	b = fmt.Appendf(b, `"f":"%c","n":"%d","v":%d,"d":[`, m.Function.letter(), m.Index, m.Version)
	for i, dep := range m.Dependencies {
		b = fmt.Appendf(appendComma(b, i), `{"f":"%c","n":"%d","v":%d}`, dep.Function.letter(), dep.Index, dep.Version)
	}
	return append(b, "]}"...)
}

func appendComma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func appendJSONString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always marshals
	return append(b, text...)
}
