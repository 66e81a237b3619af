//go:build !linux

package main

// dynamicAddress reports whether this machine has an address for a time only; it can be told on Linux alone.
func dynamicAddress(string) bool { return false }
