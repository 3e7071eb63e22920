package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rotationguard/rotationguard/pkg/report"
)

// The forms in which results are printed.
const (
	textOutput = "text"
	jsonOutput = "json"
	htmlOutput = "html"
	csvOutput  = "csv"

	// What others define.
	junitOutput = "junit"
	sarifOutput = "sarif"
	ocsfOutput  = "ocsf"
	asffOutput  = "asff"
)

// outputFlags say in which form a result is printed, and where.
type outputFlags struct {
	form    string
	forms   []string
	out     string
	noColor bool
}

func (f *outputFlags) register(cmd *cobra.Command, forms ...string) {
	f.forms = forms
	list := forms[0]
	for _, form := range forms[1:] {
		list += ", " + form
	}
	cmd.Flags().StringVar(&f.form, "output", forms[0], "the `FORM` of the result: "+list)
	cmd.Flags().StringVar(&f.out, "out", "", "write the result into this `FILE`, readable by you only, instead of printing it")
	cmd.Flags().BoolVar(&f.noColor, "no-color", false, "no colors (so does the variable NO_COLOR)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
}

func (f *outputFlags) check() error {
	if err := oneOf("output", f.form, f.forms...); err != nil {
		return err
	}
	if f.out == "" {
		return nil
	}
	// What cannot be written at the end is said at the beginning.
	info, err := os.Stat(filepath.Dir(f.out))
	switch {
	case err != nil:
		return fmt.Errorf("--out %s: %w", f.out, cause(err))
	case !info.IsDir():
		return fmt.Errorf("--out %s: %s is no folder", f.out, filepath.Dir(f.out))
	}
	if info, err := os.Stat(f.out); err == nil && info.IsDir() {
		return fmt.Errorf("--out %s: it is a folder", f.out)
	}
	return nil
}

// cause leaves out the path, which the message has already.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// style is how text is laid out on a writer: in color and as wide as it is on a terminal, plain and 80 columns wide elsewhere.
func (f *outputFlags) style(w io.Writer) report.Style {
	style := report.Style{Width: 80}
	file, ok := w.(*os.File)
	if f.out != "" || !ok || !isatty.IsTerminal(file.Fd()) {
		return style
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		style.Width = width
	}
	style.Color = !f.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return style
}

// print writes a result to stdout or, at once or not at all, into the file.
func (f *outputFlags) print(cmd *cobra.Command, write func(io.Writer) error) error {
	if f.out == "" {
		return write(cmd.OutOrStdout())
	}
	if err := writeFile(f.out, write); err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: written to "+f.out)
	return nil
}

// writeFile replaces a file, readable by its owner only, once the whole of it has been written.
func writeFile(path string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".rotationguard-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := errors.Join(write(file), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	return nil
}
