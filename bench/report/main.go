// Command report writes a page about benchmark results: it executes a template
// with the prose, and with functions for its tables and numbers. The statistics
// are benchstat's.
//
//	report performance.md.tmpl results.txt >performance.md
package main

import (
	"bytes"
	"fmt"
	"log"
	"math"
	"os"
	"runtime"
	"text/template"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("report: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: report TEMPLATE RESULTS >PAGE")
	}
	page, err := write(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(page); err != nil {
		log.Fatal(err)
	}
}

func write(templateFile, resultsFile string) ([]byte, error) {
	results, err := read(resultsFile)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(templateFile)
	if err != nil {
		return nil, err
	}
	page, err := template.New("page").Option("missingkey=error").Funcs(template.FuncMap{
		"table":        results.table,
		"figures":      results.figures,
		"ratio":        results.ratio,
		"largest":      results.largestRatio,
		"value":        results.value,
		"growth":       results.growth,
		"largestValue": results.largestValue,
		"lowestValue":  results.lowestValue,
		"onlyValue":    results.onlyValue,
		"setting":      results.setting,
		"profiles":     results.profiles,
		"file":         results.file,
		"met":          met,
		"go":           runtime.Version,
		"cores":        runtime.NumCPU,
		"system":       func() string { return runtime.GOOS + "/" + runtime.GOARCH },
		"rounds":       results.rounds,
	}).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := page.Execute(&out, nil); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// met returns "met", or "**missed**" if the condition does not hold.
func met(condition bool) string {
	if condition {
		return "met"
	}
	return "**missed**"
}

// format writes a number with three significant digits, but with all digits
// before the point.
func format(v float64) string {
	switch magnitude := math.Abs(v); {
	case magnitude >= 1e6:
		return format(math.Trunc(v/1e6)) + fmt.Sprintf(",%03d,%03d", int64(magnitude)/1000%1000, int64(magnitude)%1000)
	case magnitude >= 1e4:
		return fmt.Sprintf("%d,%03d", int64(v)/1000, int64(magnitude)%1000)
	case magnitude >= 100, v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case magnitude >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
