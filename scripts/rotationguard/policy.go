package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

func newPolicyCommand() *cobra.Command {
	return parent("policy", "Evaluate and compare IAM policies, exactly and offline", newEvalCommand(), newCompareCommand())
}

// The exit codes of the policy commands, beside 1 for bad input.
const (
	exitSettled   = 0 // equivalent; allowed
	exitDiffers   = 2 // different; denied
	exitUndecided = 3 // could not be settled
)

// standardInput is the path that stands for it.
const standardInput = "-"

// inputs reads the files that flags name.
type inputs struct {
	cmd       *cobra.Command
	exhausted bool // standard input has been read
}

// read is the content of the file that a flag names. A byte more than limit is read and no more: who takes the content refuses it.
func (in *inputs) read(flag, path string, limit int64) ([]byte, error) {
	from := func() (io.ReadCloser, error) { return os.Open(path) }
	switch {
	case path == "":
		return nil, fmt.Errorf("--%s is empty: it takes the name of a file", flag)
	case path == standardInput && in.exhausted:
		return nil, fmt.Errorf("--%s -: standard input was read before", flag)
	case path == standardInput:
		in.exhausted = true
		from = func() (io.ReadCloser, error) { return io.NopCloser(in.cmd.InOrStdin()), nil }
	}
	data, err := readWithin(in.cmd.Context(), from, limit)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", flag, path, cause(err))
	}
	return data, nil
}

// readWithin opens and reads, and ends with the context all the same: a pipe may never have anything to say.
func readWithin(ctx context.Context, from func() (io.ReadCloser, error), limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		r, err := from()
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		done <- result{data, err}
	}()
	select {
	case got := <-done:
		return got.data, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// document is one policy, named as its file is.
func (in *inputs) document(flag, path string) (*policy.Document, error) {
	data, err := in.read(flag, path, policy.MaxDocumentSize)
	if err != nil {
		return nil, err
	}
	name := path
	if path == standardInput {
		name = "standard input"
	}
	return policy.Parse(name, data)
}

// documents are several policies, in the order given.
func (in *inputs) documents(flag string, paths []string) ([]*policy.Document, error) {
	documents := make([]*policy.Document, 0, len(paths))
	for _, path := range paths {
		d, err := in.document(flag, path)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

// boundary is a permissions boundary, or nil without a path.
func (in *inputs) boundary(path string) (*policy.Document, error) {
	if path == "" {
		return nil, nil
	}
	d, err := in.document("boundary", path)
	if err != nil {
		return nil, err
	}
	return d, d.CheckKind(policy.KindIdentity)
}

// kindOf tells by most statements what documents are: policies of resources name principals, and a role's trust policy no resources. What
// does not fit is for CheckKind to refuse.
func kindOf(documents ...*policy.Document) policy.Kind {
	statements, named, placed := 0, 0, 0
	for _, d := range documents {
		for i := range d.Statements {
			s := &d.Statements[i]
			statements++
			if len(s.Principals)+len(s.NotPrincipals) > 0 {
				named++
			}
			if len(s.Resources)+len(s.NotResources) > 0 {
				placed++
			}
		}
	}
	switch {
	case 2*named <= statements && named < statements:
		return policy.KindIdentity
	case placed == 0:
		return policy.KindTrust
	}
	return policy.KindResource
}

// checkKind refuses documents that do not suit their place, and says how the place is chosen where that may be what went wrong.
func checkKind(kind policy.Kind, documents []*policy.Document, hint string) error {
	for _, d := range documents {
		err := d.CheckKind(kind)
		var fault *policy.ParseError
		if errors.As(err, &fault) && hint != "" && (fault.Field == "Principal" || fault.Field == "NotPrincipal") {
			return fmt.Errorf("%w; %s", err, hint)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errRequired names flags that are missing.
func errRequired(cmd *cobra.Command, flags ...string) error {
	text := ""
	for i, flag := range flags {
		switch {
		case i > 0 && i == len(flags)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += "--" + flag
	}
	return fmt.Errorf("%s needs %s; see \"%s --help\"", commandName(cmd), text, cmd.CommandPath())
}

// refuseEmpty refuses a flag that is given and says nothing, as an unset variable of a shell does: left out in silence, a boundary or the
// facts would change the answer.
func refuseEmpty(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && err == nil {
			err = fmt.Errorf("%s: --%s is empty", commandName(cmd), f.Name)
		}
	})
	return err
}
