package awstest

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// schedule is a rate() or cron() expression of a rotation ("Schedule expressions in Secrets Manager rotation").
type schedule struct {
	every                            time.Duration // of rate()
	hour, day, month, weekday, years string        // of cron(); the minute is always 0
}

var rateText = regexp.MustCompile(`^rate\((\d{1,3}) (hours?|days?)\)$`)

func parseSchedule(text string) (schedule, error) {
	if m := rateText.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 {
			return schedule{}, fmt.Errorf("rate of %s", m[1])
		}
		unit := time.Hour
		if strings.HasPrefix(m[2], "day") {
			unit = 24 * time.Hour
		}
		if every := time.Duration(n) * unit; every >= 4*time.Hour && every <= 999*24*time.Hour {
			return schedule{every: every}, nil
		}
		return schedule{}, errors.New("a rate is between 4 hours and 999 days")
	}
	inner, ok := strings.CutPrefix(text, "cron(")
	inner, closed := strings.CutSuffix(inner, ")")
	fields := strings.Fields(inner)
	if !ok || !closed || len(fields) != 6 {
		return schedule{}, errors.New("neither rate(value unit) nor cron(minutes hours day-of-month month day-of-week year)")
	}
	if fields[0] != "0" {
		return schedule{}, errors.New("the minutes of a cron expression are 0")
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return schedule{}, errors.New("one of day-of-month and day-of-week is ?")
	}
	s := schedule{hour: fields[1], day: fields[2], month: fields[3], weekday: fields[4], years: fields[5]}
	for _, f := range fields[1:] {
		for _, item := range strings.Split(f, ",") {
			if !cronItem.MatchString(item) {
				return schedule{}, fmt.Errorf("%q is no cron field", item)
			}
		}
	}
	return s, nil
}

var cronItem = regexp.MustCompile(`^((\*|\?|L|[0-9A-Z]+(-[0-9A-Z]+)?|[0-9A-Z]+L|[0-9A-Z]+#[1-5])(/\d+)?|/\d+)$`)

// after is the first hour after a time that the cron expression names, zero if there is none within five years.
func (s schedule) after(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Hour).Add(time.Hour)
	for end := t.AddDate(5, 0, 0); t.Before(end); {
		switch {
		case !cronField(s.years, t.Year(), nil) || !cronField(s.month, int(t.Month()), monthNames) || !s.onDay(t):
			t = t.Truncate(24 * time.Hour).Add(24 * time.Hour)
		case !cronField(s.hour, t.Hour(), nil):
			t = t.Add(time.Hour)
		default:
			return t
		}
	}
	return time.Time{}
}

var (
	monthNames   = []string{"", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	weekdayNames = []string{"", "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// onDay says whether the date is one of the schedule: L is the last day, 6L the last Friday, 6#2 the second Friday.
func (s schedule) onDay(t time.Time) bool {
	if s.day == "L" {
		return t.AddDate(0, 0, 1).Day() == 1
	}
	day := int(t.Weekday()) + 1
	if name, nth, ok := strings.Cut(s.weekday, "#"); ok {
		return cronField(name, day, weekdayNames) && strconv.Itoa((t.Day()+6)/7) == nth
	}
	if name, ok := strings.CutSuffix(s.weekday, "L"); ok && name != "" {
		return cronField(name, day, weekdayNames) && t.AddDate(0, 0, 7).Month() != t.Month()
	}
	return cronField(s.day, t.Day(), nil) && cronField(s.weekday, day, weekdayNames)
}

// cronField says whether a value is in a field of values, ranges and steps.
func cronField(field string, v int, names []string) bool {
	for item := range strings.SplitSeq(field, ",") {
		span, by, stepped := strings.Cut(item, "/")
		step, err := strconv.Atoi(by)
		if !stepped || err != nil || step < 1 {
			step = 1
		}
		low, high := 0, 1<<30
		if span != "*" && span != "?" && span != "" {
			from, to, ranged := strings.Cut(span, "-")
			low = cronValue(from, names)
			switch {
			case ranged:
				high = cronValue(to, names)
			case !stepped:
				high = low
			}
		}
		if v >= low && v <= high && (v-low)%step == 0 {
			return true
		}
	}
	return false
}

func cronValue(text string, names []string) int {
	for i, name := range names {
		if name != "" && name == text {
			return i
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}
