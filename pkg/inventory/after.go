package inventory

import (
	"slices"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// key is that of the group that a bundle becomes.
func key(b []*unit) string {
	g := rotation.Group{Setups: make([]rotation.Setup, 1)}
	g.Setups[0].Function.ARN, g.Setups[0].Role.ARN = b[0].arn, b[0].role
	return g.Key()
}

// after are the bundles behind a place, "" for all.
func after(place string, bundles [][]*unit) [][]*unit {
	if place == "" {
		return bundles
	}
	return slices.DeleteFunc(bundles, func(b []*unit) bool { return key(b) <= place })
}

// restChunk is how many secrets that nothing rotates are given in one group: with 50 tags of full length that is half a MB of text, and some groups
// are under way at once.
const restChunk = 25

// restAfter are the secrets that nothing of ours rotates behind a place.
func restAfter(place string, rest []waiting) []waiting {
	return slices.DeleteFunc(rest, func(s waiting) bool { return rotation.KeyOfRest(s.arn) <= place })
}
