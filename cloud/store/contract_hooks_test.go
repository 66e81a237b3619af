package store

import (
	"errors"
	"testing"
	"time"

	"localcloud/cloud"
)

// hook stores a webhook of a user who is there.
func (w *world) hook(id cloud.HookID, owner cloud.UserID, born time.Time) {
	w.t.Helper()
	err := w.Registry().AddHook(cloud.Hook{ID: id, Owner: owner, Created: born, Event: "e", URL: "http://192.0.2.1/", Method: "POST"})
	if err != nil {
		w.t.Fatalf("AddHook: %v", err)
	}
}

// hookIDs returns the ids of all webhooks.
func (w *world) hookIDs() (ids []cloud.HookID) {
	for _, h := range w.Registry().Hooks() {
		ids = append(ids, h.ID)
	}
	return ids
}

func hooksOldestFirst(t *testing.T, w *world) {
	w.user("a", "ada", noon)
	w.hook("3", "a", noon.Add(time.Second))
	w.hook("2", "a", noon)
	w.hook("1", "a", noon)
	w.hook("4", "a", time.Time{}) // now
	for range 2 {
		wantSame(t, w.hookIDs(), []cloud.HookID{"1", "2", "3", "4"})
		if h := must2(w.Registry().Hook("4")); time.Since(h.Created) > time.Minute || !h.Updated.Equal(h.Created) {
			t.Errorf("a new webhook was born %v and changed %v", h.Created, h.Updated)
		}
		w.open(Options{})
	}
}

func hookChanged(t *testing.T, w *world) {
	w.user("a", "ada", noon)
	w.hook("1", "a", noon)
	no := errors.New("no")
	_, err := w.Registry().UpdateHook("1", func(h *cloud.Hook) error { h.Name = "lost"; return no })
	if !errors.Is(err, no) || must2(w.Registry().Hook("1")).Name != "" {
		t.Errorf("a refused change: %v, %+v", err, must2(w.Registry().Hook("1")))
	}
	h, err := w.Registry().UpdateHook("1", func(h *cloud.Hook) error {
		*h = cloud.Hook{ID: "9", Owner: "b", Name: "new", Query: map[string]string{"q": "1"}}
		return nil
	})
	if err != nil || h.ID != "1" || h.Owner != "a" || !h.Created.Equal(noon) || h.Name != "new" {
		t.Errorf("after a change: %+v, %v", h, err)
	}
	h.Query["q"] = "2"
	for range 2 {
		if got := must2(w.Registry().Hook("1")); got.Name != "new" || got.Query["q"] != "1" {
			t.Errorf("it is stored as %+v", got)
		}
		w.open(Options{})
	}
	_, err = w.Registry().UpdateHook("2", func(*cloud.Hook) error { t.Error("change is called"); return nil })
	wantKind(t, err, cloud.NotExist)
	if err := w.Registry().RemoveHook("1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantKind(t, w.Registry().RemoveHook("1"), cloud.NotExist)
		if got := w.hookIDs(); len(got) != 0 {
			t.Errorf("left are %v", got)
		}
		w.open(Options{})
	}
}

func hookRefused(t *testing.T, w *world) {
	w.user("a", "ada", noon)
	w.hook("1", "a", noon)
	wantKind(t, w.Registry().AddHook(cloud.Hook{Owner: "a"}), cloud.Invalid)
	wantKind(t, w.Registry().AddHook(cloud.Hook{ID: "1", Owner: "a"}), cloud.Exist)
	wantKind(t, w.Registry().AddHook(cloud.Hook{ID: "2", Owner: "nobody"}), cloud.NotExist)
}

func hooksOfRemovedUser(t *testing.T, w *world) {
	w.user("a", "ada", noon)
	w.user("b", "ben", noon)
	w.hook("1", "a", noon)
	w.hook("2", "b", noon)
	if err := w.Registry().RemoveUser("a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantSame(t, w.hookIDs(), []cloud.HookID{"2"})
		w.open(Options{})
	}
}
