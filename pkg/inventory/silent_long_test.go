//go:build long

package inventory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// TestLongSilentEndpointEnds: an endpoint that takes the connection and never answers ends the reading in bounded time.
func TestLongSilentEndpointEnds(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	a.Fail(awstest.Match{Count: -1}, awstest.Fault{Hang: true})
	start := time.Now()
	_, err := first(t, reader(a, inventory.Options{}), rotation.Scope{})
	if line := inventory.DescribeError(err); !strings.Contains(line, "gave no answer in time") {
		t.Errorf("line = %q", line)
	}
	if took := time.Since(start); took > 45*time.Second {
		t.Errorf("it took %s", took)
	}
}
