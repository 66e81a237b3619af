package sink

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A template is mustache as Particle's hooks use it (http-api.md, 5.2):
//
//	{{x}}            the value, with & < > " ' escaped for HTML
//	{{{x}}} {{&x}}   the value as it is
//	{{a.b}} {{c.0}}  a key of an object, an element of a list
//	{{#x}}..{{/x}}   for each element; or once, if there is something
//	{{^x}}..{{/x}}   if there is nothing
//	{{! text}}       nothing
//	{{=<% %>=}}      other braces from here on
//
// There are no partials ({{>x}} is nothing) and no functions: a template
// reaches nothing but the values it is given.
type template []node

// node is a piece of a template.
type node struct {
	kind tagKind
	text string   // of textNode
	path []string // of the others; "." alone is the value itself
	body template // of sections
}

type tagKind byte

const (
	textNode  tagKind = 0
	escaped   tagKind = 'v'
	raw       tagKind = '&'
	section   tagKind = '#'
	inverted  tagKind = '^'
	closing   tagKind = '/'
	comment   tagKind = '!'
	partial   tagKind = '>'
	delimiter tagKind = '='
)

// Bounds of a template. A list in a list in a list could make a small template write for ever.
const (
	maxDepth  = 64
	maxSteps  = 100_000
	maxOutput = 1 << 20 // bytes
)

// parser reads a template from its beginning to its end.
type parser struct {
	rest        string
	left, right string // the braces
	lineStart   bool   // nothing but blanks was read of this line
	depth       int
}

// parseTemplate reads a template. The error says what is wrong with it.
func parseTemplate(s string) (template, error) {
	p := &parser{rest: s, left: "{{", right: "}}", lineStart: true}
	return p.parse(nil)
}

// parse reads up to the end of the section that is open, or of the text when open is nil.
func (p *parser) parse(open []string) (template, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("sections are nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	var out template
	for {
		text, found := p.text()
		if !found {
			if open != nil {
				return nil, fmt.Errorf("section %s is not closed", strings.Join(open, "."))
			}
			return out.text(text), nil
		}
		kind, name, err := p.tag()
		if err != nil {
			return nil, err
		}
		out = out.text(p.standalone(kind, text))
		path := splitPath(name)
		switch kind {
		case escaped, raw:
			out = append(out, node{kind: kind, path: path})
		case section, inverted:
			body, err := p.parse(path)
			if err != nil {
				return nil, err
			}
			out = append(out, node{kind: kind, path: path, body: body})
		case closing:
			if open == nil || !slices.Equal(path, open) {
				return nil, fmt.Errorf("{{/%s}} closes what is not open", name)
			}
			return out, nil
		}
	}
}

// text reads up to the next tag; found is false when there is none.
func (p *parser) text() (text string, found bool) {
	text, rest, found := strings.Cut(p.rest, p.left)
	p.rest = rest
	return text, found
}

// tag reads what is between the braces.
func (p *parser) tag() (kind tagKind, name string, err error) {
	end := p.right
	if strings.HasPrefix(p.rest, "{") {
		end = "}" + p.right
	} else if strings.HasPrefix(p.rest, "=") {
		end = "=" + p.right
	}
	inside, rest, ok := strings.Cut(p.rest, end)
	if !ok {
		return 0, "", fmt.Errorf("a tag is not closed: %s%.20s", p.left, p.rest)
	}
	p.rest = rest
	switch {
	case strings.HasPrefix(inside, "{"):
		kind, inside = raw, inside[1:]
	case strings.HasPrefix(inside, "="):
		return delimiter, "", p.setDelimiters(inside[1:])
	case inside != "" && strings.ContainsRune("#^/!>&", rune(inside[0])):
		kind, inside = tagKind(inside[0]), inside[1:]
	default:
		kind = escaped
	}
	if name = strings.TrimSpace(inside); name == "" && kind != comment {
		return 0, "", fmt.Errorf("a tag is empty")
	}
	return kind, name, nil
}

func (p *parser) setDelimiters(inside string) error {
	f := strings.Fields(inside)
	if len(f) != 2 || strings.Contains(inside, "=") {
		return fmt.Errorf("{{=%s=}} sets no braces", inside)
	}
	p.left, p.right = f[0], f[1]
	return nil
}

// standalone returns the text before a tag as it is written. A tag that writes
// nothing and is alone on its line takes the line with it.
func (p *parser) standalone(kind tagKind, before string) string {
	lineStart := p.lineStart
	line := before
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		line, lineStart = before[i+1:], true
	}
	alone := lineStart && strings.Trim(line, " \t") == ""
	p.lineStart = alone && kind != escaped && kind != raw // so far
	if !p.lineStart {
		return before
	}
	after := strings.TrimLeft(p.rest, " \t")
	switch {
	case after == "":
	case after[0] == '\n':
		after = after[1:]
	case strings.HasPrefix(after, "\r\n"):
		after = after[2:]
	default:
		p.lineStart = false
		return before
	}
	p.rest = after
	return strings.TrimRight(before, " \t")
}

func (t template) text(s string) template {
	if s == "" {
		return t
	}
	return append(t, node{text: s})
}

func splitPath(name string) []string {
	if name == "." {
		return []string{"."}
	}
	return strings.Split(name, ".")
}

// renderer writes a template.
type renderer struct {
	out   strings.Builder
	steps int
}

// render writes the template with values from scopes; names are looked for in the last one first.
// Values are what encoding/json decodes with UseNumber.
func (t template) render(scopes ...any) (string, error) {
	var r renderer
	err := r.write(t, scopes)
	return r.out.String(), err
}

func (r *renderer) write(t template, scopes []any) error {
	for i := range t {
		n := &t[i]
		if r.steps++; r.steps > maxSteps || r.out.Len() > maxOutput {
			return fmt.Errorf("the template writes too much")
		}
		if err := r.node(n, scopes); err != nil {
			return err
		}
	}
	return nil
}

func (r *renderer) node(n *node, scopes []any) error {
	if n.kind == textNode {
		r.out.WriteString(n.text)
		return nil
	}
	v := lookup(n.path, scopes)
	switch n.kind {
	case escaped:
		r.out.WriteString(escapeHTML.Replace(textOf(v)))
	case raw:
		r.out.WriteString(textOf(v))
	case inverted:
		if isNothing(v) {
			return r.write(n.body, scopes)
		}
	case section:
		return r.section(n, v, scopes)
	}
	return nil
}

func (r *renderer) section(n *node, v any, scopes []any) error {
	list, ok := v.([]any)
	if !ok {
		if isNothing(v) {
			return nil
		}
		list = []any{v}
	}
	for _, item := range list {
		if err := r.write(n.body, append(scopes[:len(scopes):len(scopes)], item)); err != nil {
			return err
		}
	}
	return nil
}

// escapeHTML leaves the slash alone, which is part of event names.
var escapeHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// lookup finds a value, nil when there is none. Its first name is looked for in
// every scope, the others in what that one stands for.
func lookup(path []string, scopes []any) any {
	if path[0] == "." {
		return scopes[len(scopes)-1]
	}
	for _, scope := range slices.Backward(scopes) {
		if v, ok := member(scope, path[0]); ok {
			for _, name := range path[1:] {
				v, _ = member(v, name)
			}
			return v
		}
	}
	return nil
}

func member(v any, name string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		m, ok := v[name]
		return m, ok
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	}
	return nil, false
}

// isNothing reports whether a section is left out.
func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		f, err := v.Float64()
		return err == nil && f == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// textOf is a value as JavaScript writes it; but an object is its JSON.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return numberText(v)
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, textOf(item))
		}
		return strings.Join(parts, ",")
	}
	return string(encodeJSON(v))
}

// numberText writes 20.00 as 20 and 1e3 as 1000, as JavaScript does. Whole numbers keep all their digits.
func numberText(n json.Number) string {
	if !strings.ContainsAny(string(n), ".eE") {
		return string(n)
	}
	f, err := n.Float64()
	if err != nil {
		return string(n)
	}
	return string(encodeJSON(f)) // in the form of ECMAScript
}
