package sink

import (
	"strings"
	"testing"
)

const sampleData = `{
	"a": {"aa": "testing", "ab": 1234},
	"b": "xxx",
	"c": [{"ca": "first", "cb": 123}, {"ca": "second", "cb": 456}],
	"html": "<b> & \"q\" 'a' /",
	"zero": 0, "one": 1, "float": 20.00, "big": 12345678901234567890, "exp": 1e3, "small": 0.00000001,
	"yes": true, "no": false, "null": null, "empty": "", "blank": " ",
	"none": [], "list": [1, "two", [3, 4]], "object": {"k": [1]},
	"nested": {"null": null, "b": {"c": "deep"}}
}`

func TestTemplatesAreMustache(t *testing.T) {
	tests := []struct{ template, want string }{
		// The examples of Particle's documentation.
		{"{{{a.aa}}}", "testing"},
		{"{{{a.ab}}}", "1234"},
		{"{{{b}}}", "xxx"},
		{"{{{c.0.ca}}}", "first"},
		{"{{{c.1.cb}}}", "456"},
		{"{{#b}}{{{b}}}{{/b}}{{^b}}Missing{{/b}}", "xxx"},
		{"{{#z}}{{{z}}}{{/z}}{{^z}}Missing{{/z}}", "Missing"},
		{"{{#c}}{{{ca}}}~{{/c}}", "first~second~"},

		{"", ""},
		{"no tag", "no tag"},
		{"{{html}}", "&lt;b&gt; &amp; &quot;q&quot; &#39;a&#39; /"},
		{"{{{html}}}", `<b> & "q" 'a' /`},
		{"{{&html}}", `<b> & "q" 'a' /`},
		{"{{ b }}{{{ b }}}{{& b }}", "xxxxxxxxx"},
		{"[{{missing}}{{a.missing}}{{missing.a.b}}{{b.x}}{{null}}{{c.2.ca}}{{c.x}}{{c.-1}}]", "[]"},
		{"{{zero}} {{one}} {{float}} {{big}} {{exp}} {{small}}", "0 1 20 12345678901234567890 1000 1e-8"},
		{"{{yes}} {{no}}", "true false"},
		{"{{{list}}} {{list.1}} {{list.2.0}}", "1,two,3,4 two 3"},
		{"{{{object}}} {{{object.k}}}", `{"k":[1]} 1`},

		{"{{#zero}}x{{/zero}}{{#empty}}x{{/empty}}{{#no}}x{{/no}}{{#null}}x{{/null}}{{#none}}x{{/none}}", ""},
		{"{{^zero}}a{{/zero}}{{^empty}}b{{/empty}}{{^no}}c{{/no}}{{^null}}d{{/null}}{{^none}}e{{/none}}", "abcde"},
		{"{{#blank}}x{{/blank}}{{#one}}y{{/one}}{{#object}}z{{/object}}", "xyz"},
		{"{{^b}}x{{/b}}{{^c}}x{{/c}}", ""},
		{"{{#list}}<{{.}}>{{/list}}", "<1><two><3,4>"},
		{"{{#a}}{{aa}} {{b}}{{/a}}", "testing xxx"},           // outer scopes are seen from within
		{"{{#nested}}[{{null}}]{{b.c}}{{/nested}}", "[]deep"}, // but not past a key that is there
		{"{{#nested}}{{#b}}{{c}}{{/b}}{{/nested}}", "deep"},
		{"{{#a.aa}}{{.}}{{/a.aa}}", "testing"},
		{"{{! not shown }}{{!}}x", "x"},
		{"{{>file}}{{> ../../etc/passwd }}x", "x"},
		{"{{=<% %>=}}<% b %>{{b}}<%={{ }}=%>{{b}}", "xxx{{b}}xxx"},
		{"{\"v\": {{one}}}", `{"v": 1}`},
		{"{\"v\": {\"w\":{{{one}}}}}", `{"v": {"w":1}}`},

		// A tag that writes nothing takes its line with it when it is alone there.
		{"a\n{{#b}}\nx\n{{/b}}\nz", "a\nx\nz"},
		{"a\r\n{{#b}}\r\nx\r\n{{/b}}\r\nz", "a\r\nx\r\nz"},
		{"  {{#b}}  \nx\n  {{/b}}", "x\n"},
		{"{{! one }}\n  {{! two }}\nx", "x"},
		{"a {{#b}}\nx\n{{/b}} z", "a \nx\n z"},
		{"{{#b}}{{/b}}\nx", "\nx"},
		{"{{b}}\nx", "xxx\nx"},
	}
	data := decodeJSON([]byte(sampleData))
	for _, tt := range tests {
		parsed, err := parseTemplate(tt.template)
		if err != nil {
			t.Errorf("%q: %v", tt.template, err)
			continue
		}
		if got, err := parsed.render(data); err != nil || got != tt.want {
			t.Errorf("%q gives %q, %v, want %q", tt.template, got, err, tt.want)
		}
	}
}

func TestBrokenTemplatesAreRefused(t *testing.T) {
	for _, bad := range []string{
		"{{", "{{a", "{{{a}}", "{{}}", "{{#}}{{/}}", "{{#a}}", "{{/a}}", "{{#a}}{{/b}}", "{{#a}}{{#b}}{{/a}}{{/b}}", "{{=x=}}",
		strings.Repeat("{{#a}}", 1000) + strings.Repeat("{{/a}}", 1000),
	} {
		if parsed, err := parseTemplate(bad); err == nil {
			t.Errorf("%.40q is taken for %v", bad, parsed)
		}
	}
}

func TestTemplateThatWouldWriteForEverEnds(t *testing.T) {
	parsed, err := parseTemplate(strings.Repeat("{{#a}}", 20) + "x" + strings.Repeat("{{/a}}", 20))
	if err != nil {
		t.Fatal(err)
	}
	data := decodeJSON([]byte(`{"a":[` + strings.Repeat("1,", 1000) + `1]}`))
	if out, err := parsed.render(data); err == nil {
		t.Errorf("it wrote %d bytes", len(out))
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{{a.aa}}", "{{#c}}\n{{{ca}}}\n{{/c}}", "{{=<% %>=}}<% b %>", "{{^z}}x{{/z}}", "{{{b}}", "{{!", "{{#list}}{{.}}{{/list}}"} {
		f.Add(seed)
	}
	data := decodeJSON([]byte(sampleData))
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseTemplate(text)
		if err != nil {
			return
		}
		out, err := parsed.render(data)
		if err == nil && !strings.Contains(text, "{{") && out != text {
			t.Errorf("%q without a tag gives %q", text, out)
		}
	})
}
