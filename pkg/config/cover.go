package config

// covers says whether m certainly picks every secret that other picks.
func (m Match) covers(other Match) bool {
	if !globCovers(m.Name, other.Name) || !globCovers(m.ARN, other.ARN) {
		return false
	}
	for key, want := range m.Tag {
		have, ok := other.Tag[key]
		if !ok || !globCovers(want, have) {
			return false
		}
	}
	return true
}

// globCovers says whether the pattern wide matches every text that the pattern narrow matches; an empty pattern matches all. A star of
// narrow is taken as one character that only a star of wide matches: that never says yes wrongly, and says no only where
// stars and question marks stand in another order ("*?" and "?*").
func globCovers(wide, narrow string) bool {
	if wide == "" {
		return true
	}
	if narrow == "" {
		narrow = "*"
	}
	// reached[i]: wide[:i] covers the part of narrow that has been read.
	reached := make([]bool, len(wide)+1)
	reached[0] = true
	skipStars := func() {
		for i := range wide {
			if wide[i] == '*' && reached[i] {
				reached[i+1] = true
			}
		}
	}
	skipStars()
	for _, c := range []byte(narrow) {
		for i := len(wide); i >= 0; i-- {
			matched := i > 0 && reached[i-1] && c != '*' && (wide[i-1] == c || wide[i-1] == '?')
			stays := i < len(wide) && wide[i] == '*' && reached[i]
			reached[i] = matched || stays
		}
		skipStars()
	}
	return reached[len(wide)]
}
