package slowpoetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestOnAMobilePhone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 20_000)) // 160 kbit, a tenth of a second at 1.6 Mbit/s
	}))
	defer server.Close()

	phone, err := netem.ProfileByName("webpagetest/3g")
	require.NoError(t, err)
	web := http.Client{Transport: &http.Transport{DialContext: slownet.NewDialer(phone).DialContext}}
	defer web.CloseIdleConnections()

	start := time.Now()
	response, err := web.Get(server.URL)
	require.NoError(t, err)
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Len(t, page, 20_000)
	assert.Greater(t, time.Since(start), 700*time.Millisecond) // connecting and the request, 300 ms each
}
