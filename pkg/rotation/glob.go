package rotation

// GlobMatch says whether pattern matches all of s: `*` stands for any run of characters, `?` for one byte.
func GlobMatch(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// GlobCovers says whether every text that narrow matches is matched by wide too; false where that is not certain.
func GlobCovers(wide, narrow string) bool {
	return wide != "" && narrow != "" && globCovers(wide, narrow)
}

// globCovers says whether wide certainly matches everything that narrow matches: narrow is read as text in which its own
// wildcards are characters that only a `*` (or for `?` a `?`) of wide can take.
func globCovers(wide, narrow string) bool {
	if wide == "" {
		return true
	}
	if narrow == "" {
		narrow = "*"
	}
	var covers func(w, n string) bool
	covers = func(w, n string) bool {
		switch {
		case w == "":
			return n == ""
		case w[0] == '*':
			return covers(w[1:], n) || n != "" && covers(w, n[1:])
		case n == "" || n[0] == '*':
			return false
		case w[0] == '?' || w[0] == n[0]:
			return covers(w[1:], n[1:])
		default:
			return false
		}
	}
	if len(wide)+len(narrow) > 512 {
		return wide == narrow
	}
	return covers(collapse(wide), collapse(narrow))
}

// collapse writes a run of stars as one, which keeps covers from trying each in turn.
func collapse(pattern string) string {
	out := make([]byte, 0, len(pattern))
	for i := range len(pattern) {
		if pattern[i] != '*' || len(out) == 0 || out[len(out)-1] != '*' {
			out = append(out, pattern[i])
		}
	}
	return string(out)
}
