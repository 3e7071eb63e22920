package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxSize is the largest file that is read, in bytes; the account's secrets are matched by globs, not listed.
const maxSize = 1 << 20

// Load reads and validates the file at path, and the template files that it names. The error is a Problems when the file could be
// read at all.
func Load(path string) (Config, error) {
	data, err := readFile(path, maxSize)
	if err != nil {
		return Config{}, err
	}
	return Parse(path, data)
}

func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		var wrapped *fs.PathError
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, &Problem{File: path, Message: err.Error()}
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	var wrapped *fs.PathError
	switch {
	case errors.As(err, &wrapped):
		return nil, &Problem{File: path, Message: wrapped.Err.Error()}
	case err != nil:
		return nil, &Problem{File: path, Message: err.Error()}
	case int64(len(data)) > limit:
		return nil, &Problem{File: path, Message: fmt.Sprintf("larger than %d KiB", limit>>10)}
	}
	return data, nil
}

// Parse reads a config's text as Load does. path names it in messages, and template files are looked for beside it.
func Parse(path string, data []byte) (Config, error) {
	c := Default()
	c.file = path
	c.at = map[string]position{}
	b := &binder{file: path, at: c.at}
	if root := b.parse(data); root != nil {
		b.bind(&c, root)
	}
	if len(b.problems) == 0 {
		v := &validator{binder: b, folder: filepath.Dir(path)}
		v.validate(&c)
	}
	if err := b.ordered(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// ordered are the problems in the order of the file, nil when there is none.
func (b *binder) ordered() error {
	if len(b.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(b.problems, func(x, y *Problem) int {
		if x.Line != y.Line {
			return x.Line - y.Line
		}
		return x.Column - y.Column
	})
	return b.problems
}

// parse is the file's one document, or nil when there is none or it is no YAML.
func (b *binder) parse(data []byte) ast.Node {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		p := &Problem{File: b.file, Message: err.Error()}
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			p.Message = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				p.Line, p.Column = t.Position.Line, t.Position.Column
			}
		}
		b.problems = append(b.problems, p)
		return nil
	}
	var root ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case root != nil:
			b.problem(d.Body, "", "a second document: one file holds one config")
			return nil
		default:
			root = d.Body
		}
	}
	return root
}
