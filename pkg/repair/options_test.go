package repair

import (
	"testing"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestRolesAreNamedByARNOrPath(t *testing.T) {
	for _, tt := range []struct {
		roles []string
		role  rotation.ARN
		may   bool
	}{
		{[]string{"/rotation/"}, "arn:aws:iam::111122223333:role/rotation/orders", true},
		{[]string{"/rotation/"}, "arn:aws:iam::111122223333:role/rotation/eu/orders", true},
		{[]string{"/rotation/"}, "arn:aws:iam::111122223333:role/orders", false},
		{[]string{"/rotation/"}, "arn:aws:iam::111122223333:role/my/rotation/orders", false},
		{[]string{"/"}, "arn:aws:iam::111122223333:role/orders", false},
		{[]string{"arn:aws:iam::111122223333:role/rotation/*"}, "arn:aws:iam::111122223333:role/rotation/orders", true},
		{[]string{"arn:aws:iam::111122223333:role/rotation/*"}, "arn:aws:iam::111122223333:role/orders", false},
	} {
		reason := Options{Roles: tt.roles}.roleBarred("111122223333", &rotation.Role{ARN: tt.role})
		if (reason == "") != tt.may {
			t.Errorf("%s under %v: %q, want allowed %t", tt.role, tt.roles, reason, tt.may)
		}
	}
}
