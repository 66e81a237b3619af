// Package dfu reads and writes the key slots of boards in DFU mode (blinking yellow) with the program dfu-util.
//
// dfu-util is called with arguments, never through a shell, one call for each thing: list, read a slot, write a slot,
// leave DFU mode. What it prints is parsed into [Board] values, percentages and [Error] values, each of which names the
// next step. The package knows nothing of clouds; what the bytes mean is said by package keys.
package dfu
