package sweep

import (
	"crypto/sha256"
	"debug/elf"
	"io"
	"os"
	"sync"
)

// program tells this program from every other one: by the ID that Go's linker gives it, which is a hash of what it is linked of, or, where it has
// none, by its own hash. nil: it cannot be told.
var program = sync.OnceValue(func() []byte {
	path, err := os.Executable()
	if err != nil {
		return nil
	}
	if id := buildID(path); len(id) > 0 {
		return id
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // it was read
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return nil
	}
	return sum.Sum(nil)
})

// noteHeader is the size of an ELF note before its description: three numbers and the name "Go" in four bytes (cmd/internal/buildid, note.go).
const noteHeader = 16

func buildID(path string) []byte {
	file, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // it was read
	section := file.Section(".note.go.buildid")
	if section == nil {
		return nil
	}
	note, err := section.Data()
	if err != nil || len(note) < noteHeader {
		return nil
	}
	return note[noteHeader:]
}
