package netem

import "fmt"

// An invalidError describes an invalid field, in Go's words and in JSON's.
type invalidError struct {
	inGo   string // names the field as Go does
	inJSON string // without the field's name, for errors that give its path in the JSON
}

func (e *invalidError) Error() string { return e.inGo }

// mustBe returns the error of an invalid field.
func mustBe(field string, value any, what string) error {
	rest := fmt.Sprintf("is %v: it must be %s", value, what)
	return &invalidError{field + " " + rest, "it " + rest}
}

// invalid reports the first invalid field.
func (p *Pace) invalid() error {
	switch {
	case p.Bytes < 0:
		return mustBe("Pace.Bytes", p.Bytes, "0 (no limit) or more")
	case p.Wait < 0:
		return mustBe("Pace.Wait", p.Wait, "0 or more")
	}
	return nil
}

// A share is a field with a value that must be between 0 and 1.
type share struct {
	name  string
	value float64
}

// invalidShares reports the first field that is not between 0 and 1.
func invalidShares(shares ...share) error {
	for _, s := range shares {
		if !(s.value >= 0 && s.value <= 1) { // not a number is neither
			return mustBe(s.name, s.value, fmt.Sprintf("between 0 and 1 (%v%% is %v)", 1.5, 0.015))
		}
	}
	return nil
}
