// Package firmware is what runs on a board: C++ libraries and sketches for owners to flash, and host/, the part of Device
// OS's Wiring API with which they are compiled into a Linux process to be tested against the running cloud.
package firmware
