package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

const sweepUsage = `Usage: slownet sweep [--json] FILE...

Joins the reports of searches over seeds, from one machine or many, into one
summary: Markdown for the page of a CI job, or JSON. simtest.Search writes its
report to the file that the environment variable SIMTEST_REPORT names; "-" is
standard input.

The exit status is 0 if no seed and no replay file failed, 1 if any did, and 2 if
a file cannot be read or is not a report, or if reports of shards are missing.
`

func sweepReports(args []string, stdin io.Reader, stdout io.Writer) error {
	var asJSON bool
	flags := cli.NewFlagSet("slownet sweep", sweepUsage)
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return cli.Usagef("no file given")
	}
	var reports []sweep.Report
	for _, name := range flags.Args() {
		more, err := readReports(name, stdin)
		if err != nil {
			return cli.Usagef("%s: %v", name, err)
		}
		reports = append(reports, more...)
	}
	summary := sweep.Join(reports)
	text := summary.Markdown()
	if asJSON {
		document, err := json.MarshalIndent(summary, "", "  ")
		if err != nil {
			return err
		}
		text = string(document) + "\n"
	}
	if _, err := io.WriteString(stdout, text); err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	switch {
	case len(summary.Problems) == 1:
		return cli.Usagef("%s", summary.Problems[0])
	case len(summary.Problems) > 1:
		return cli.Usagef("%s; and %d more", summary.Problems[0], len(summary.Problems)-1)
	case summary.Failed+summary.ReplaysFailed > 0:
		return fmt.Errorf("%s failed", summary.WhatFailed())
	}
	return nil
}

// readReports reads a file of reports.
func readReports(name string, stdin io.Reader) ([]sweep.Report, error) {
	if name == "-" {
		return sweep.Read(stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		var pathError *fs.PathError
		if errors.As(err, &pathError) {
			err = pathError.Err // the name is in the text already
		}
		return nil, err
	}
	defer file.Close()
	return sweep.Read(file)
}
