package policy

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// number is a decimal number of any length, compared exactly: whole has no leading zeros, fraction no trailing ones.
type number struct {
	negative        bool
	whole, fraction string
}

// maxExponent bounds the exponent that a number may be written with; no condition key of AWS comes near it.
const maxExponent = 400

// parseNumber reads an integer or decimal, with an exponent if need be.
func parseNumber(s string) (number, bool) {
	var n number
	mantissa := s
	if mantissa != "" && (mantissa[0] == '-' || mantissa[0] == '+') {
		n.negative = mantissa[0] == '-'
		mantissa = mantissa[1:]
	}
	exponent := 0
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		e, err := strconv.Atoi(mantissa[i+1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return number{}, false
		}
		mantissa, exponent = mantissa[:i], e
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	if !allDigits(whole) || !allDigits(fraction) || whole == "" || dotted && fraction == "" {
		return number{}, false
	}
	switch {
	case exponent > 0:
		fraction += strings.Repeat("0", max(0, exponent-len(fraction)))
		whole, fraction = whole+fraction[:exponent], fraction[exponent:]
	case exponent < 0:
		whole = strings.Repeat("0", max(0, -exponent-len(whole))) + whole
		cut := len(whole) + exponent
		whole, fraction = whole[:cut], whole[cut:]+fraction
	}
	n.whole = strings.TrimLeft(whole, "0")
	n.fraction = strings.TrimRight(fraction, "0")
	if n.whole == "" && n.fraction == "" {
		n.negative = false
	}
	return n, true
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// compare is -1, 0 or 1.
func (n number) compare(m number) int {
	switch {
	case n.negative && !m.negative:
		return -1
	case !n.negative && m.negative:
		return 1
	case n.negative:
		n.negative, m.negative = false, false
		return m.compare(n)
	}
	if c := cmp.Compare(len(n.whole), len(m.whole)); c != 0 {
		return c
	}
	if c := strings.Compare(n.whole, m.whole); c != 0 {
		return c
	}
	return strings.Compare(n.fraction, m.fraction)
}

// instant is a moment in UTC.
type instant struct {
	seconds     int64 // since 1970
	nanoseconds int32
}

// parseInstant reads a date of the W3C profile of ISO 8601, or seconds since 1970 when there is neither a hyphen nor a T.
// A time without a zone is UTC.
// Source: IAM User Guide, "Condition operators", section Date.
func parseInstant(s string) (instant, bool) {
	if !strings.ContainsAny(s, "-Tt") {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || s[0] == '+' {
			return instant{}, false
		}
		return instant{seconds: n}, true
	}
	if i := strings.IndexByte(s, 't'); i >= 0 {
		s = s[:i] + "T" + s[i+1:]
	}
	if n := len(s); n > 0 && s[n-1] == 'z' {
		s = s[:n-1] + "Z"
	}
	for _, layout := range instantLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return instant{seconds: t.Unix(), nanoseconds: int32(t.Nanosecond())}, true
		}
	}
	return instant{}, false
}

// instantLayouts are the forms that a date may have; time.Parse takes a fraction after the seconds by itself.
var instantLayouts = []string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02T15:04:05Z0700",
	"2006-01",
}

// compare is -1, 0 or 1.
func (t instant) compare(u instant) int {
	if c := cmp.Compare(t.seconds, u.seconds); c != 0 {
		return c
	}
	return cmp.Compare(t.nanoseconds, u.nanoseconds)
}

// parseRange reads an address or a CIDR range. An address alone is the range of itself. IPv4 and IPv6 are disjoint, so an
// IPv4-mapped IPv6 address stays IPv6.
// Source: IAM User Guide, "Condition operators", section IP address.
func parseRange(s string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefix.Masked(), true
	}
	address, ok := parseAddress(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(address, address.BitLen()), true
}

func parseAddress(s string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(s)
	return address, err == nil && address.Zone() == ""
}

// parseBool reads true or false without case.
func parseBool(s string) (value, ok bool) {
	switch {
	case equalFold(s, "true"):
		return true, true
	case equalFold(s, "false"):
		return false, true
	}
	return false, false
}

// isBinary says whether s is base-64 text in the one form that stands for its bytes, so that equal bytes are equal text.
func isBinary(s string) bool {
	if strings.ContainsAny(s, "\r\n") {
		return false
	}
	_, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil
}
