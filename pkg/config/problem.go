package config

import (
	"fmt"
	"strings"
)

type position struct{ line, column int }

// Problem is one thing wrong with a config: where, in which field, what, and what to write instead.
type Problem struct {
	File    string
	Line    int // from 1; 0 when the file as a whole is meant
	Column  int
	Field   string // "rotations[0].strategy"; empty when no field is meant
	Message string
}

// Error is "FILE:LINE:COLUMN: FIELD: MESSAGE" on one line, without what is not known.
func (p *Problem) Error() string {
	text := printable(p.File)
	if p.Line > 0 {
		text += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Field != "" {
		text += ": " + printable(p.Field)
	}
	return strings.TrimPrefix(text+": "+printable(p.Message), ": ")
}

// Problems is everything wrong with a config, in the order of the file. It is never empty as an error.
type Problems []*Problem

// Error is the first problem, and how many there are beside it.
func (p Problems) Error() string {
	switch len(p) {
	case 0:
		return "no problem"
	case 1:
		return p[0].Error()
	}
	return fmt.Sprintf("%v (and %d more; \"rotationguard config check\" lists them)", p[0], len(p)-1)
}

// Unwrap gives the problems one by one.
func (p Problems) Unwrap() []error {
	all := make([]error, len(p))
	for i := range p {
		all[i] = p[i]
	}
	return all
}

// ProblemAt is an error about a field of the config, such as "templates.single-user", that only whoever takes its value can find.
func (c *Config) ProblemAt(field string, err error) error {
	at := c.at[field]
	return &Problem{File: c.file, Line: at.line, Column: at.column, Field: field, Message: err.Error()}
}

// printable keeps what a file's author wrote on one line and free of control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0,
			r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0x2028, r == 0x2029, r == 0xfeff:
			return -1
		}
		return r
	}, s)
}
