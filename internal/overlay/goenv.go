package overlay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Go is the go command in use and its settings, in the directory of a module.
type Go struct {
	GOROOT, GOVERSION, GOOS, GOARCH, GOEXPERIMENT, GOFLAGS, GOMODCACHE string
}

// FindGo asks the go command in PATH. GOTOOLCHAIN or the go.mod of a module may
// select another one.
func FindGo() (*Go, error) {
	command := exec.Command("go", "env", "-json", "GOROOT", "GOVERSION", "GOOS", "GOARCH", "GOEXPERIMENT", "GOFLAGS", "GOMODCACHE")
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		if text := strings.TrimSpace(complaint.String()); text != "" {
			return nil, fmt.Errorf("go env: %s", text)
		}
		return nil, fmt.Errorf("the go command does not work: %w", err)
	}
	var g Go
	if err := json.Unmarshal(output, &g); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	g.GOVERSION, _, _ = strings.Cut(g.GOVERSION, " ") // experiments may follow
	g.GOVERSION, _, _ = strings.Cut(g.GOVERSION, "-X:")
	switch g.GOOS {
	case "linux", "darwin":
	default:
		return nil, fmt.Errorf("the overlay is for linux and darwin, and GOOS is %s: use go test, or set GOOS", g.GOOS)
	}
	return &g, nil
}

// inModuleCache reports whether this Go was downloaded because of GOTOOLCHAIN.
func (g *Go) inModuleCache() bool {
	return g.GOMODCACHE != "" && isBelow(g.GOMODCACHE, g.GOROOT)
}

// isBelow reports whether a path is a directory or below it.
func isBelow(directory, path string) bool {
	below, err := filepath.Rel(directory, path)
	return err == nil && below != ".." && !strings.HasPrefix(below, ".."+string(filepath.Separator))
}

// OverlayInFlags returns the user's overlay in GOFLAGS, or "".
func (g *Go) OverlayInFlags() string {
	file, _ := OwnOverlay(strings.Fields(g.GOFLAGS))
	return strings.Trim(file, `'"`)
}
