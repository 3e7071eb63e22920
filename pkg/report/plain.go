package report

// Inert is a text from an account on one line, without what a terminal or mail program would act on or not show.
func Inert(s string) string { return inert(s) }

// ASCII is Inert with a question mark for every character beyond printable ASCII.
func ASCII(s string) string { return asciiPrintable(s) }

// EscapeJSON writes what a terminal would act on, or not show, as \u escapes into a JSON text.
func EscapeJSON(text []byte) []byte { return escapeUnprintable(text) }
