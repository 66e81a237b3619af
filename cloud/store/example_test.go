package store_test

import (
	"context"
	"fmt"

	"localcloud/cloud"
	"localcloud/cloud/store"
)

func ExampleLog_Read() {
	s := store.OpenMemory(store.Options{})
	defer s.Close()
	committed := make(chan error)
	if err := s.Events().Admit(context.Background()); err != nil {
		fmt.Println(err)
	}
	s.Events().Append(&cloud.Event{ID: 1, Name: "hello", Data: []byte("world")}, func(err error) { committed <- err })
	fmt.Println(<-committed)
	err := s.Events().Read(context.Background(), 0, func(ev *cloud.Event) bool {
		fmt.Printf("%s %s\n", ev.Name, ev.Data)
		return true
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// hello world
	// <nil>
}
