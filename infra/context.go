package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
)

// contextReader reads context values and keeps the first error. A value is text on the command line and may be a
// number or a list in cdk.json.
type contextReader struct {
	node constructs.Node
	err  error
}

func (c *contextReader) value(name string) (any, bool) {
	if c.err != nil {
		return nil, false
	}
	v := c.node.TryGetContext(&name)
	return v, v != nil
}

func (c *contextReader) text(name string, into *string) {
	v, given := c.value(name)
	if !given {
		return
	}
	text, ok := v.(string)
	if !ok {
		c.err = fmt.Errorf("context %s: it is text, not %v", name, v)
		return
	}
	*into = text
}

func (c *contextReader) number(name string, into *int) {
	v, given := c.value(name)
	if !given {
		return
	}
	switch v := v.(type) {
	case float64:
		*into = int(v)
		if float64(*into) == v {
			return
		}
	case string:
		n, err := strconv.Atoi(v)
		if err == nil {
			*into = n
			return
		}
	}
	c.err = fmt.Errorf("context %s: it is a whole number, not %v", name, v)
}

func (c *contextReader) truth(name string, into *bool) {
	v, given := c.value(name)
	if !given {
		return
	}
	switch v {
	case true, "true":
		*into = true
	case false, "false":
		*into = false
	default:
		c.err = fmt.Errorf("context %s: it is true or false, not %v", name, v)
	}
}

func (c *contextReader) list(name string, into *[]string) {
	v, given := c.value(name)
	if !given {
		return
	}
	switch v := v.(type) {
	case string:
		*into = nil
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*into = append(*into, part)
			}
		}
	case []any:
		*into = nil
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				c.err = fmt.Errorf("context %s: it is a list of texts, not %v", name, item)
				return
			}
			*into = append(*into, text)
		}
	default:
		c.err = errors.Join(c.err, fmt.Errorf("context %s: it is a list or comma-separated text, not %v", name, v))
	}
}

// pairs reads NAME=VALUE texts, or an object of texts.
func (c *contextReader) pairs(name string, into *map[string]string) {
	v, given := c.value(name)
	if !given {
		return
	}
	if object, ok := v.(map[string]any); ok {
		*into = map[string]string{}
		for key, value := range object {
			text, ok := value.(string)
			if !ok {
				c.err = fmt.Errorf("context %s: %s is text, not %v", name, key, value)
				return
			}
			(*into)[key] = text
		}
		return
	}
	var list []string
	c.list(name, &list)
	if c.err != nil {
		return
	}
	*into = map[string]string{}
	for _, item := range list {
		key, value, ok := strings.Cut(item, "=")
		if !ok || key == "" {
			c.err = fmt.Errorf("context %s: %q is not NAME=VALUE", name, item)
			return
		}
		(*into)[key] = value
	}
}
