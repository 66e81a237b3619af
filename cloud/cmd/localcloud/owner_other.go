//go:build !unix

package main

// keepOwner does nothing: here new files belong to the directory's access list.
func keepOwner(string) error { return nil }
