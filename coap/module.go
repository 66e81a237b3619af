package coap

import "fmt"

// Module is one piece of firmware in a device, or a place for one.
type Module struct {
	Function     ModuleFunction
	Index        uint32
	Version      uint32
	Location     Location
	MaxSize      uint32 // bytes that the place holds
	Checked      uint32 // vc: checks that were made, a set of Check bits
	Passed       uint32 // vv: checks that were passed
	Hash         []byte // SHA-256, of the application only; nil when not given
	Dependencies []Dependency

	// Only in the protobuf form.
	Size      uint32 // bytes in use
	Assets    []Asset
	Protected bool
}

// Valid reports whether the module passed every check that was made.
func (m Module) Valid() bool { return m.Passed == m.Checked }

// String returns function, index and version: "system 1 v3302".
func (m Module) String() string {
	return fmt.Sprintf("%s %d v%d", m.Function, m.Index, m.Version)
}

// Dependency is another module, and the lowest version of it, that a module needs.
type Dependency struct {
	Function ModuleFunction
	Index    uint32
	Version  uint32
}

// Asset is a file that belongs to the application.
type Asset struct {
	Hash        []byte
	Name        string
	Size        uint32
	StorageSize uint32
}

// Checks of a module. Device OS hal/inc/ota_flash_hal.h, MODULE_VALIDATION_*.
const (
	CheckIntegrity        uint32 = 1 << 1
	CheckDependencies     uint32 = 1 << 2
	CheckRange            uint32 = 1 << 3
	CheckPlatform         uint32 = 1 << 4
	CheckProduct          uint32 = 1 << 5
	CheckDependenciesFull uint32 = 1 << 6
)

// ModuleFunction is what a module does. The numbers are those of the protobuf
// form and of the header in a firmware file; JSON has a letter.
type ModuleFunction uint8

// Device OS dynalib/inc/module_info.h, module_function_t, and
// system/inc/system_info.h, module_function_string.
const (
	ModuleNone       ModuleFunction = 0
	ModuleResource   ModuleFunction = 1
	ModuleBootloader ModuleFunction = 2
	ModuleMonolithic ModuleFunction = 3
	ModuleSystem     ModuleFunction = 4
	ModuleUser       ModuleFunction = 5
	ModuleSettings   ModuleFunction = 6
	ModuleNCP        ModuleFunction = 7
	ModuleRadio      ModuleFunction = 8
	ModuleAsset      ModuleFunction = 9
	ModuleOther      ModuleFunction = 0xff // "_", or a number we do not know
)

// moduleLetters has the letter of a function at its number; "_" where JSON has none.
const moduleLetters = "nrbmsu_ca_"

// String returns one word.
func (f ModuleFunction) String() string {
	names := [...]string{"none", "resource", "bootloader", "monolithic", "system", "user", "settings", "ncp", "radio", "asset"}
	if int(f) < len(names) {
		return names[f]
	}
	return "other"
}

func (f ModuleFunction) letter() byte {
	if int(f) < len(moduleLetters) {
		return moduleLetters[f]
	}
	return '_'
}

func functionOfLetter(s string) ModuleFunction {
	if s == "" {
		return ModuleNone
	}
	for f := range len(moduleLetters) {
		if moduleLetters[f] == s[0] && s[0] != '_' && len(s) == 1 {
			return ModuleFunction(f)
		}
	}
	return ModuleOther
}

func functionOfNumber(n uint64) ModuleFunction {
	if n > uint64(ModuleAsset) {
		return ModuleOther
	}
	return ModuleFunction(n)
}

// Location is where a module is kept: the letter of the JSON form.
type Location byte

// Device OS system/inc/system_info.h, module_store_string. A module that runs is
// in main, which the zero Location means too.
const (
	LocationMain    Location = 'm'
	LocationFactory Location = 'f'
	LocationBackup  Location = 'b'
	LocationScratch Location = 't'
	LocationOther   Location = '_'
)

// locationLetters has the letter of a location at its number in the protobuf form.
const locationLetters = "mfbt"

// String returns one word.
func (l Location) String() string {
	switch l {
	case LocationMain, 0:
		return "main"
	case LocationFactory:
		return "factory"
	case LocationBackup:
		return "backup"
	case LocationScratch:
		return "scratch"
	}
	return "other"
}

func locationOfLetter(s string) Location {
	if len(s) == 1 {
		for i := range len(locationLetters) {
			if locationLetters[i] == s[0] {
				return Location(s[0])
			}
		}
	}
	return LocationOther
}

func locationOfNumber(n uint64) Location {
	if n < uint64(len(locationLetters)) {
		return Location(locationLetters[n])
	}
	return LocationOther
}

func (l Location) number() uint64 {
	for i := range len(locationLetters) {
		if locationLetters[i] == l.letter() {
			return uint64(i)
		}
	}
	return 0xff
}

// letter returns main's for the zero Location.
func (l Location) letter() byte {
	if l == 0 {
		return byte(LocationMain)
	}
	return byte(l)
}
