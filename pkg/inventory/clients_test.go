package inventory

import (
	"reflect"
	"regexp"
	"testing"
)

// TestClientsOnlyRead: inventory could not change anything even if it wanted to, nor ask for a secret's value.
func TestClientsOnlyRead(t *testing.T) {
	reading := regexp.MustCompile(`^(Get|List|Describe)[A-Z]`)
	value := regexp.MustCompile(`SecretValue|GetParameter|BatchGet`)
	clients := reflect.TypeFor[Clients]()
	interfaces := 0
	for i := range clients.NumField() {
		field := clients.Field(i)
		if field.Type.Kind() != reflect.Interface || field.Name == "Credentials" {
			continue
		}
		interfaces++
		for j := range field.Type.NumMethod() {
			if name := field.Type.Method(j).Name; !reading.MatchString(name) || value.MatchString(name) {
				t.Errorf("Clients.%s may call %s", field.Name, name)
			}
		}
	}
	if interfaces != 7 {
		t.Errorf("%d client interfaces were looked at, want 7", interfaces)
	}
}

// TestEveryQuotaIsDrawnOn: a pool without calls would hide a misspelt one.
func TestEveryQuotaIsDrawnOn(t *testing.T) {
	drawn := map[pool]bool{}
	for call, p := range pools {
		if quotas[p] == 0 {
			t.Errorf("%s draws on %q, which has no quota", call, p)
		}
		drawn[p] = true
	}
	for p := range quotas {
		if !drawn[p] {
			t.Errorf("no call draws on %q", p)
		}
	}
	for _, b := range newBuckets(0, nil, false) {
		if b.limiter.Burst() < 1 {
			t.Errorf("a bucket without burst never lets a call through")
		}
	}
}
