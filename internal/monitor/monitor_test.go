package monitor

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask makes a request on a new connection.
func ask(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func TestMonitor(t *testing.T) {
	m, err := Listen("127.0.0.1:0", "--metrics")
	require.NoError(t, err)
	defer m.Close()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "own_total", Help: "Own."})
	m.Registry.MustRegister(counter)
	counter.Add(3)

	status, text := ask(t, http.MethodGet, m.URL())
	assert.Equal(t, http.StatusOK, status)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, 3.0, families["own_total"].GetMetric()[0].GetCounter().GetValue())
	assert.Contains(t, families, "go_goroutines")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)

	health := strings.TrimSuffix(m.URL(), "/metrics") + "/healthz"
	status, text = ask(t, http.MethodGet, health)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "ok\n", text)
	m.Ending()
	status, text = ask(t, http.MethodGet, health)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "ending\n", text)

	status, _ = ask(t, http.MethodPost, health)
	assert.Equal(t, http.StatusMethodNotAllowed, status)
	status, _ = ask(t, http.MethodGet, strings.TrimSuffix(m.URL(), "metrics"))
	assert.Equal(t, http.StatusNotFound, status)
}

// A client that stays connected does not prevent the monitor from closing.
func TestCloseDespiteAClient(t *testing.T) {
	m, err := Listen("127.0.0.1:0", "--metrics")
	require.NoError(t, err)
	conn, err := net.Dial("tcp", m.listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /metrics HTTP/1.1\r\n")
	require.NoError(t, err)
	m.Close()
	m.Close()
}

func TestListenFails(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	at := busy.Addr().String()
	_, err = Listen(Address(at), "--metrics")
	assert.EqualError(t, err, "cannot serve metrics on "+at+": the port is in use; choose another port for --metrics")
	_, err = Listen("203.0.113.1:0", "--metrics") // an address for documentation: no machine has it
	assert.ErrorContains(t, err, "cannot serve metrics on 203.0.113.1:0: ")
	assert.ErrorContains(t, err, "; choose another address for --metrics")
}

func TestAddress(t *testing.T) {
	var a Address
	assert.Error(t, a.Set("localhost"))
	assert.Error(t, a.Set(""))
	assert.Empty(t, a.String(), "an invalid value changes nothing")
	require.NoError(t, a.Set("9100"))
	assert.Equal(t, "127.0.0.1:9100", a.String())
}

// A command without a monitor has a nil Monitor.
func TestNoMonitor(t *testing.T) {
	var m *Monitor
	m.Ending()
	m.Close()
}
