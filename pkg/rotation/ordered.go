package rotation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// node is a JSON value whose members keep their order, so that a printed template reads as it was written.
type node struct {
	members []member // of an object
	items   []node   // of an array
	text    *string  // a string
	raw     string   // a number, Boolean or null
	kind    byte     // '{', '[', '"' or 0
}

type member struct {
	name  string
	value node
}

// parseOrdered reads one JSON value and nothing after it. A member that comes twice is an error.
func parseOrdered(data []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	n, err := readNode(d, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("there is text after the document")
	}
	return n, nil
}

func readNode(d *json.Decoder, depth int) (node, error) {
	if depth > 16 {
		return node{}, errors.New("the document is nested too deeply")
	}
	token, err := next(d)
	if err != nil {
		return node{}, err
	}
	switch v := token.(type) {
	case json.Delim:
		n := node{kind: byte(v)}
		for d.More() {
			if err := n.readChild(d, depth); err != nil {
				return node{}, err
			}
		}
		_, err := next(d)
		return n, err
	case string:
		return node{kind: '"', text: &v}, nil
	case json.Number:
		return node{raw: v.String()}, nil
	case bool:
		return node{raw: fmt.Sprint(v)}, nil
	default:
		return node{raw: "null"}, nil
	}
}

// next is the decoder's next token; the end of the text is never expected.
func next(d *json.Decoder) (json.Token, error) {
	token, err := d.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("the document is empty or ends too early")
	}
	return token, err
}

func (n *node) readChild(d *json.Decoder, depth int) error {
	if n.kind == '[' {
		item, err := readNode(d, depth+1)
		n.items = append(n.items, item)
		return err
	}
	token, err := next(d)
	if err != nil {
		return err
	}
	name, _ := token.(string)
	for _, m := range n.members {
		if m.name == name {
			return fmt.Errorf("the member %q comes twice", name)
		}
	}
	value, err := readNode(d, depth+1)
	n.members = append(n.members, member{name, value})
	return err
}

// member is the member of that name of an object, or nil.
func (n *node) member(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].value
		}
	}
	return nil
}

// print writes the value with two spaces of indentation a level.
func (n *node) print() []byte {
	var b bytes.Buffer
	n.write(&b, "\n")
	b.WriteByte('\n')
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer, indent string) {
	switch n.kind {
	case '{':
		b.WriteByte('{')
		for i := range n.members {
			separate(b, i, indent)
			b.WriteString(quote(n.members[i].name) + ": ")
			n.members[i].value.write(b, indent+"  ")
		}
		end(b, len(n.members), indent, '}')
	case '[':
		b.WriteByte('[')
		for i := range n.items {
			separate(b, i, indent)
			n.items[i].write(b, indent+"  ")
		}
		end(b, len(n.items), indent, ']')
	case '"':
		b.WriteString(quote(*n.text))
	default:
		b.WriteString(n.raw)
	}
}

func separate(b *bytes.Buffer, i int, indent string) {
	if i > 0 {
		b.WriteByte(',')
	}
	b.WriteString(indent + "  ")
}

func end(b *bytes.Buffer, n int, indent string, bracket byte) {
	if n > 0 {
		b.WriteString(indent)
	}
	b.WriteByte(bracket)
}

// quote writes a JSON string without escaping <, > and &, which a policy is read by people with.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""`
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
