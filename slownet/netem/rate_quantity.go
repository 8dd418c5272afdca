package netem

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads a duration, such as "40ms".
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil:
		return d, nil
	case isDecimal(strings.TrimPrefix(s, "-")):
		return 0, fmt.Errorf(`duration %.40q has no unit: write it like "40ms"`, s)
	case !isDuration(s):
		return 0, fmt.Errorf(`duration %.40q cannot be read: write it like "40ms" or "1.5s"`, s)
	case strings.HasPrefix(s, "-"):
		return 0, fmt.Errorf("duration %.40q is negative: it must be 0 or more", s)
	}
	return 0, fmt.Errorf("duration %.40q is too large: it must be at most %v", s, time.Duration(math.MaxInt64))
}

// isDuration reports whether s has the form of a duration, however large it is.
func isDuration(s string) bool {
	_, err := time.ParseDuration(strings.Map(func(r rune) rune {
		if r >= '1' && r <= '9' {
			return '0'
		}
		return r
	}, s))
	return err == nil
}

// hasExponent reports whether a quantity begins with a number such as 1e3.
func hasExponent(s string) bool {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	exponent = strings.TrimLeft(exponent, "+-")
	return isDecimal(strings.TrimPrefix(mantissa, "-")) && exponent != "" && isDigits(exponent[:1])
}

// splitUnit splits a quantity into its number and its unit, with or without a
// space between them.
func splitUnit(s string) (number, unit string) {
	end := len(s) - len(strings.TrimLeft(s, "+-0123456789.,_"))
	return s[:end], strings.TrimPrefix(s[end:], " ")
}

// isDecimal reports whether s is one or more digits, with or without a
// fraction.
func isDecimal(s string) bool {
	whole, fraction, point := strings.Cut(s, ".")
	return isDigits(whole) && (!point || isDigits(fraction))
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Errors of decimals.
var (
	errFraction = errors.New("has a fraction")
	errTooLarge = errors.New("is too large")
	errTooLong  = errors.New("has too many digits")
)

// maxDigits limits the time that parsing a number can take.
const maxDigits = 100

// timesExactly returns the exact product of a decimal and a scale.
func timesExactly(decimal string, scale int64) (int64, error) {
	if len(decimal) > maxDigits {
		return 0, errTooLong
	}
	product, _ := new(big.Rat).SetString(decimal)
	product.Mul(product, new(big.Rat).SetInt64(scale))
	switch {
	case !product.IsInt():
		return 0, errFraction
	case !product.Num().IsInt64():
		return 0, errTooLarge
	}
	return product.Num().Int64(), nil
}

// parsePercent parses a percentage, such as "1.5%", as a number between 0 and
// 1: exactly the constant 0.015 of a Go program.
func parsePercent(s string) (float64, error) {
	number, unit := splitUnit(s)
	switch {
	case strings.HasPrefix(number, "-"):
		return 0, fmt.Errorf("percentage %.40q is negative: it must be between 0%% and 100%%", s)
	case !isDecimal(number) || unit != "" && unit != "%":
		return 0, fmt.Errorf(`percentage %.40q cannot be read: write it like "1.5%%"`, s)
	case unit == "":
		return 0, fmt.Errorf(`percentage %.40q has no unit: write it like "1.5%%"`, s)
	}
	p, err := strconv.ParseFloat(number+"e-2", 64)
	if err != nil || p > 1 {
		return 0, fmt.Errorf("percentage %.40q is too large: it must be between 0%% and 100%%", s)
	}
	return p, nil
}

// formatPercent formats a number between 0 and 1 as the shortest percentage
// that parses as the same number.
func formatPercent(p float64) string {
	if p == 0 {
		return "0%" // negative zero too
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(p, 'f', -1, 64), ".")
	for len(fraction) < 2 {
		fraction += "0"
	}
	percent := strings.TrimLeft(whole+fraction[:2], "0")
	if percent == "" {
		percent = "0"
	}
	if fraction = fraction[2:]; fraction != "" {
		percent += "." + fraction
	}
	return percent + "%"
}

// complement returns 1 - p in decimal arithmetic: for 0.7 it is exactly 0.3,
// not 0.30000000000000004.
func complement(p float64) float64 {
	decimal, _ := new(big.Rat).SetString(strconv.FormatFloat(p, 'f', -1, 64))
	rest, _ := decimal.Sub(big.NewRat(1, 1), decimal).Float64()
	return rest
}

// byteUnits are the units of a number of bytes; byteUnitNames lists them in messages.
var byteUnits = map[string]int64{
	"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

const byteUnitNames = "B, kB, MB, GB, KiB, MiB or GiB"

// parseBytes parses a number of bytes with its unit, such as "64kB".
func parseBytes(s string) (int, error) {
	number, unit := splitUnit(s)
	scale, known := byteUnits[unit]
	switch {
	case strings.HasPrefix(number, "-"):
		return 0, fmt.Errorf("size %.40q is negative: it must be 0 or more bytes", s)
	case !isDecimal(number):
		return 0, fmt.Errorf(`size %.40q does not begin with a number: write it like "1500B" or "64kB"`, s)
	case unit == "":
		return 0, fmt.Errorf(`size %.40q has no unit: write it like "1500B", or as a number of bytes without quotes`, s)
	case !known:
		return 0, fmt.Errorf("size %.40q has the unknown unit %.20q: it must be %s", s, unit, byteUnitNames)
	}
	bytes, err := timesExactly(number, scale)
	switch {
	case errors.Is(err, errFraction):
		return 0, fmt.Errorf("size %.40q is not a whole number of bytes: round it", s)
	case err != nil || int64(int(bytes)) != bytes:
		return 0, fmt.Errorf("size %.40q is too large: it must be at most %dB", s, maxInt)
	}
	return int(bytes), nil
}

// parseQueue reads a queue that is given as a number of bytes or packets.
func parseQueue(s string) (Queue, error) {
	number, unit := splitUnit(s)
	_, isBytes := byteUnits[unit]
	if d, ok := disciplineNamed(s); ok {
		return Queue{}, fmt.Errorf(`queue %.40q names a discipline: write {"discipline": %q}`, s, d)
	}
	switch {
	case unit == "packet" || unit == "packets":
		packets, err := timesExactly(number, 1)
		if !isDecimal(number) || err != nil || int64(int(packets)) != packets {
			return Queue{}, fmt.Errorf(`queue %.40q cannot be used: it must be a whole number of packets, such as "100 packets"`, s)
		}
		return Queue{Packets: int(packets)}, nil
	case unit == "" || isBytes:
		bytes, err := parseBytes(s)
		return Queue{Bytes: bytes}, err
	case !isDecimal(strings.TrimPrefix(number, "-")):
		return Queue{}, fmt.Errorf(`queue %.40q does not begin with a number: write it like "64kB" or "100 packets"`, s)
	}
	return Queue{}, fmt.Errorf("queue %.40q has the unknown unit %.20q: it must be packets, %s", s, unit, byteUnitNames)
}

// formatPackets writes a number of packets.
func formatPackets(n int) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}

// maxInt is the largest int, which depends on the platform.
const maxInt = int(^uint(0) >> 1)
