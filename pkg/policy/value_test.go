package policy

import (
	"bytes"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbersCompareExactly(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"1", "1.0", 0}, {"0", "-0", 0}, {"00", "0.000", 0}, {"10", "9", 1}, {"-10", "-9", -1}, {"-1", "1", -1}, {"0.1", "0.10", 0}, {"0.1", "0.09", 1},
		{"9007199254740993", "9007199254740992", 1}, {"0.10000000000000000001", "0.1", 1}, {"1e3", "1000", 0}, {"1.5E-1", "0.15", 0}, {"12e-3", "0.012", 0}, {"+5", "5", 0},
	}
	for _, tt := range tests {
		a, aOK := parseNumber(tt.a)
		b, bOK := parseNumber(tt.b)
		if !aOK || !bOK || a.compare(b) != tt.want || b.compare(a) != -tt.want {
			t.Errorf("%s against %s: %d, want %d", tt.a, tt.b, a.compare(b), tt.want)
		}
	}
	for _, s := range []string{"", "-", ".", "1.", ".5", "1e", "1e999", "0x1", "1 ", "NaN", "Inf", "1_000", "--1", "1e1.5"} {
		if n, ok := parseNumber(s); ok {
			t.Errorf("%q is read as the number %v", s, n)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,4}(\.[0-9]{1,4})?(e-?[0-9])?`)
		x, y := text.Draw(t, "x"), text.Draw(t, "y")
		a, _ := parseNumber(x)
		b, _ := parseNumber(y)
		p, _ := new(big.Rat).SetString(x)
		q, _ := new(big.Rat).SetString(y)
		if got := a.compare(b); got != p.Cmp(q) {
			t.Fatalf("%s against %s: %d, want %d", x, y, got, p.Cmp(q))
		}
	})
}

func TestDatesAreInstants(t *testing.T) {
	same := [][]string{
		{"2024-05-01T00:00:00Z", "2024-05-01", "2024-05", "1714521600", "2024-05-01T02:00:00+02:00", "2024-05-01T00:00Z", "2024-05-01t00:00:00z", "2024-05-01T00:00:00.000Z", "2024-05-01T00:00:00"},
		{"1970-01-01T00:00:00Z", "0"},
	}
	for _, group := range same {
		first, ok := parseInstant(group[0])
		for _, s := range group {
			got, sameOK := parseInstant(s)
			if !ok || !sameOK || got.compare(first) != 0 {
				t.Errorf("%s is %v %t, want %v", s, got, sameOK, first)
			}
		}
	}
	earlier, _ := parseInstant("2024-05-01T00:00:00.5Z")
	later, _ := parseInstant("2024-05-01T00:00:00.51Z")
	if earlier.compare(later) != -1 {
		t.Error("fractions of a second do not count")
	}
	if year, _ := parseInstant("2024"); year.seconds != 2024 {
		t.Error("four digits alone are not seconds since 1970")
	}
	for _, s := range []string{"", "2024-5-1", "2024-02-30", "yesterday", "T", "+5", "12.5", "2024-05-01T25:00:00Z", "20240501T000000Z", "99999999999999999999"} {
		if got, ok := parseInstant(s); ok {
			t.Errorf("%q is read as %v", s, got)
		}
	}
}

func TestAddressesAreDisjoint(t *testing.T) {
	tests := []struct {
		name, network, address string
		want                   bool
	}{
		{"an address is the range of itself", "10.0.0.1", "10.0.0.1", true},
		{"a range", "10.0.0.0/8", "10.255.1.1", true},
		{"outside a range", "10.0.0.0/8", "11.0.0.1", false},
		{"host bits do not count", "10.1.2.3/8", "10.9.9.9", true},
		{"IPv6", "2001:db8::/32", "2001:DB8:0:0::1", true},
		{"an IPv6 address is the range of itself", "2001:db8::1", "2001:db8:0::1", true},
		{"IPv4 is not in an IPv6 range", "::/0", "10.0.0.1", false},
		{"IPv6 is not in an IPv4 range", "0.0.0.0/0", "::ffff:10.0.0.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			network, ok := parseRange(tt.network)
			address, addressOK := parseAddress(tt.address)
			if got := network.Contains(address); !ok || !addressOK || got != tt.want {
				t.Errorf("%s holds %s: %t, want %t", tt.network, tt.address, got, tt.want)
			}
		})
	}
}

func TestNamesAreLoweredInASCIILettersOnly(t *testing.T) {
	for c := range 256 {
		for length := range 20 {
			for at := range length {
				name := bytes.Repeat([]byte{'a'}, length)
				name[at] = byte(c)
				hash, wild := lowerName(name)
				want := bytes.Repeat([]byte{'a'}, length)
				want[at] = lowerByte(byte(c))
				if !bytes.Equal(name, want) || wild != (c == '*' || c == '?') || hash != hashText(want) || hash != hashText(string(want)) {
					t.Fatalf("%#x at %d of %d: lowerName made %q, wild %t, want %q", c, at, length, name, wild, want)
				}
			}
		}
	}
}
