package matrix

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
)

var pageFile = flag.String("page", "", "run all programs in all scenarios, and write the page with the results to this file")

//go:embed programs.md.tmpl
var pageText string

// A page is the contents of docs/programs.md.
type page struct {
	Programs           []pageProgram
	Scenarios          []pageScenario
	Causes             []string
	Summary            string
	Go, Platform, Date string
	Processes, Pieces  int
}

type pageProgram struct {
	Name, Version, Does string
	Cells               []string
}

type pageScenario struct{ Name, Link, Event string }

// write writes the page with the results of all cells, by their names.
func (r results) write(t *testing.T, file string, processes int) {
	p := page{
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Date: time.Now().UTC().Format("2 January 2006"),
		Processes: processes, Pieces: pieces,
	}
	for _, s := range scenarios {
		p.Scenarios = append(p.Scenarios, pageScenario{s.name, s.of, s.event})
	}
	one := 0
	for _, program := range programs {
		row := pageProgram{Name: program.name, Version: version(t, program.module), Does: program.does}
		for _, s := range scenarios {
			c := cell{program, s}
			n := r[c.String()]
			text := fmt.Sprint(n)
			switch n {
			case 0:
				text = "fails"
			case 1:
				one++
			}
			if n != 1 {
				text = "**" + text + "**"
				p.Causes = append(p.Causes, fmt.Sprintf("%v: %s", c, causeOf(c)))
			}
			row.Cells = append(row.Cells, text)
		}
		p.Programs = append(p.Programs, row)
	}
	p.Summary = fmt.Sprintf("One digest in %d of %d simulations.", one, len(cells()))
	var text strings.Builder
	require.NoError(t, template.Must(template.New("page").Parse(pageText)).Execute(&text, p))
	require.NoError(t, os.WriteFile(file, []byte(strings.TrimSpace(text.String())+"\n"), 0o666))
}

// causes are the reasons for differences between a program's simulations, by the
// program's name.
var causes = map[string]string{}

func causeOf(c cell) string {
	if cause, ok := causes[c.program.name]; ok {
		return cause
	}
	return "the cause is not known"
}

// version returns the version of a module, or "" for the standard library.
func version(t *testing.T, module string) string {
	if module == "" {
		return ""
	}
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	require.NoError(t, err)
	return strings.TrimPrefix(strings.TrimSpace(string(output)), "v")
}
