// Package rekey changes what a board knows of its cloud, and changes it back.
//
//	Look     read every slot that matters
//	Plan     what would be written, and why; nothing is touched
//	Apply    store a backup -> write, read back, compare -> register
//
// Apply leaves the board and the registry as they were, or as they shall be. What fails or is interrupted in between is
// undone; when that is not possible either, because the board is gone, the error says so and names the backup.
// Nothing is written before the backup is stored.
package rekey
