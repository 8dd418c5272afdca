package cmd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/testscript"
)

var metricsURL = regexp.MustCompile(`http://[^"\s]+/metrics`)

// soon calls a function until it returns "", for at most ten seconds, and then
// fails with the text.
func soon(ts *testscript.TestScript, satisfied func() (wrong string)) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		wrong := satisfied()
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s", wrong)
		}
	}
}

// ask gets a page on a new connection. Without an answer the status is 0.
func ask(url string) (status int, text string) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// urlOf returns the address of a server's metrics from its log.
func urlOf(ts *testscript.TestScript, name string) (url string) {
	p := processOf(ts, name)
	soon(ts, func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		if url = metricsURL.FindString(p.out.String()); url == "" {
			return "the server does not log the address of its metrics"
		}
		return ""
	})
	return url
}

// metric NAME METRIC VALUE waits until a server's metric has the value. For poems_total
// the metric is poems_total:finished or poems_total:broken; for a histogram the value
// is the number of observations.
func metric(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: metric NAME METRIC VALUE")
	}
	url := urlOf(ts, args[0])
	want, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	name, outcome, _ := strings.Cut(args[1], ":")
	soon(ts, func() string {
		status, text := ask(url)
		if status != http.StatusOK {
			return fmt.Sprint(status, " ", text)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(text))
		ts.Check(err)
		for _, m := range families[name].GetMetric() {
			if outcome != "" && m.GetLabel()[0].GetValue() != outcome {
				continue
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if value == want {
				return ""
			}
			return fmt.Sprintf("%s is %v, want %v", args[1], value, want)
		}
		return "there is no metric " + args[1]
	})
}

// healthz starts a server with the given arguments, without reading all of its
// output, gets a poem, and tells the server to end. The server still has lines
// to print then, so there is time to see its health change.
func healthz(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: healthz ARGS...")
	}
	cmd := exec.Command(filepath.Join(bin, "slowpoetry"), args...)
	reader, writer, err := os.Pipe()
	ts.Check(err)
	cmd.Stdout = writer
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = reader.Close()
	})
	_ = writer.Close()
	lines := bufio.NewReader(reader)
	first, err := lines.ReadString('\n')
	ts.Check(err)
	second, err := lines.ReadString('\n')
	ts.Check(err)
	ts.Setenv("SLOW", addressIn(first))
	url := strings.TrimSuffix(metricsURL.FindString(second), "metrics") + "healthz"
	get(ts, false, []string{"SLOW", "poem.txt"})
	if status, text := ask(url); status != http.StatusOK || text != "ok\n" {
		ts.Fatalf("the server serves, and its health is %d %s", status, text)
	}
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	soon(ts, func() string {
		if status, text := ask(url); status != http.StatusServiceUnavailable || text != "ending\n" {
			return fmt.Sprintf("the server is about to end, and its health is %d %s", status, text)
		}
		return ""
	})
	<-ended
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("exit status %d", code)
	}
	if status, _ := ask(url); status != 0 {
		ts.Fatalf("the server has ended, and answers %d", status)
	}
}
