package api

import (
	"strconv"

	"localcloud/cloud"
)

// callFunction calls a function of a device and answers with what it returned.
func (s *Server) callFunction(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	name := q.variable("function")
	argument, err := functionArgument(&q.args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	s.tellRelay(d, name, argument)
	value, err := s.Hub.Call(ctx, d.ID, name, argument)
	switch {
	case cloud.KindOf(err) == cloud.NotExist:
		return nil, noFunction(name)
	case err != nil:
		return nil, err
	case q.args.text("format") == "raw":
		return rawText(strconv.Itoa(int(value))), nil
	}
	return map[string]any{
		"id": d.ID.String(), "name": orNull(d.Name), "last_app": "", "connected": true, "return_value": value,
	}, nil
}

// argumentNames are what clients call the argument, the usual one first.
var argumentNames = []string{"args", "arg", "params"}

// functionArgument finds the argument, in the body before the query. It must
// never get lost on the way: a body with something in it that is no argument
// is an error, not an empty argument.
func functionArgument(a *args) (string, error) {
	named := false
	for _, from := range []args{{body: a.body}, {query: a.query}} {
		for _, name := range argumentNames {
			text := from.text(name)
			if text != "" || from.err != nil {
				return text, from.err
			}
			named = named || from.has(name)
		}
	}
	if !named && (a.files > 0 || holdsMore(a.body)) {
		return "", plain(400, "No argument found: send it as args")
	}
	return "", a.err
}

// holdsMore reports whether there is anything in the body of a call besides
// what clients always send; "blank" is what the Android SDK fills empty forms with.
func holdsMore(body map[string]any) bool {
	for name := range body {
		if name != "format" && name != "blank" {
			return true
		}
	}
	return false
}
