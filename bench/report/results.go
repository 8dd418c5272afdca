package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// results are the measurements: by question, setting, contender and unit, one
// value for each round.
type results struct {
	all    map[series][]float64
	order  []series // in order of appearance
	config map[string]string

	directory string // of the file
}

// A series is measured once a round.
type series struct {
	question string // "Pieces"
	setting  string // "conns=3"; may be empty
	by       string // "ours"
	unit     string
}

// name matches the name of a benchmark, followed by the number of processors.
var name = regexp.MustCompile(`^([^/]+)(?:/(.+))?/by=([^/]+?)(?:-\d+)?$`)

func read(file string) (*results, error) {
	r := &results{all: make(map[series][]float64), config: make(map[string]string), directory: filepath.Dir(file)}
	files := benchfmt.Files{Paths: []string{file}}
	for files.Scan() {
		switch record := files.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, record
		case *benchfmt.Result:
			for _, c := range record.Config {
				r.config[c.Key] = string(c.Value)
			}
			match := name.FindStringSubmatch(string(record.Name))
			if match == nil {
				continue
			}
			for _, value := range record.Values {
				unit, v := value.Unit, value.Value
				if value.OrigUnit != "" {
					unit, v = value.OrigUnit, value.OrigValue
				}
				s := series{match[1], match[2], match[3], unit}
				if _, known := r.all[s]; !known {
					r.order = append(r.order, s)
				}
				r.all[s] = append(r.all[s], v)
			}
		}
	}
	if err := files.Err(); err != nil {
		return nil, err
	}
	if len(r.all) == 0 {
		return nil, errors.New("there are no results in " + file)
	}
	return r, nil
}

// file returns the text of a file next to the results.
func (r *results) file(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(r.directory, name))
	return strings.TrimSpace(string(text)), err
}

// setting returns the value of a key in the configuration, such as "cpu".
func (r *results) setting(key string) string { return r.config[key] }

// rounds returns the number of rounds of a question.
func (r *results) rounds(question string) (n int, err error) {
	for s, values := range r.all {
		if s.question == question {
			n = max(n, len(values))
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("there are no rounds of %s", question)
	}
	return n, nil
}

// summary is benchstat's: the median and its confidence interval.
func summary(values []float64) benchmath.Summary {
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds) // it sorts them
	return benchmath.AssumeNothing.Summary(sample, 0.95)
}

// spread returns the confidence interval around the median or, with fewer than
// six rounds, the range.
func spread(values []float64) string {
	s := summary(values)
	lo, hi := s.Lo, s.Hi
	if math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		lo, hi = slices.Min(values), slices.Max(values)
	}
	if s.Center == 0 {
		return "±0 %"
	}
	percent := max(hi-s.Center, s.Center-lo) / math.Abs(s.Center) * 100
	return "±" + format(math.Round(percent)) + " %"
}

// ratios returns the ratios of one contender to another, round by round: both
// are measured within moments, so the machine affects both alike.
func (r *results) ratios(question, setting, unit, a, b string) []float64 {
	over := r.all[series{question, setting, a, unit}]
	under := r.all[series{question, setting, b, unit}]
	ratios := make([]float64, min(len(over), len(under)))
	for i := range ratios {
		ratios[i] = over[i] / under[i]
	}
	return ratios
}

// value returns a median.
func (r *results) value(question, setting, unit, by string) (float64, error) {
	values := r.all[series{question, setting, by, unit}]
	if len(values) == 0 {
		return 0, fmt.Errorf("there is no %s of %s/%s by %s", unit, question, setting, by)
	}
	return summary(values).Center, nil
}

// ratio returns the median of contender a's value divided by b's.
func (r *results) ratio(question, setting, unit, a, b string) (float64, error) {
	ratios := r.ratios(question, setting, unit, a, b)
	if len(ratios) == 0 {
		return 0, fmt.Errorf("there is no %s of %s/%s by both %s and %s", unit, question, setting, a, b)
	}
	return summary(ratios).Center, nil
}

// growth returns the ratio of a value with one setting to the value with another.
func (r *results) growth(question, from, to, unit, by string) (float64, error) {
	small, err := r.value(question, from, unit, by)
	if err != nil {
		return 0, err
	}
	large, err := r.value(question, to, unit, by)
	return large / small, err
}

// largestRatio returns the largest ratio of all settings.
func (r *results) largestRatio(question, unit, a, b string) (float64, error) {
	var all []float64
	for _, setting := range r.settings(question, unit) {
		if ratios := r.ratios(question, setting, unit, a, b); len(ratios) > 0 {
			all = append(all, summary(ratios).Center)
		}
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("there is no %s of %s by both %s and %s", unit, question, a, b)
	}
	return slices.Max(all), nil
}

// largestValue returns the largest value of all settings, and lowestValue the
// lowest.
func (r *results) largestValue(question, unit, by string) (float64, error) {
	all, err := r.values(question, "", unit, by)
	if err != nil {
		return 0, err
	}
	return slices.Max(all), nil
}

func (r *results) lowestValue(question, unit, by string) (float64, error) {
	all, err := r.values(question, "", unit, by)
	if err != nil {
		return 0, err
	}
	return slices.Min(all), nil
}

// onlyValue returns the value of the one setting that begins with a prefix.
func (r *results) onlyValue(question, prefix, unit, by string) (float64, error) {
	all, err := r.values(question, prefix, unit, by)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("there are %d settings of %s/%s", len(all), question, prefix)
	}
	if err != nil {
		return 0, err
	}
	return all[0], nil
}

// values returns a value for each setting that begins with a prefix.
func (r *results) values(question, prefix, unit, by string) ([]float64, error) {
	var all []float64
	for _, setting := range r.settings(question, unit) {
		if values := r.all[series{question, setting, by, unit}]; strings.HasPrefix(setting, prefix) && len(values) > 0 {
			all = append(all, summary(values).Center)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no %s of %s/%s by %s", unit, question, prefix, by)
	}
	return all, nil
}

func (r *results) settings(question, unit string) []string {
	var settings []string
	for _, s := range r.order {
		if s.question == question && s.unit == unit && !slices.Contains(settings, s.setting) {
			settings = append(settings, s.setting)
		}
	}
	return settings
}

// table returns a table of one unit: a row for each setting that begins with a
// prefix, a column for ours and for each peer. A peer's value is followed by
// the ratio of ours to theirs.
func (r *results) table(question, prefix, unit string, peers ...string) (string, error) {
	return r.write(question, prefix, unit, true, peers)
}

// figures returns a table without ratios, for values whose ratio has no meaning.
func (r *results) figures(question, prefix, unit string, peers ...string) (string, error) {
	return r.write(question, prefix, unit, false, peers)
}

func (r *results) write(question, prefix, unit string, withRatios bool, peers []string) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "| %s | ours |", unit)
	for _, peer := range peers {
		fmt.Fprintf(&out, " %s |", peer)
	}
	out.WriteString("\n|---|--:|" + strings.Repeat("--:|", len(peers)) + "\n")
	rows := 0
	for _, setting := range r.settings(question, unit) {
		ours := r.all[series{question, setting, "ours", unit}]
		if !strings.HasPrefix(setting, prefix) || len(ours) == 0 {
			continue
		}
		rows++
		fmt.Fprintf(&out, "| %s | %s %s |", strings.NewReplacer("/", ", ", "=", " ").Replace(setting), format(summary(ours).Center), spread(ours))
		for _, peer := range peers {
			theirs := r.all[series{question, setting, peer, unit}]
			if len(theirs) == 0 {
				out.WriteString(" |")
				continue
			}
			fmt.Fprintf(&out, " %s %s", format(summary(theirs).Center), spread(theirs))
			if withRatios {
				ratios := r.ratios(question, setting, unit, "ours", peer)
				fmt.Fprintf(&out, " · **%s ×** %s", format(summary(ratios).Center), spread(ratios))
			}
			out.WriteString(" |")
		}
		out.WriteString("\n")
	}
	if rows == 0 {
		return "", fmt.Errorf("there is no %s of %s/%s", unit, question, prefix)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}
