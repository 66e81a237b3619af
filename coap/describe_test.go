package coap

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message"
)

// safeModePhoton is the describe of a Photon with 0.4.9 in safe mode, as
// docs.particle.io shows it: everything in one object, the "_" of that version,
// and an empty factory slot without function, index and version.
const safeModePhoton = `{"f":[],"v":{},"p":6,"m":[` +
	`{"s":16384,"l":"m","vc":30,"vv":30,"f":"b","n":"0","v":4,"d":[]},` +
	`{"s":262144,"l":"m","vc":30,"vv":30,"f":"s","n":"1","v":11,"d":[]},` +
	`{"s":262144,"l":"m","vc":30,"vv":30,"f":"s","n":"2","v":7,"d":[{"f":"s","n":"1","v":7,"_":""}]},` +
	`{"s":131072,"l":"m","vc":30,"vv":26,"u":"F3380CF3018C104BA3BD9438EA921A1ABF315E8063318FDDDCDBE10FED044BEB","f":"u","n":"1","v":3,"d":[{"f":"s","n":"2","v":11,"_":""}]},` +
	`{"s":131072,"l":"f","vc":30,"vv":0,"d":[]}]}`

func TestDescribeOfAnOldPhoton(t *testing.T) {
	d, err := ParseDescribe(-1, 0, []byte(safeModePhoton))
	if err != nil {
		t.Fatal(err)
	}
	hash := hx(t, `F3380CF3018C104BA3BD9438EA921A1ABF315E8063318FDDDCDBE10FED044BEB`)
	want := Describe{
		HasApplication: true,
		HasSystem:      true, HasPlatform: true, Platform: 6,
		Modules: []Module{
			{Function: ModuleBootloader, Version: 4, Location: LocationMain, MaxSize: 16384, Checked: 30, Passed: 30},
			{Function: ModuleSystem, Index: 1, Version: 11, Location: LocationMain, MaxSize: 262144, Checked: 30, Passed: 30},
			{Function: ModuleSystem, Index: 2, Version: 7, Location: LocationMain, MaxSize: 262144, Checked: 30, Passed: 30,
				Dependencies: []Dependency{{Function: ModuleSystem, Index: 1, Version: 7}}},
			{Function: ModuleUser, Index: 1, Version: 3, Location: LocationMain, MaxSize: 131072, Checked: 30, Passed: 26, Hash: hash,
				Dependencies: []Dependency{{Function: ModuleSystem, Index: 2, Version: 11}}},
			{Location: LocationFactory, MaxSize: 131072, Checked: 30},
		},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("\n got %+v\nwant %+v", d, want)
	}
	var valid []bool
	for _, m := range d.Modules {
		valid = append(valid, m.Valid())
	}
	if !reflect.DeepEqual(valid, []bool{true, true, true, false, false}) {
		t.Errorf("valid: %v", valid)
	}
	if missing := d.Modules[3].Checked &^ d.Modules[3].Passed; missing != CheckDependencies {
		t.Errorf("the application failed check %#x", missing)
	}
	if got := d.AppHash(); got != "F3380CF3018C104BA3BD9438EA921A1ABF315E8063318FDDDCDBE10FED044BEB" {
		t.Errorf("hash %s", got)
	}
	if got := d.Modules[1].String(); got != "system 1 v11" {
		t.Error(got)
	}
}

func TestDescribeJSONIsLenient(t *testing.T) {
	for name, v := range map[string]struct {
		json string
		want Describe
	}{
		"nothing":         {`{}`, Describe{}},
		"dummies":         {`{"_":"","f":["a"],"v":{"b":1,"_":""}}`, Describe{HasApplication: true, Functions: []string{"a"}, Variables: map[string]VariableType{"b": Bool}, VariableNames: []string{"b"}}},
		"no dummies":      {`{"v":{"_":2,"a":0}}`, Describe{HasApplication: true, Variables: map[string]VariableType{"_": Int, "a": 0}, VariableNames: []string{"_", "a"}}},
		"null":            {`{"f":null,"v":null,"m":null}`, Describe{HasApplication: true, HasSystem: true}},
		"unknown members": {`{"x":{"y":[1,{"z":null}]},"p":12}`, Describe{HasSystem: true, HasPlatform: true, Platform: 12}},
		"cellular":        {`{"p":13,"imei":"35","iccid":"89","cellfw":"L0","m":[]}`, Describe{HasSystem: true, HasPlatform: true, Platform: 13, IMEI: "35", ICCID: "89", CellFW: "L0"}},
		"blanks":          {" \r\n{ \"p\" : 6 } \n", Describe{HasSystem: true, HasPlatform: true, Platform: 6}},
		"NULs after it":   {"{\"p\":6}\x00\x00", Describe{HasSystem: true, HasPlatform: true, Platform: 6}},
		"numbers in strings, strings in numbers": {`{"p":"6","m":[{"n":2,"v":"3","f":"s","l":"m"}]}`, Describe{HasSystem: true, HasPlatform: true, Platform: 6,
			Modules: []Module{{Function: ModuleSystem, Index: 2, Version: 3, Location: LocationMain}}}},
		"letters of later": {`{"m":[{"f":"_","l":"_"},{"f":"c","l":"t"},{"f":"a","l":"b"},{"f":"xx","l":"xx","u":"zz"}]}`, Describe{HasSystem: true, Modules: []Module{
			{Function: ModuleOther, Location: LocationOther}, {Function: ModuleNCP, Location: LocationScratch},
			{Function: ModuleRadio, Location: LocationBackup}, {Function: ModuleOther, Location: LocationOther}}}},
		"a variable twice": {`{"v":{"b":1,"a":2,"b":4}}`, Describe{HasApplication: true, Variables: map[string]VariableType{"b": String, "a": Int}, VariableNames: []string{"b", "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseDescribeJSON([]byte(v.json))
			if err != nil || !reflect.DeepEqual(got, v.want) {
				t.Errorf("\n got %+v, %v\nwant %+v", got, err, v.want)
			}
		})
	}
}

func TestDescribeJSONRefuses(t *testing.T) {
	many := func(element string, n int) string { return strings.Repeat(element+",", n) + element }
	for name, json := range map[string]string{
		"nothing":               ``,
		"null":                  `null`,
		"an array":              `[]`,
		"a cut object":          `{"f":["a"],"v":{"b":1`,
		"a cut string":          `{"f":["a`,
		"two objects":           `{"p":6}{"p":6}`,
		"rubbish after it":      `{"p":6}x`,
		"functions as object":   `{"f":{}}`,
		"function as number":    `{"f":[1]}`,
		"variables as array":    `{"v":[]}`,
		"variable without type": `{"v":{"a":{}}}`,
		"variable of type 300":  `{"v":{"a":300}}`,
		"modules as object":     `{"m":{}}`,
		"module as number":      `{"m":[1]}`,
		"version below 0":       `{"m":[{"v":-1}]}`,
		"platform beyond 16":    `{"p":65536}`,
		"imei as number":        `{"imei":1}`,
		"too many functions":    `{"f":[` + many(`"a"`, maxNames) + `]}`,
		"too many variables":    `{"v":{` + manyVariables(maxNames+1) + `}}`,
		"too many modules":      `{"m":[` + many(`{}`, maxModules) + `]}`,
		"too many dependencies": `{"m":[{"d":[` + many(`{}`, maxDepends) + `]}]}`,
		"too deep":              `{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			if d, err := ParseDescribeJSON([]byte(json)); err == nil {
				t.Errorf("%+v", d)
			}
		})
	}
	if _, err := ParseDescribeJSON([]byte(`{"v":{` + manyVariables(maxNames) + `}}`)); err != nil {
		t.Errorf("as many variables as allowed: %v", err)
	}
}

func manyVariables(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + strings.Repeat("x", i) + `":1`)
	}
	return b.String()
}

func TestDescribeJSONIsWrittenAsDeviceOSWritesIt(t *testing.T) {
	for _, json := range []string{
		`{"f":[],"v":{}}`,
		`{"f":["b","a"],"v":{"z":9,"a":1}}`,
		`{"p":3,"m":[]}`,
		`{"f":["brew"],"v":{"temperature":2},"p":13,"imei":"35","iccid":"89","cellfw":"L0","m":[` +
			`{"s":49152,"l":"m","vc":30,"vv":30,"f":"b","n":"0","v":1006,"d":[]},` +
			`{"s":131072,"l":"b","vc":30,"vv":26,"u":"00FF","f":"u","n":"1","v":6,"d":[{"f":"s","n":"1","v":2302},{"f":"a","n":"0","v":1}]}]}`,
	} {
		d, err := ParseDescribeJSON([]byte(json))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(d.AppendJSON([]byte("x"))); got != "x"+json {
			t.Errorf("\n got %s\nwant x%s", got, json)
		}
	}
	// Made by hand: without an order by alphabet, and a name that needs quoting.
	d := Describe{HasApplication: true, VariableNames: []string{"c", "gone", "c"},
		Variables: map[string]VariableType{"b\"\n": Int, "a": Bool, "c": String}, Functions: []string{`\`}}
	if got, want := string(d.AppendJSON(nil)), `{"f":["\\"],"v":{"c":4,"a":1,"b\"\n":2}}`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	m := Describe{HasSystem: true, Modules: []Module{{Function: ModuleUser}, {Function: ModuleAsset, Location: LocationOther}}}
	if got, want := string(m.AppendJSON(nil)), `{"m":[{"s":0,"l":"m","vc":0,"vv":0,"f":"u","n":"0","v":0,"d":[]},{"s":0,"l":"_","vc":0,"vv":0,"f":"_","n":"0","v":0,"d":[]}]}`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestDescribeProtoHasEveryField(t *testing.T) {
	d := Describe{
		HasSystem: true, IMEI: "35", ICCID: "89", CellFW: "L0", Protected: true, EnvHash: []byte{1, 2},
		Assets: []Asset{{Hash: []byte{3}, Name: "logo", Size: 4, StorageSize: 5}},
		Modules: []Module{
			{Function: ModuleUser, Index: 1, Version: 6, Location: LocationBackup, MaxSize: 7, Checked: 30, Passed: 14,
				Hash: []byte{8}, Size: 9, Protected: true, Assets: []Asset{{Name: "a"}},
				Dependencies: []Dependency{{Function: ModuleSystem, Index: 1, Version: 6200}, {Function: ModuleRadio}}},
			{Function: ModuleOther, Location: LocationOther},
			{Function: ModuleNCP, Location: LocationMain},
		},
	}
	want := hx(t, `0a 2f 0805 1001 1806 2002 2807 35 1e000000 3d 0e000000 42 01 08 4a 07 0804 1001 18b830 4a 02 0808
		52 03 12 01 "a" 58 09 62 02 0801
		0a 06 08ff01 20ff01  0a 02 0807
		12 02 "35" 1a 02 "89" 22 02 "L0" 2a 0d 0a 01 03 12 04 "logo" 18 04 20 05 30 01 3a 02 0102`)
	b := d.AppendProto(nil)
	if !bytes.Equal(b, want) {
		t.Errorf("\n got %x\nwant %x", b, want)
	}
	got, err := ParseDescribeProto(b)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("\n got %+v, %v\nwant %+v", got, err, d)
	}
}

func TestDescribeProtoIgnoresWhatItDoesNotKnow(t *testing.T) {
	got, err := ParseDescribeProto(hx(t, `9a06 01 00  a106 0000000000000000  a506 00000000  a806 ffffffffffffffffff01  0a 05 0804 9806 01  08 07  12 02 "35"`))
	want := Describe{HasSystem: true, IMEI: "35", Modules: []Module{{Function: ModuleSystem, Location: LocationMain}, {Location: LocationMain}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestDescribeProtoRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"half a tag":            hx(t, `80`),
		"field 0":               hx(t, `00`),
		"half a number":         hx(t, `30 80`),
		"half a text":           hx(t, `12 05 "35"`),
		"half a fixed32":        hx(t, `0a 03 35 0000`),
		"half a fixed64":        hx(t, `a106 00`),
		"a group":               hx(t, `13 14`),
		"half a module":         hx(t, `0a 02 08`),
		"half a dependency":     hx(t, `0a 04 4a 02 08 80`),
		"half an asset":         hx(t, `2a 02 12 09`),
		"half a security":       hx(t, `0a 03 62 01 08`),
		"too many modules":      bytes.Repeat(hx(t, `0a 00`), maxModules+1),
		"too many dependencies": appendMessage(nil, 1, bytes.Repeat(hx(t, `4a 00`), maxDepends+1)),
		"too many assets":       bytes.Repeat(hx(t, `2a 00`), maxAssets+1),
	} {
		t.Run(name, func(t *testing.T) {
			if d, err := ParseDescribeProto(b); err == nil {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestDescribeIsToldFromItsFirstByte(t *testing.T) {
	proto := hx(t, `0a 02 0804`)
	metrics := hx(t, `00 0400 0200 0400 0600 02000000`)
	for name, v := range map[string]struct {
		format      int
		flags       byte
		payload     []byte
		app, system bool
		metrics     bool
		fails       bool
	}{
		"JSON":                                 {-1, 2, []byte(`{"f":[]}`), true, false, false, false},
		"JSON asked for as metrics (0.7)":      {-1, 4, []byte(`{"f":[],"v":{},"p":3,"m":[]}`), true, true, false, false},
		"JSON asked for as system (0.4)":       {-1, 1, []byte(`{"f":[],"v":{},"p":3}`), true, true, false, false},
		"JSON with a format":                   {FormatJSON, 2, []byte(`{"v":{}}`), true, false, false, false},
		"protobuf":                             {FormatBinary, 1, proto, false, true, false, false},
		"protobuf, flags not known":            {FormatBinary, 0, proto, false, true, false, false},
		"protobuf, format not given":           {-1, 1, proto, false, true, false, false},
		"protobuf of a device without modules": {FormatBinary, 1, nil, false, true, false, false},
		"metrics":                              {-1, 4, metrics, false, false, true, false},
		"metrics with a format":                {FormatBinary, 4, metrics, false, false, true, false},
		"nothing":                              {-1, 1, nil, false, false, false, true},
		"protobuf where there can be none":     {-1, 2, proto, false, false, false, true},
		"text":                                 {0, 1, []byte("no"), false, false, false, true},
		"protobuf that says it is text":        {FormatText, 1, proto, false, false, false, true},
		"broken metrics":                       {-1, 4, metrics[:9], false, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := ParseDescribe(v.format, v.flags, v.payload)
			if (err != nil) != v.fails || d.HasApplication != v.app || d.HasSystem != v.system || d.HasMetrics != v.metrics {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

func TestPartsOfADescribe(t *testing.T) {
	app := Describe{HasApplication: true, Functions: []string{"f"}, Variables: map[string]VariableType{"v": Int}, VariableNames: []string{"v"}}
	system := Describe{HasSystem: true, HasPlatform: true, Platform: 6, IMEI: "35", Modules: []Module{{Version: 1}}}
	metrics := Describe{HasMetrics: true, Metrics: Metrics{{ID: 6, Value: 2}}}
	all := Describe{HasApplication: true, Functions: app.Functions, Variables: app.Variables, VariableNames: app.VariableNames,
		HasSystem: true, HasPlatform: true, Platform: 6, IMEI: "35", Modules: system.Modules, HasMetrics: true, Metrics: metrics.Metrics}
	for flags, want := range map[byte]Describe{
		0: {}, DescribeApplication: app, DescribeSystem: system, DescribeMetrics: metrics,
		DescribeApplication | DescribeSystem | DescribeMetrics: all,
	} {
		if got := all.Part(flags); !reflect.DeepEqual(got, want) {
			t.Errorf("part %d\n got %+v\nwant %+v", flags, got, want)
		}
	}
}

func TestAppHashIsThatOfTheRunningApplication(t *testing.T) {
	for want, modules := range map[string][]Module{
		"":   {{Function: ModuleSystem, Hash: []byte{1}}, {Function: ModuleUser}},
		"AB": {{Function: ModuleUser, Location: LocationFactory, Hash: []byte{1}}, {Function: ModuleUser, Location: LocationMain, Hash: []byte{0xab}}},
		"01": {{Function: ModuleUser, Location: LocationFactory, Hash: []byte{1}}, {Function: ModuleUser, Location: LocationBackup, Hash: []byte{2}}},
	} {
		if got := (Describe{Modules: modules}).AppHash(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestModulesHaveNames(t *testing.T) {
	letters, words := "", ""
	for f := ModuleNone; f <= ModuleAsset+1; f++ {
		letters += string(f.letter())
		words += f.String() + " "
	}
	if letters != "nrbmsu_ca__" || words != "none resource bootloader monolithic system user settings ncp radio asset other " {
		t.Errorf("%s, %s", letters, words)
	}
	for f := ModuleNone; f <= ModuleAsset; f++ {
		if got := functionOfNumber(uint64(f)); got != f {
			t.Errorf("number %d is %s", f, got)
		}
		if got := functionOfLetter(string(f.letter())); got != f && f.letter() != '_' {
			t.Errorf("letter %c is %s", f.letter(), got)
		}
	}
	if f := functionOfNumber(10); f != ModuleOther {
		t.Errorf("number 10 is %s", f)
	}
	if checks := []uint32{CheckIntegrity, CheckDependencies, CheckRange, CheckPlatform, CheckProduct, CheckDependenciesFull}; !reflect.DeepEqual(checks, []uint32{2, 4, 8, 16, 32, 64}) {
		t.Error(checks)
	}
	words = ""
	for _, l := range []Location{0, LocationMain, LocationFactory, LocationBackup, LocationScratch, LocationOther} {
		words += fmt.Sprintf("%s %d ", l, l.number())
	}
	if words != "main 0 main 0 factory 1 backup 2 scratch 3 other 255 " {
		t.Error(words)
	}
}

func TestDescribeFlags(t *testing.T) {
	for bytes, want := range map[string]struct {
		flags byte
		ok    bool
	}{
		`41 01 0001 02 b1 64`:             {0, false},
		`41 01 0001 02 b1 64 41 01`:       {1, true},
		`41 01 0001 02 b1 64 41 07`:       {7, true},
		`41 01 0001 02 b1 64 41 "4"`:      {4, true},
		`41 02 0001 02 b1 64 11 2a 31 01`: {1, true}, // 31 is the option's header: delta 3, length 1
		`40 02 0001 b1 64 41 04`:          {4, true},
		`41 01 0001 02 b1 64 40`:          {0, false},
		`41 01 0001 02 b1 64 42 0101`:     {0, false},
	} {
		if flags, ok := DescribeFlags(parse(t, bytes)); flags != want.flags || ok != want.ok {
			t.Errorf("%s: %d %v, want %d %v", bytes, flags, ok, want.flags, want.ok)
		}
	}
}

func TestBlockOptions(t *testing.T) {
	for bytes, want := range map[string]Block{
		``:       {},
		`06`:     {SZX: 6},
		`0e`:     {More: true, SZX: 6},
		`1d`:     {Num: 1, More: true, SZX: 5},
		`0406`:   {Num: 64, SZX: 6},
		`fffffe`: {Num: 1<<20 - 1, More: true, SZX: 6},
	} {
		got, err := ParseBlock(hx(t, bytes))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", bytes, got, err, want)
		}
		if b := want.Append(nil); string(b) != string(hx(t, bytes)) {
			t.Errorf("%+v: %x, want %s", want, b, bytes)
		}
	}
	for _, bytes := range []string{`07`, `0f`, `00000006`} {
		if b, err := ParseBlock(hx(t, bytes)); err == nil {
			t.Errorf("%s: %+v", bytes, b)
		}
	}
	if size := (Block{SZX: 6}).Size() + (Block{SZX: 5}).Size() + (Block{}).Size(); size != 1024+512+16 {
		t.Error(size)
	}

	m := parse(t, `41 45 1234 07 42 0901 81 2a b1 0e 41 16 ff 00`)
	b2, ok2 := Block2(m)
	b1, ok1 := Block1(m)
	if b2 != (Block{More: true, SZX: 6}) || b1 != (Block{Num: 1, SZX: 6}) || !ok1 || !ok2 {
		t.Errorf("%+v %v, %+v %v", b2, ok2, b1, ok1)
	}
	if etag := ETag(m); string(etag) != "\x09\x01" {
		t.Errorf("etag %x", etag)
	}
	none := parse(t, `41 45 1234 07 d1 0a 07`) // a Block2 that makes no sense
	if _, ok := Block1(none); ok || ETag(none) != nil {
		t.Error("options that are not there")
	}
	if b, ok := Block2(none); ok {
		t.Errorf("%+v", b)
	}
}

func TestContentFormat(t *testing.T) {
	for bytes, want := range map[string]struct {
		format int
		ok     bool
	}{
		`50 02 0001 b1 45`:               {0, false},
		`50 02 0001 b1 45 10`:            {0, true},
		`50 02 0001 b1 45 11 3c`:         {60, true},
		`50 02 0001 b1 45 12 fde9`:       {65001, true},
		`50 02 0001 b1 45 13 010000`:     {65536, false},
		`50 02 0001 b1 45 15 0000000000`: {0, false},
	} {
		if format, ok := ContentFormat(parse(t, bytes)); ok != want.ok || ok && format != want.format {
			t.Errorf("%s: %d %v", bytes, format, ok)
		}
	}
	if m := (Message{}).With(message.ContentFormat, nil); len(m.Options) != 1 {
		t.Error(m)
	}
}
